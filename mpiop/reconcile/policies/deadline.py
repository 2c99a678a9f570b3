"""runPolicy.activeDeadlineSeconds: runs from startTime, and only while that is set."""

from mpiop.reconcile.facts import Facts


def remaining(facts: Facts) -> float | None:
    """Seconds until the deadline, 0 once it has passed, None where none runs."""
    limit = facts.job.run_policy.active_deadline_seconds
    start = facts.recorded.start_time
    if limit is None or start is None or facts.finished:
        return None
    return max(0.0, limit - facts.since(start))
