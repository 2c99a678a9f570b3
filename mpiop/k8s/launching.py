"""The live reads that make a launcher the only one (design 4).

The cache may be behind; two launchers of one job would run its program twice.
"""

from mpiop.k8s.api import Api
from mpiop.k8s.errors import Conflict
from mpiop.k8s.subject import Subject
from mpiop.reconcile import names
from mpiop.reconcile.actions import CreateLauncher, Ref
from mpiop.reconcile.mpijob import Json
from mpiop.reconcile.reading import dig, integer, text


def check(api: Api, job: Subject, action: CreateLauncher) -> None:
    """Read the MPIJob and the launcher Pods as they are now.

    Raises:
        Conflict: the job has moved on, or a launcher may still run.
        NotFound: the job is gone.
    """
    live = api.get(Ref("MPIJob", job.namespace, job.name))
    reason = _moved_on(live, job, action)
    if reason:
        raise Conflict(409, "Conflict", reason)
    selector = f"{names.JOB_UID}={job.uid},{names.JOB_ROLE}={names.LAUNCHER}"
    pods = api.list_page("Pod", job.namespace, (("labelSelector", selector),))
    for pod in pods.items:
        if text(pod, "status", "phase") not in {"Succeeded", "Failed"}:
            name = text(pod, "metadata", "name")
            raise Conflict(409, "Conflict", f"launcher Pod {name} may still run")


def _moved_on(live: Json, job: Subject, action: CreateLauncher) -> str:
    meta, recorded = live.get("metadata"), dig(live, "status", "recorded")
    if text(meta, "uid") != job.uid:
        return "the MPIJob is another one by now"
    if dig(meta, "deletionTimestamp") is not None:
        return "the MPIJob is being deleted"
    if dig(recorded, "verdict") is not None:
        return "the verdict is recorded"
    if integer(recorded, "attempt") != action.attempt:
        return f"attempt {integer(recorded, 'attempt')} is recorded"
    if dig(live, "spec", "runPolicy", "suspend") is True and not action.suspended:
        return "the MPIJob is suspended by now"
    return ""
