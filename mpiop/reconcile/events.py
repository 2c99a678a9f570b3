"""Events and counters: said once, after the status that they follow was written.

They are read off the change of conditions, so a plan that changes none says none.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal

from mpiop.reconcile.actions import Action, Count, EmitEvent
from mpiop.reconcile.desired import hosts
from mpiop.reconcile.mpijob import MPIJob, RemoteShell
from mpiop.reconcile.reading import dig
from mpiop.reconcile.recorded import Condition, Recorded

JOBS_CREATED: Final = "jobs_created"
JOBS_SUCCEEDED: Final = "jobs_successful"
JOBS_FAILED: Final = "jobs_failed"
JOBS_RESTARTED: Final = "jobs_restarted"
JOBS_DELETED: Final = "jobs_deleted"  # no plan tells: the job is gone
JOB_START: Final = "job_start_seconds"
JOB_DURATION: Final = "job_duration_seconds"

_COUNTED: Final = {
    "Created": JOBS_CREATED,
    "Succeeded": JOBS_SUCCEEDED,
    "Failed": JOBS_FAILED,
}
# Which change of which condition is worth an Event, and of which type.
_SAID: Final[dict[tuple[str, str], Literal["Normal", "Warning"]]] = {
    ("Created", "True"): "Normal",
    ("Running", "True"): "Normal",
    ("Suspended", "True"): "Normal",
    ("Suspended", "False"): "Normal",
    ("Succeeded", "True"): "Normal",
    ("Restarting", "True"): "Warning",
    ("Failed", "True"): "Warning",
    ("Valid", "False"): "Warning",
    ("Blocked", "True"): "Warning",
}
_RESTART_POLICY: Final = (
    "restartPolicy in the launcher's Pod template has no effect: the launcher's Pod"
    " never restarts in place, and runPolicy.backoffLimit says how often it is retried"
)
_ARGUMENTS: Final = (
    "args of the worker's main container have no effect without command: over"
    " KubectlExec such a worker waits for the launcher's processes"
)


def announce(before: Recorded, after: Recorded, job: MPIJob) -> Iterator[Action]:
    """Yield the Events and counts of what has become true."""
    for entry in after.conditions:
        old = before.condition(entry.type)
        if old is not None and not _news(old, entry):
            continue
        kind = _SAID.get((entry.type, entry.status))
        if kind is not None:
            kind = "Warning" if entry.reason == "RanOnLauncherOnly" else kind
            yield EmitEvent(kind, entry.reason, entry.message)
        if entry.type in _COUNTED and entry.status == "True":
            yield Count(_COUNTED[entry.type])
    if before.condition("Created") is None:
        yield from _without_effect(job)
    warnings = [one for one in after.warnings if one not in before.warnings]
    if warnings:
        yield EmitEvent("Warning", "APIWarning", "; ".join(warnings))
    yield from _measured(before, after)


def _measured(before: Recorded, after: Recorded) -> Iterator[Count]:
    """Yield how long the first launcher took to start, and the job to end."""
    if after.attempt > before.attempt:
        yield Count(JOBS_RESTARTED)
    start = after.start_time or before.start_time
    if start is None:
        return
    running = after.since("Running")
    if running and before.since("Running") is None and after.attempt == 0:
        yield Count(JOB_START, amount=_seconds(start, running))
    end = after.completion_time
    if after.ruling is not None and before.ruling is None and end is not None:
        result = "Succeeded" if after.ruling.succeeded else "Failed"
        yield Count(JOB_DURATION, {"result": result}, _seconds(start, end))


def _seconds(begin: datetime, end: datetime) -> float:
    return max(0.0, (end - begin).total_seconds())


def _without_effect(job: MPIJob) -> Iterator[Action]:
    """Warn of what a user has written and nobody heeds, as in upstream."""
    if dig(job.launcher.template, "spec", "restartPolicy"):
        yield EmitEvent("Warning", "SetPodTemplateRestartPolicy", _RESTART_POLICY)
    kubectl = job.remote_shell is RemoteShell.KUBECTL_EXEC
    if job.worker is None or not kubectl or hosts.has_command(job):
        return
    if hosts.main_container(job.worker.template).get("args"):
        yield EmitEvent("Warning", "WorkerArgumentsIgnored", _ARGUMENTS)


def _news(old: Condition, entry: Condition) -> bool:
    return (old.status, old.reason, old.changed) != (
        entry.status,
        entry.reason,
        entry.changed,
    )
