"""A small core for tests of the shell: a Service, workers, a launcher, a phase.

It has the order of a real plan (status, children, Events) and none of its policies.
"""

from datetime import datetime

from mpiop.reconcile import names
from mpiop.reconcile.actions import (
    Action,
    Count,
    Create,
    CreateLauncher,
    CreateSSHSecret,
    Delete,
    EmitEvent,
    KindName,
    PatchStatus,
    Plan,
    Ref,
)
from mpiop.reconcile.mpijob import Json
from mpiop.reconcile.reading import dig, integer, text
from mpiop.reconcile.snapshot import FindingKind, Snapshot

BLOCKING = {FindingKind.FOREIGN, FindingKind.TAKEN, FindingKind.DENIED}


def mpijob(name: str = "pi", workers: int = 2) -> Json:
    """An MPIJob for the toy."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": name},
        "spec": {"workers": workers},
    }


def child(snapshot: Snapshot, kind: KindName, name: str, **fields: object) -> Json:
    """A manifest that belongs to the job."""
    job = snapshot.manifest["metadata"]
    versions = {"Job": "batch/v1"}
    owner = {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": text(job, "name"),
        "uid": text(job, "uid"),
        "controller": True,
    }
    meta = {
        "name": name,
        "namespace": text(job, "namespace"),
        "labels": {names.JOB_UID: text(job, "uid"), **_role(kind)},
        "ownerReferences": [owner],
    }
    version = versions.get(kind, "v1")
    return {"apiVersion": version, "kind": kind, "metadata": meta, **fields}


def _role(kind: KindName) -> dict[str, str]:
    roles = {"Pod": names.WORKER, "Job": names.LAUNCHER}
    return {names.JOB_ROLE: roles[kind]} if kind in roles else {}


def plan(snapshot: Snapshot, _now: datetime) -> Plan:
    """Make what is missing; say the phase; clean up in the end."""
    if dig(snapshot.manifest, "metadata", "deletionTimestamp"):
        return Plan()
    phase = _phase(snapshot)
    actions = list(_status(snapshot, phase))
    told = bool(actions)
    if phase == "Succeeded":
        actions += [
            Delete(Ref("Pod", _namespace(snapshot), pod.name), pod.uid)
            for pod in snapshot.pods
            if pod.role == names.WORKER and pod.deleted is None
        ]
    elif phase != "Invalid" and not _blocked(snapshot):
        actions += _children(snapshot)
    if told:
        actions += [EmitEvent("Normal", phase, f"the job is {phase}")]
        actions += [Count("jobs_created")] if phase == "Created" else []
    return Plan(tuple(actions))


def _namespace(snapshot: Snapshot) -> str:
    return text(snapshot.manifest, "metadata", "namespace")


def _blocked(snapshot: Snapshot) -> bool:
    return any(finding.kind in BLOCKING for finding in snapshot.findings)


def _phase(snapshot: Snapshot) -> str:
    if text(snapshot.manifest, "status", "phase") == "Succeeded":
        return "Succeeded"
    if any(job.terminal == "Complete" for job in snapshot.jobs):
        return "Succeeded"
    if any(one.kind is FindingKind.REJECTED for one in snapshot.findings):
        return "Invalid"
    return "Created"


def _status(snapshot: Snapshot, phase: str) -> list[Action]:
    told = [finding.message for finding in snapshot.findings]
    status = {"phase": phase, "message": "; ".join(told)}
    live = snapshot.manifest.get("status") or {}
    if all(dig(live, key) == value for key, value in status.items()):
        return []
    job = snapshot.manifest["metadata"]
    ref = Ref("MPIJob", text(job, "namespace"), text(job, "name"))
    return [PatchStatus(ref, {"status": status}, text(job, "resourceVersion"))]


def _children(snapshot: Snapshot) -> list[Action]:
    job, namespace = text(snapshot.manifest, "metadata", "name"), _namespace(snapshot)
    uid = text(snapshot.manifest, "metadata", "uid")
    spec = {"clusterIP": "None", "selector": {names.JOB_UID: uid}}
    actions: list[Action] = []
    if not snapshot.others:
        manifest = child(snapshot, "Service", job, spec=spec)
        actions.append(Create(Ref("Service", namespace, job), manifest))
        secret = names.ssh_secret(job, uid)
        manifest = child(snapshot, "Secret", secret)
        actions.append(CreateSSHSecret(Ref("Secret", namespace, secret), manifest))
    present = {pod.name for pod in snapshot.pods}
    for index in range(integer(snapshot.manifest, "spec", "workers")):
        name = names.worker(job, index)
        if name not in present:
            manifest = child(snapshot, "Pod", name, spec=_pod(snapshot))
            actions.append(Create(Ref("Pod", namespace, name), manifest))
    if not snapshot.jobs:
        actions.append(_launcher(snapshot, job, namespace, uid))
    return actions


def _launcher(snapshot: Snapshot, job: str, namespace: str, uid: str) -> CreateLauncher:
    name = names.launcher_job(job, 0)
    labels = {names.JOB_UID: uid, names.JOB_ROLE: names.LAUNCHER}
    template = {"metadata": {"labels": labels}, "spec": _pod(snapshot)}
    spec = {"template": template, "backoffLimit": 0}
    manifest = child(snapshot, "Job", name, spec=spec)
    ref = Ref("Job", namespace, name)
    return CreateLauncher(ref, uid, 0, suspended=False, manifest=manifest)


def _pod(snapshot: Snapshot) -> dict[str, object]:
    containers = dig(snapshot.manifest, "spec", "containers")
    usual = [{"name": "main", "image": "image"}]
    return {"containers": containers or usual, "restartPolicy": "Never"}
