"""Whether every loop moves: what /healthz tells."""

import math
import threading

from mpiop.k8s.clock import Clock


class Pulse:
    """By when each loop must have moved again. Thread safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._deadlines: dict[str, float] = {}

    def beat(self, loop: str, seconds: float) -> None:
        """Say that a loop moves now, and within so many seconds again."""
        with self._lock:
            self._deadlines[loop] = self._clock.monotonic() + seconds

    def rest(self, loop: str) -> None:
        """Say that a loop has nothing to do, for as long as it takes."""
        with self._lock:
            self._deadlines[loop] = math.inf

    def stop(self, loop: str) -> None:
        """Say that a loop has ended, though it should not."""
        with self._lock:
            self._deadlines[loop] = -math.inf

    def stalled(self) -> tuple[str, ...]:
        """Name the loops that should have moved by now."""
        now = self._clock.monotonic()
        with self._lock:
            return tuple(loop for loop, until in self._deadlines.items() if now > until)
