"""Which keys are due: changed ones now, others at their time."""

from collections.abc import Hashable
from datetime import datetime, timedelta
from typing import Final

_FIRST_DELAY: Final = timedelta(seconds=1)
_LAST_DELAY: Final = timedelta(minutes=1)
_AT_ONCE: Final = 3


class Queue:
    """Keys to look at, each at most once a round; of two times the earlier wins."""

    def __init__(self) -> None:
        self._dirty: dict[Hashable, None] = {}
        self._timers: dict[Hashable, datetime] = {}
        self._failures: dict[Hashable, int] = {}

    def add(self, key: Hashable) -> None:
        """Have the key looked at in the next round."""
        self._dirty[key] = None

    def add_at(self, key: Hashable, when: datetime) -> None:
        """Have the key looked at at that time, or earlier."""
        self._timers[key] = min(when, self._timers.get(key, when))

    def take(self, now: datetime) -> list[Hashable]:
        """Hand out all keys that are due."""
        for key in [key for key, when in self._timers.items() if when <= now]:
            del self._timers[key]
            self._dirty[key] = None
        due, self._dirty = list(self._dirty), {}
        return due

    def settle(self, key: Hashable) -> None:
        """Forget the key's failures."""
        self._failures.pop(key, None)

    def retry(self, key: Hashable, now: datetime, *, stale: bool) -> None:
        """Look again after a failure.

        One that a fresher cache cures (`stale`) waits for the next round only, unless
        it comes again and again; others wait 1 s to 1 min.
        """
        count = self._failures[key] = self._failures.get(key, 0) + 1
        if stale and count <= _AT_ONCE:
            self.add(key)
        else:
            delay = min(_FIRST_DELAY * 2 ** min(count - 1, 10), _LAST_DELAY)
            self.add_at(key, now + delay)

    def next(self) -> datetime | None:
        """The time of the next timer."""
        return min(self._timers.values(), default=None)
