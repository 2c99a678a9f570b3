"""Refuse snapshots that no API server could show; they would only test fiction."""

from collections import Counter

from mpiop.reconcile import names
from mpiop.reconcile.snapshot import Snapshot


def impossible(snapshot: Snapshot) -> list[str]:
    """List what could not be, [] where the snapshot is possible."""
    found = []
    objects = [("Pod", pod.name) for pod in snapshot.pods]
    objects += [("Job", job.name) for job in snapshot.jobs]
    objects += [(child.kind, child.name) for child in snapshot.others]
    found += [f"two of {key}" for key, n in Counter(objects).items() if n > 1]
    found += [f"{pod.name} without uid" for pod in snapshot.pods if not pod.uid]
    for pod in snapshot.pods:
        if pod.phase == "Succeeded" and (pod.ended is None or pod.ended.exit_code):
            found.append(f"{pod.name} succeeded without an exit code 0")
        if pod.phase == "Running" and not pod.started:
            found.append(f"{pod.name} runs and has not started")
        if pod.ready and pod.phase != "Running":
            found.append(f"{pod.name} is ready and does not run")
        if pod.phase != "Pending" and not pod.node:
            found.append(f"{pod.name} got on without a node")
    found += _jobs(snapshot)
    return found


def _jobs(snapshot: Snapshot) -> list[str]:
    found = []
    for job in snapshot.jobs:
        pods = [pod for pod in snapshot.pods if pod.owner == job.uid]
        # A terminal Job beside a Pod that seems to run is only a watch behind.
        if job.terminal == "Complete" and any(p.phase == "Failed" for p in pods):
            found.append(f"{job.name} is Complete with a failed Pod")
        if job.terminal and job.suspended:
            found.append(f"{job.name} is terminal and suspended")
    launchers = [pod for pod in snapshot.pods if pod.role == names.LAUNCHER]
    if sum(1 for pod in launchers if not pod.terminal) > 1:
        found.append("two launchers run")
    return found
