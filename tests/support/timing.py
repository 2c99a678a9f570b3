"""A clock that stands still until a test moves it."""

import random
from datetime import UTC, datetime, timedelta

from mpiop.k8s.clock import Clock

START = datetime(2026, 1, 1, tzinfo=UTC)


class FakeTime:
    """Virtual seconds; `clock` is what the code under test is given.

    Attributes:
        slept: what was slept, in order; sleeping moves the time.
    """

    def __init__(self, chance: float | None = 0.0, seed: int = 0) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []
        dice = random.Random(seed)
        self.clock = Clock(
            now=lambda: START + timedelta(seconds=self.seconds),
            monotonic=lambda: self.seconds,
            sleep=self._sleep,
            chance=dice.random if chance is None else lambda: chance,
        )

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
