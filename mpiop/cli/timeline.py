"""Where a job's time went, by what was seen of its Pods, on one local clock.

At every moment one thing is waited for, the first of this list that is true:

- MPIRUN: the launcher's main container runs;
- START: a Pod is bound to its node and its processes are on their way: it is not
  Ready, and has neither ended nor been asked to;
- END: a Pod has been asked to end and is still there;
- OPERATOR: none of these, so the next move is the operator's or the API server's.

The operator's own share is all that is neither MPIRUN nor START.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import attrs

from mpiop.reconcile import names
from mpiop.reconcile.views import PodView


class Activity(StrEnum):
    """What is waited for; the values are what a user reads."""

    MPIRUN = "mpirun"
    START = "process start"
    END = "process end"
    OPERATOR = "operator"


def activity(pods: Iterable[PodView]) -> Activity:
    """Say what is waited for while the job's Pods look like this."""
    seen = set(map(_activity, pods))
    return next((one for one in Activity if one in seen), Activity.OPERATOR)


def _activity(pod: PodView) -> Activity:
    if pod.terminal:
        return Activity.OPERATOR
    if pod.role == names.LAUNCHER and pod.started and pod.ended is None:
        return Activity.MPIRUN
    if pod.deleted is not None:
        return Activity.END
    starting = pod.node and not pod.ready and pod.ended is None
    return Activity.START if starting else Activity.OPERATOR


@attrs.define
class Timeline:
    """Adds up seconds by activity, from `begin` on; times only grow."""

    begin: float
    _at: float = attrs.field(init=False)
    _now: Activity = attrs.field(default=Activity.OPERATOR, init=False)
    _sums: dict[Activity, float] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._at = self.begin
        self._sums = dict.fromkeys(Activity, 0.0)

    def turn(self, at: float, now: Activity) -> None:
        """Take note that from `at` on this is waited for."""
        self._sums[self._now] += at - self._at
        self._at, self._now = at, now

    @property
    def total(self) -> float:
        """Seconds from the beginning to the last turn."""
        return self._at - self.begin

    @property
    def seconds(self) -> Mapping[Activity, float]:
        """Seconds by activity; they add up to the total."""
        return self._sums

    @property
    def own_share(self) -> float:
        """Seconds that were neither mpirun's nor process start."""
        return self._sums[Activity.OPERATOR] + self._sums[Activity.END]
