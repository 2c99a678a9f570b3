"""What became of a reconcile, and so what the queue does with the key: one table."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from mpiop.k8s import errors
from mpiop.k8s.executor import Report


class Outcome(StrEnum):
    """How a reconcile ended; whose turn it is next."""

    DONE = "done"  # nobody's, until something changes or a clock runs out
    NEWS = "news"  # ours: a finding changes the plan
    BLOCKED = "blocked"  # the cluster's or the user's: probed again when due
    STALE = "stale"  # ours, with a new snapshot; no error
    THROTTLED = "throttled"  # the server's: as long as it asks for
    TROUBLE = "trouble"  # unknown: later each time, and logged


OUTCOMES: Final[Mapping[type[errors.ApiError], Outcome]] = {
    errors.ApiError: Outcome.TROUBLE,
    errors.Unreachable: Outcome.TROUBLE,
    errors.Unsent: Outcome.TROUBLE,
    errors.TooManyRequests: Outcome.THROTTLED,
    errors.ServerError: Outcome.TROUBLE,
    errors.Conflict: Outcome.STALE,
    errors.AlreadyExists: Outcome.STALE,
    errors.NotFound: Outcome.STALE,
    errors.Gone: Outcome.STALE,
    errors.Invalid: Outcome.TROUBLE,
    errors.Forbidden: Outcome.TROUBLE,
    errors.Unauthorized: Outcome.TROUBLE,
    errors.Fenced: Outcome.STALE,
}


def outcome_of(report: Report) -> Outcome:
    """Tell how a reconcile ended from how far its actions got."""
    if report.error is not None:
        return OUTCOMES[type(report.error)]
    if report.finding is None:
        return Outcome.DONE
    return Outcome.NEWS if report.news else Outcome.BLOCKED
