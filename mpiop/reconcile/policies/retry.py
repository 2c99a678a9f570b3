"""Whether a failed attempt is followed by another one, and when."""

from typing import Final

from mpiop.reconcile.facts import Facts

FIRST_SECONDS: Final = 10.0
LAST_SECONDS: Final = 360.0
FREE_DISRUPTIONS: Final = 10
RESTARTING: Final = "Restarting"


def counted(facts: Facts) -> int:
    """Count the retries that stand against backoffLimit: all but the free ones."""
    return max(0, facts.attempt - facts.recorded.disruptions)


def allowed(facts: Facts, *, free: bool) -> bool:
    """Whether one more attempt may be made.

    A disruption is nobody's fault and free, up to a bound; beyond it, and for any
    other cause, backoffLimit decides.
    """
    if free and facts.recorded.disruptions < FREE_DISRUPTIONS:
        return True
    return counted(facts) < facts.job.run_policy.backoff_limit


def delay(facts: Facts) -> float:
    """Seconds until the present attempt's launcher may be made: 10 s to 6 min.

    Counted from condition Restarting, so that a new operator waits no longer.
    """
    since = facts.recorded.since(RESTARTING)
    retries = counted(facts)
    if since is None or retries == 0:
        return 0.0
    pause = min(LAST_SECONDS, FIRST_SECONDS * 2.0 ** (retries - 1))
    return max(0.0, pause - facts.since(since))
