"""What a user reads: the whole status, from facts and phase, and when to write it.

A change of phase, reason, verdict or condition is written at once. Counts and
messages alone wait until the last write is ten seconds old, except that the number of
active Pods reaching 0 is written at once: queues release quota on it.
"""

from collections.abc import Mapping
from typing import Final

from mpiop.reconcile.actions import PatchStatus, Ref
from mpiop.reconcile.attempts import remote_starts
from mpiop.reconcile.causes import listed, trouble, whereabouts
from mpiop.reconcile.facts import Facts
from mpiop.reconcile.mpijob import Json
from mpiop.reconcile.policies import lost_node, startup
from mpiop.reconcile.reading import dig, integer, parse_time
from mpiop.reconcile.recorded import timestamp
from mpiop.reconcile.snapshot import FindingKind
from mpiop.states import VERDICTS, Phase

SLOW_SECONDS: Final = 10.0
_SLOW: Final = {"workers", "replicaStatuses", "message", "observedGeneration"}
_STAMP: Final = "lastReconcileTime"
_ENDED: Final = {*VERDICTS, Phase.CLEANED}


def status(facts: Facts, phase: Phase, events: str = "") -> Json:
    """Render the status.

    Args:
        facts: what is seen and recorded.
        phase: where the machine rests.
        events: what the launcher Job's Events say where it has no Pod.
    """
    recorded = facts.recorded
    reason, message = reason_and_message(facts, phase, events)
    ended = phase in _ENDED
    return {
        "phase": phase,
        "result": result(facts),
        "reason": reason,
        "message": message,
        "workers": "" if ended else f"{_workers(facts)}/{facts.job.worker_replicas}",
        "restarts": facts.attempt,
        "observedGeneration": facts.job.generation,
        "startTime": timestamp(recorded.start_time),
        "completionTime": timestamp(recorded.completion_time),
        "conditions": [entry.json() for entry in recorded.conditions],
        "replicaStatuses": replica_statuses(facts, ended=ended),
        "recorded": recorded.json(),
    }


def _workers(facts: Facts) -> int:
    """Count ready workers; once the launcher runs, those that run.

    Readiness gates the start only: a probe that flaps in mid-run is no news. Horovod
    looks for workers while it runs, and an elastic job's stay counted by readiness.
    """
    if facts.job.elastic or not facts.launcher_started:
        return facts.ready
    return sum(1 for pod in facts.workers.values() if pod.phase == "Running")


def result(facts: Facts) -> str:
    """One word for the verdict, "" before it; Unverified is no plain success."""
    ruling = facts.recorded.ruling
    if ruling is None:
        return ""
    if not ruling.succeeded:
        return "Failed"
    return "Unverified" if ruling.verified == "False" else "Succeeded"


def replica_statuses(facts: Facts, *, ended: bool) -> Json:
    """Count Pods as upstream does: active means Running and not on its way out."""
    live = [pod for pod in facts.workers.values() if not ended]
    launchers = [pod for pod in facts.launchers if pod.deleted is None and not ended]
    bare = [pod.phase for pod in facts.launchers if pod.owner == facts.job.uid]
    ends = [*(job.terminal for job in facts.jobs.values()), *bare]
    ruling = facts.recorded.ruling
    succeeded = any(end in {"Complete", "Succeeded"} for end in ends)
    succeeded |= ruling is not None and ruling.succeeded
    failed = ends.count("Failed")
    return {
        "Launcher": {
            "active": sum(1 for pod in launchers if pod.phase == "Running"),
            "succeeded": int(succeeded),
            "failed": failed,
        },
        "Worker": {
            "active": sum(1 for pod in live if pod.phase == "Running"),
            "succeeded": sum(1 for pod in live if pod.phase == "Succeeded"),
            "failed": sum(1 for pod in live if pod.phase == "Failed"),
        },
    }


def reason_and_message(facts: Facts, phase: Phase, events: str) -> tuple[str, str]:
    """Say why the job is where it is, and what to do where something is in the way."""
    recorded = facts.recorded
    if recorded.ruling is not None:
        return recorded.ruling.reason, recorded.ruling.message
    if recorded.refused_message:
        return "Refused", recorded.refused_message
    for kind in (FindingKind.FOREIGN, FindingKind.DENIED, FindingKind.TAKEN):
        found = facts.found(kind)
        if found:
            return _FOUND[kind], found[0].message
    blocked = recorded.condition("Blocked")
    if blocked and blocked.status == "True" and blocked.reason in _LASTING:
        return blocked.reason, blocked.message
    lost = lost_node.message(facts)
    if lost:
        return "WaitingForLostNode", lost
    if phase is Phase.SUSPENDED:
        return "Suspended", ""
    if recorded.missing is not None:
        return recorded.missing.reason, recorded.missing.message
    if phase is Phase.LAUNCHER_RUNNING:
        return "", _layout(facts)
    return _waiting(facts, events)


_FOUND: Final = {
    FindingKind.FOREIGN: "Blocked",
    FindingKind.DENIED: "Denied",
    FindingKind.TAKEN: "NameTaken",
}


_LASTING: Final = {"Denied", "GangSchedulerMissing"}  # until all workers are there


def _waiting(facts: Facts, events: str) -> tuple[str, str]:
    if events and startup.has_no_pod(facts):
        return "LauncherHasNoPod", events
    if facts.attempt:
        cause = facts.recorded.condition("Restarting")
        why = cause.message if cause else ""
        return "Restarting", startup.blocker(facts) or why
    late = facts.since(facts.recorded.start_time) >= startup.BLOCKED_SECONDS
    found = startup.blocker(facts, events) or events if late else ""
    if not found and late and facts.workers_ready:
        found = _launcher_wait(facts)
    return ("Waiting", found) if found else ("", "")


def _launcher_wait(facts: Facts) -> str:
    pod = facts.launcher
    if pod is None:
        return ""
    if found := trouble(pod):
        return found
    if pod.tries_since is None:
        return f"{whereabouts(pod)} is starting"
    why = startup.last_words(facts)
    return f"{pod.name} waits until it reaches every worker{why}"


def _layout(facts: Facts) -> str:
    started, _ = remote_starts(facts.launcher)
    return f"hosts started by the launcher: {listed(started)}" if started else ""


def write(facts: Facts, wanted: Json) -> tuple[PatchStatus | None, float | None]:
    """Decide whether to write the status now, and if not, in how many seconds.

    Returns:
        The write or None, and the seconds until a write that waits or None.
    """
    seen = facts.snapshot.manifest.get("status")
    live: Mapping[str, object] = seen if isinstance(seen, Mapping) else {}
    changed = {
        key: value
        for key, value in wanted.items()
        if _norm(live.get(key)) != _norm(value)
    }
    if not changed:
        return None, None
    if _slow(live, changed) and not _stopped(live, wanted):
        age = facts.since(parse_time(live.get(_STAMP)))
        if live.get(_STAMP) and age < SLOW_SECONDS:
            return None, SLOW_SECONDS - age
    job = facts.job
    patch = {"status": {**changed, _STAMP: timestamp(facts.now)}}
    ref = Ref("MPIJob", job.namespace, job.name)
    return PatchStatus(ref, patch, job.resource_version), None


def _slow(live: Json, changed: Json) -> bool:
    """Whether counts, messages and warnings of the API server are all that changed."""
    if not changed.keys() <= {*_SLOW, "recorded"}:
        return False
    facts, old = changed.get("recorded"), live.get("recorded")
    return all(
        name == "warnings" or _norm(value) == _norm(dig(old, name))
        for name, value in (facts.items() if isinstance(facts, Mapping) else ())
    )


def _stopped(live: Json, wanted: Json) -> bool:
    return _active(live) > 0 and _active(wanted) == 0


def _active(found: Json) -> int:
    counts = dig(found, "replicaStatuses")
    return sum(integer(counts, role, "active") for role in ("Launcher", "Worker"))


def _norm(value: object) -> object:
    """Compare as stored: null and absent are one, enums are their strings."""
    if isinstance(value, Mapping):
        pairs = {str(key): _norm(one) for key, one in value.items()}
        return {key: one for key, one in pairs.items() if one is not None}
    if isinstance(value, list | tuple):
        return [_norm(one) for one in value]
    return str(value) if isinstance(value, str) else value
