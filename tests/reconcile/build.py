"""Objects as an API server shows them, in one line each, and snapshots of them."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from mpiop.reconcile import names
from mpiop.reconcile.actions import Action, Create, LookInherited, PatchStatus
from mpiop.reconcile.plan import plan
from mpiop.reconcile.recorded import timestamp
from mpiop.reconcile.snapshot import Snapshot
from mpiop.reconcile.views import PodView, child_view, job_view, pod_view

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
NAME, UID = "pi", "uid-of-pi"
Obj = dict[str, Any]


def at(seconds: float) -> str:
    """Give the time so many seconds from NOW, as the API writes it."""
    return timestamp(NOW + timedelta(seconds=seconds)) or ""


def template() -> Obj:
    """Give the smallest Pod template."""
    return {"spec": {"containers": [{"name": "main", "image": "mpi:1"}]}}


def mpijob(workers: int = 2, status: Obj | None = None, **run_policy: object) -> Obj:
    """Give an MPIJob over ssh; keywords go to runPolicy."""
    replicas: Obj = {"Launcher": {"template": template()}}
    if workers:
        replicas["Worker"] = {"replicas": workers, "template": template()}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {
            "name": NAME,
            "namespace": "default",
            "uid": UID,
            "generation": 1,
            "resourceVersion": "100",
            "creationTimestamp": at(-60),
        },
        "spec": {"mpiReplicaSpecs": replicas, "runPolicy": run_policy},
        "status": status or {},
    }


def owned(kind: str, name: str, owner: str = UID, **labels: str) -> Obj:
    """Give metadata of a child."""
    return {
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"uid-of-{name}",
            "resourceVersion": "7",
            "creationTimestamp": at(-50),
            "labels": {names.JOB_UID: UID, **labels},
            "ownerReferences": [{"controller": True, "uid": owner, "kind": "MPIJob"}],
        },
        "spec": {},
        "status": {},
    }


def terminated(code: int, finished: float, started: float = -40, **more: object) -> Obj:
    """Give the state of a container that has ended."""
    reason = "Completed" if code == 0 else "Error"
    end = {"exitCode": code, "reason": reason, "startedAt": at(started)}
    return {"terminated": {**end, "finishedAt": at(finished), **more}}


def worker(index: int, *, ready: bool = True, **status: object) -> Obj:
    """Give a running worker Pod; keywords go to its status."""
    pod = owned(
        "Pod",
        names.worker(NAME, index),
        **{names.JOB_ROLE: names.WORKER, names.INDEX: str(index)},
    )
    pod["spec"] = {"nodeName": "node-a", "containers": [{"name": "main"}]}
    pod["status"] = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": str(ready)}],
        "containerStatuses": [
            {
                "name": "main",
                "restartCount": 0,
                "state": {"running": {"startedAt": at(-45)}},
            }
        ],
        **status,
    }
    return pod


def ended(pod: Obj, state: Obj, phase: str) -> Obj:
    """End a Pod's main container."""
    pod["status"]["phase"] = phase
    pod["status"]["conditions"] = []
    pod["status"]["containerStatuses"] = [
        {"name": "main", "restartCount": 0, "state": state}
    ]
    return pod


def launcher_job(attempt: int = 0, condition: str = "", **more: object) -> Obj:
    """Give a launcher Job, terminal with the condition named."""
    job = owned(
        "Job", names.launcher_job(NAME, attempt), **{names.ATTEMPT: str(attempt)}
    )
    if condition:
        entry = {"type": condition, "status": "True", "lastTransitionTime": at(-2)}
        job["status"] = {"conditions": [{**entry, **more}]}
    return job


def launcher_pod(attempt: int = 0, *, started: bool = True) -> Obj:
    """Give a launcher Pod, whose main container runs since 40 seconds if started."""
    name = names.launcher_job(NAME, attempt)
    pod = owned(
        "Pod",
        f"{name}-abcde",
        owner=f"uid-of-{name}",
        **{names.JOB_ROLE: names.LAUNCHER, names.ATTEMPT: str(attempt)},
    )
    pod["spec"] = {"nodeName": "node-a", "containers": [{"name": "main"}]}
    state = {"running": {"startedAt": at(-40)}} if started else {"waiting": {}}
    pod["status"] = {
        "phase": "Running" if started else "Pending",
        "containerStatuses": [{"name": "main", "restartCount": 0, "state": state}],
    }
    return pod


def init(name: str, state: Obj) -> Obj:
    """Give the status of an init container."""
    return {"name": name, "restartCount": 0, "state": state}


def trying(attempt: int = 0, since: float = 0) -> Obj:
    """Give a launcher Pod that tries to reach its workers since then."""
    pod = launcher_pod(attempt, started=False)
    state = {"running": {"startedAt": at(since)}}
    pod["status"]["initContainerStatuses"] = [init(names.WAIT_CONTAINER, state)]
    return pod


def base(workers: int = 2) -> list[Obj]:
    """Give Service and ConfigMap as a new job of so many workers makes them."""
    made = [one for one in step(snapshot(mpijob(workers))) if isinstance(one, Create)]
    found = []
    for one in made:
        if one.ref.kind in {"Service", "ConfigMap"}:
            found.append({**one.manifest, **owned(one.ref.kind, one.ref.name)})
            found[-1]["spec"] = one.manifest.get("spec", {})
    return found


def view(pod: Obj) -> PodView:
    """Project one Pod."""
    return pod_view(pod)


def snapshot(job: Obj, *children: Obj, **more: Any) -> Snapshot:  # noqa: ANN401
    """Give the snapshot of a job with these children."""
    kinds = {"Pod", "Job"}
    return Snapshot(
        job,
        pods=tuple(pod_view(c) for c in children if c["kind"] == "Pod"),
        jobs=tuple(job_view(c) for c in children if c["kind"] == "Job"),
        others=tuple(
            child_view(c["kind"], c) for c in children if c["kind"] not in kinds
        ),
        **more,
    )


def step(seen: Snapshot, seconds: float = 0) -> tuple[Action, ...]:
    """Plan as the shell does, answering every look with two lines."""
    when = NOW + timedelta(seconds=seconds)
    found = plan(seen, when)
    if found.looks:
        lines = "first line\nlast line"
        answers = {
            look: "" if isinstance(look, LookInherited) else lines
            for look in found.looks
        }
        found = plan(Snapshot(**{**_fields(seen), "answers": answers}), when)
    return found.actions


def _fields(seen: Snapshot) -> dict[str, Any]:
    return {name: getattr(seen, name) for name in Snapshot.__annotations__}


def status_of(actions: tuple[Action, ...]) -> Obj:
    """Give what is patched into the status, {} where nothing is."""
    for action in actions:
        if isinstance(action, PatchStatus):
            return dict(cast("Obj", action.patch["status"]))
    return {}


def after(job: Obj, actions: tuple[Action, ...]) -> Obj:
    """Give the job with its status patched."""
    return {**job, "status": {**job["status"], **status_of(actions)}}


def running(workers: int = 2, **run_policy: Any) -> Obj:  # noqa: ANN401
    """Give a job whose launcher was seen to run with all workers."""
    job = mpijob(workers, **run_policy)
    pods = [worker(index) for index in range(workers)]
    seen = snapshot(job, *base(workers), *pods, launcher_job(), launcher_pod())
    return after(job, step(seen))


def condition(status: Obj, name: str) -> Obj:
    """Find a condition in a status, {} where it is not."""
    return next((c for c in status.get("conditions", ()) if c["type"] == name), {})


WORKERS = [worker(0), worker(1)]
