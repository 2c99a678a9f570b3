"""What is written down now, because it cannot be observed later.

`remember` is the only place that changes a `Recorded`: verdict, attempt, the start,
who the workers are, what is missing, what the API server refused or warned about.
"""

from datetime import datetime

import attrs

from mpiop.reconcile.attempts import Outcome, settles_in
from mpiop.reconcile.facts import Facts
from mpiop.reconcile.policies import deadline, retry, startup, worker_loss
from mpiop.reconcile.recorded import Identity, Missing, Recorded, Ruling
from mpiop.reconcile.snapshot import FindingKind

WARNINGS: int = 5


def remember(facts: Facts, outcome: Outcome, refused: str) -> Recorded:
    """Give the facts to record, given how the attempt stands.

    Args:
        facts: what is seen.
        outcome: the judgement of the present attempt.
        refused: why this generation cannot be carried out, "" if it can.
    """
    recorded = _lessons(facts, refused)
    if recorded.ruling is not None:
        return recorded
    ruling = _ruling(facts, outcome)
    if ruling is not None:
        return attrs.evolve(
            recorded, ruling=ruling, completion_time=_now(facts), missing=None
        )
    if facts.job.run_policy.suspend:
        recorded = attrs.evolve(recorded, start_time=None)
        if outcome.state == "open":
            return attrs.evolve(recorded, identity=None, missing=None)
    elif recorded.start_time is None:
        recorded = attrs.evolve(recorded, start_time=_now(facts))
    if outcome.state == "failed":
        return _raised(facts, recorded, outcome) if may_raise(facts) else recorded
    missing = worker_loss.loss(facts) or startup.unreached(facts)
    return attrs.evolve(recorded, missing=missing, identity=_identity(facts, missing))


def may_raise(facts: Facts) -> bool:
    """Whether nothing of the failed attempt can run any more.

    Where the launcher's process is not known to have ended, its ranks may live on in
    the workers: these go first.
    """
    if facts.launcher_alive is not None:
        return False
    return process_ended(facts) or not (facts.workers or facts.leaving)


def process_ended(facts: Facts) -> bool:
    """Whether the launcher's process is known to have ended."""
    job, pod = facts.launcher_job, facts.launcher
    if job is None or not job.terminal:
        return False
    return pod is None or pod.ended is not None or not pod.started


def _now(facts: Facts) -> datetime:
    return facts.now.replace(microsecond=0)


def _lessons(facts: Facts, refused: str) -> Recorded:
    """Record what is known whatever the phase."""
    recorded = facts.recorded
    warned = [finding.message for finding in facts.found(FindingKind.WARNED)]
    warnings = tuple(dict.fromkeys((*recorded.warnings, *warned)))[:WARNINGS]
    rejected = facts.found(FindingKind.REJECTED)
    message = refused or (rejected[0].message if rejected else "")
    if not message and recorded.refused_generation == facts.job.generation:
        message = recorded.refused_message
    return attrs.evolve(
        recorded,
        attempt=facts.attempt,
        remote_shell=facts.job.remote_shell,
        warnings=warnings,
        refused_generation=facts.job.generation if message else 0,
        refused_message=message,
    )


def _ruling(facts: Facts, outcome: Outcome) -> Ruling | None:
    if outcome.state == "succeeded":
        return Ruling(
            succeeded=True,
            reason=outcome.reason,
            message=outcome.message,
            verified=outcome.verified,
        )
    if deadline.remaining(facts) == 0.0 and not settles_in(facts):
        limit = facts.job.run_policy.active_deadline_seconds
        message = f"the job was active longer than activeDeadlineSeconds ({limit} s)"
        return Ruling(succeeded=False, reason="DeadlineExceeded", message=message)
    if outcome.state == "open":
        return None
    if not outcome.final and retry.allowed(facts, free=outcome.free):
        return None
    limit = facts.job.run_policy.backoff_limit
    reason, message = outcome.reason, outcome.message
    if reason == "LauncherFailed":
        reason = "BackoffLimitExceeded"
        message = f"attempt {facts.attempt + 1}, backoffLimit {limit}: {message}"
    return Ruling(succeeded=False, reason=reason, message=message)


def _raised(facts: Facts, recorded: Recorded, outcome: Outcome) -> Recorded:
    free = outcome.free and recorded.disruptions < retry.FREE_DISRUPTIONS
    return attrs.evolve(
        recorded,
        attempt=facts.attempt + 1,
        disruptions=recorded.disruptions + int(free),
        identity=None,
        missing=None,
    )


def _identity(facts: Facts, missing: Missing | None) -> Identity | None:
    """Tell who the workers are once the launcher runs; anew after a scaling.

    It also says that the attempt has started, so there is one even where a worker is
    missing from the beginning.
    """
    old, replicas = facts.recorded.identity, facts.job.worker_replicas
    if not facts.launcher_started or (old is not None and missing is not None):
        return old
    if old is not None and old.count == replicas:
        return old
    whole = facts.identity(replicas)
    if whole is not None and (old is None or facts.workers_ready):
        return whole
    if old is not None:
        return old
    there = next((i for i in range(replicas) if i not in facts.workers), replicas)
    return facts.identity(there)
