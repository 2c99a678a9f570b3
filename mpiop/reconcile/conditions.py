"""Conditions: upstream's types and reasons, ours beside them, and their times.

An entry that keeps status and reason is left alone, times and message included; one
that changes goes to the end of the list, so that the last entry is the newest word.
"""

from collections.abc import Iterator
from typing import Final

from mpiop.reconcile.desired.environment import binds_nothing
from mpiop.reconcile.facts import Facts
from mpiop.reconcile.policies import gang, retry, startup, suspension
from mpiop.reconcile.recorded import Condition, Recorded, Ruling, Truth
from mpiop.reconcile.snapshot import FindingKind
from mpiop.states import VERDICTS, Phase

CREATED: Final = "Created"
RUNNING: Final = "Running"
RESTARTING: Final = retry.RESTARTING
SUSPENDED: Final = suspension.SUSPENDED
SUCCEEDED: Final = "Succeeded"
FAILED: Final = "Failed"
WORKERS_READY: Final = startup.WORKERS_READY
VALID: Final = "Valid"
BLOCKED: Final = "Blocked"
VERIFIED: Final = "Verified"
NAME_TAKEN: Final = "ErrResourceExists"
DENIED: Final = "Denied"
NO_GANGS: Final = "GangSchedulerMissing"
UNBOUND: Final = (
    "ranks are bound to no cores, since workers have no whole ones of their own "
    "(an integer as cpu limit, and the same request)"
)

Wish = tuple[str, Truth, str, str]


def conditions(facts: Facts, before: Recorded, phase: Phase) -> tuple[Condition, ...]:
    """Give the conditions that are true now, with the times of those that stay.

    Args:
        facts: what is seen, with what is recorded from now on.
        before: what was recorded until now; tells a raised attempt.
        phase: where the machine rests.
    """
    kept = {entry.type: entry for entry in before.conditions}
    for name, status, reason, message in _wishes(facts, before, phase):
        old = kept.get(name)
        again = name == RESTARTING
        same = old is not None and (old.status, old.reason) == (status, reason)
        if same and not again:
            continue
        kept.pop(name, None)
        now = facts.now.replace(microsecond=0)
        changed = old.changed if old and old.status == status and not again else now
        kept[name] = Condition(name, status, reason, message, now, changed)
    return tuple(kept[name] for name in kept if not _dropped(name, kept))


def _dropped(name: str, kept: dict[str, Condition]) -> bool:
    """Running=True and Restarting=True exclude each other, a verdict ends the latter.

    Of the two the newer one stays (upstream 6.1).
    """
    pair = [kept[entry] for entry in kept if entry in {RUNNING, RESTARTING}]
    if name == RESTARTING and kept.keys() & {SUCCEEDED, FAILED}:
        return True
    both = len(pair) > 1 and all(entry.status == "True" for entry in pair)
    return both and name == pair[0].type


def _wishes(facts: Facts, before: Recorded, phase: Phase) -> Iterator[Wish]:
    """List what should be said now; what is not mentioned stays as it is."""
    name = facts.job.name
    yield CREATED, "True", "MPIJobCreated", f"MPIJob {name} is created"
    yield from _progress(facts, before, phase)
    yield from _refusals(facts, before)
    if facts.recorded.ruling is not None:
        yield from _verdict(facts.recorded.ruling)


def _progress(facts: Facts, before: Recorded, phase: Phase) -> Iterator[Wish]:
    if phase is Phase.WORKERS_READY:
        yield WORKERS_READY, "True", "WorkersReady", "every worker is ready"
    elif phase in {Phase.CREATED, Phase.SUSPENDED} and before.condition(WORKERS_READY):
        yield WORKERS_READY, "False", "WorkersNotReady", "not every worker is ready"
    if phase is Phase.SUSPENDED:
        yield SUSPENDED, "True", "MPIJobSuspended", "the job is suspended"
        yield RUNNING, "False", "MPIJobSuspended", "the job is suspended"
    elif before.since(SUSPENDED) and phase not in {*VERDICTS, Phase.CLEANED}:
        yield SUSPENDED, "False", "MPIJobResumed", "the job is resumed"
    if _raised(facts, before) and phase not in {*VERDICTS, Phase.CLEANED}:
        message = f"attempt {facts.attempt + 1} follows"
        yield RESTARTING, "True", "MPIJobRestarting", message
    if phase is Phase.LAUNCHER_RUNNING and (before.since(RUNNING) or _all_run(facts)):
        unbound = f"; {UNBOUND}" if binds_nothing(facts.job) else ""
        message = f"the launcher and its workers run{unbound}"
        yield RUNNING, "True", "MPIJobRunning", message


def _all_run(facts: Facts) -> bool:
    """Whether every worker runs: a queue reads Running as "all Pods are there"."""
    running = [pod for pod in facts.workers.values() if pod.phase == "Running"]
    return len(running) >= facts.job.worker_replicas


def _raised(facts: Facts, before: Recorded) -> bool:
    """Whether the attempt is raised by this very plan: nothing of it exists yet."""
    return facts.recorded.attempt > max(before.attempt, *facts.jobs, 0)


def _refusals(facts: Facts, before: Recorded) -> Iterator[Wish]:
    if facts.recorded.refused_message:
        yield VALID, "False", "ValidationError", facts.recorded.refused_message
    elif before.condition(VALID) is not None:
        yield VALID, "True", "Accepted", "the spec can be carried out"
    old = before.condition(BLOCKED)
    if foreign := facts.found(FindingKind.FOREIGN):
        yield BLOCKED, "True", NAME_TAKEN, foreign[0].message
    elif denied := _denied(facts):
        yield BLOCKED, "True", DENIED, denied
    elif lacking := gang.lacking(facts):
        yield BLOCKED, "True", NO_GANGS, lacking
    elif old is None or old.status != "True":
        return
    elif old.reason == NAME_TAKEN:
        if not _still_missing(facts, old.message):
            yield BLOCKED, "False", "NameFree", "no foreign object is in the way"
    elif not _workers_missing(facts):
        yield BLOCKED, "False", "Unblocked", "nothing is in the way"


def _denied(facts: Facts) -> str:
    """Say which child may not be made; one that may not be changed blocks nothing."""
    ours = {(view.kind, view.name) for view in facts.snapshot.others}
    ours |= {("Job", view.name) for view in facts.snapshot.jobs}
    ours |= {("Pod", pod.name) for pod in facts.snapshot.pods}
    found = facts.found(FindingKind.DENIED)
    missing = (one for one in found if (one.ref.kind, one.ref.name) not in ours)
    return next((one.message for one in missing), "")


def _workers_missing(facts: Facts) -> bool:
    """Whether what was denied may still be: said once, however often it is tried.

    Jobs that share a quota get its room by turns, a Pod now and then.
    """
    there = len(facts.workers) + len(facts.leaving)
    return there < facts.job.worker_replicas and not facts.job.run_policy.suspend


def _still_missing(facts: Facts, said: str) -> bool:
    """Whether the object that was in the way has no counterpart of ours yet."""
    ours = {child.name for child in facts.snapshot.others}
    ours |= {view.name for view in facts.snapshot.jobs}
    ours |= {pod.name for pod in facts.snapshot.pods}
    return not any(f'"{name}"' in said for name in ours)


def _verdict(ruling: Ruling) -> Iterator[Wish]:
    yield RUNNING, "False", "MPIJobRunning", "the job has ended"
    if ruling.succeeded:
        yield VERIFIED, ruling.verified, ruling.reason, ruling.message
        reason = "MPIJobSucceeded" if ruling.verified != "False" else ruling.reason
        yield SUCCEEDED, "True", reason, ruling.message or "the launcher succeeded"
    else:
        yield FAILED, "True", ruling.reason, ruling.message
