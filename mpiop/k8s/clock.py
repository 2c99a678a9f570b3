"""Time and chance as the shell takes them, so that a test can own both."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import attrs

_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _steady() -> float:
    """Tell seconds that go on while the machine sleeps.

    A leader that wakes up must not believe that no time has passed.
    """
    return time.clock_gettime(_STEADY)


@attrs.frozen
class Clock:
    """Three views of time and one source of chance.

    Attributes:
        now: wall clock, aware, UTC; what is compared with the API's times.
        monotonic: seconds that have passed, those too in which the machine slept; what
            waits and the lease are measured with.
        sleep: waits between two tries of one HTTP call.
        chance: a number in [0, 1), for jitter.
    """

    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    chance: Callable[[], float]

    @classmethod
    def system(cls) -> "Clock":
        """Take the machine's own."""
        return cls(
            now=lambda: datetime.now(UTC),
            monotonic=_steady,
            sleep=time.sleep,
            chance=random.random,
        )

    def jitter(self, seconds: float, share: float = 0.2) -> float:
        """Stretch a wait by up to `share`, so that many waits do not end at once."""
        return seconds * (1.0 + share * self.chance())
