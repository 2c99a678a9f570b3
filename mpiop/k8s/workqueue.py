"""Which job to look at next: client-go's contract, on a clock that a test can own.

Guarantees: a key is never in two hands; a key added while in hand comes again once it
is done; of several deadlines the earliest wins; a key that failed waits longer each
time, and one whose turn took long rests five times that.
"""

import heapq
import threading
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from mpiop.k8s.clock import Clock
from mpiop.k8s.limits import TokenBucket

FIRST_SECONDS: Final = 0.05
LONGEST_SECONDS: Final = 60.0
REST_FACTOR: Final = 5.0
CHEAP_SECONDS: Final = 0.02  # below it a turn earns no rest

K = TypeVar("K", bound=Hashable)


class WorkQueue(Generic[K]):
    """Keys that wait for a hand. Safe to use from many threads.

    Args:
        clock: what waits are measured with.
        bucket: how often keys that failed come again, all together; None for no limit
            beside each key's own.
    """

    def __init__(self, clock: Clock, bucket: TokenBucket | None = None) -> None:
        self._clock = clock
        self._bucket = bucket
        self._changed = threading.Condition()
        self._ready: dict[K, float] = {}
        self._in_hand: set[K] = set()
        self._dirty: set[K] = set()
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._pushed = 0
        self._failures: dict[K, int] = {}
        self._rests_until: dict[K, float] = {}
        self._held = False
        self._closed = False

    def __len__(self) -> int:
        """Count the keys that are due now and not in hand."""
        with self._changed:
            self._promote()
            return len(self._ready)

    @property
    def age(self) -> float:
        """Seconds for which the key that is due longest has waited; 0 for none."""
        with self._changed:
            self._promote()
            since = min(self._ready.values(), default=None)
            return 0.0 if since is None else self._clock.monotonic() - since

    def hold(self) -> None:
        """Give out no key until `go`; what is added waits."""
        with self._changed:
            self._held = True

    def go(self) -> None:
        """Give out keys again."""
        with self._changed:
            self._held = False
            self._changed.notify_all()

    def add(self, key: K) -> None:
        """Ask for a turn now, or right after the one in hand."""
        with self._changed:
            self._add(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Ask for a turn later; an earlier one that is asked for already wins."""
        with self._changed:
            self._schedule(key, self._clock.monotonic() + max(0.0, seconds))

    def add_rate_limited(self, key: K) -> None:
        """Ask for a turn after a failure: later each time until `forget`."""
        with self._changed:
            failures = self._failures.get(key, 0)
            self._failures[key] = failures + 1
            pause = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(failures, 30))
            pause = self._clock.jitter(pause)
            if self._bucket is not None:
                pause = max(pause, self._bucket.take())
            self._schedule(key, self._clock.monotonic() + pause)

    def forget(self, key: K) -> None:
        """Take the key's failures as over."""
        with self._changed:
            self._failures.pop(key, None)

    def drop(self, key: K) -> None:
        """Keep nothing of a key in hand that will not come again."""
        with self._changed:
            self._failures.pop(key, None)
            self._rests_until.pop(key, None)

    def get(self, wait: float | None = 0.0) -> K | None:
        """Take a key in hand; `done` gives it back.

        Args:
            wait: seconds to wait for one, None for as long as it takes.

        Returns:
            None where there is none in that time, or the queue is closed.
        """
        with self._changed:
            end = None if wait is None else self._clock.monotonic() + wait
            while not self._closed:
                self._promote()
                if self._ready and not self._held:
                    key = next(iter(self._ready))
                    del self._ready[key]
                    self._in_hand.add(key)
                    return key
                now = self._clock.monotonic()
                if end is not None and now >= end:
                    return None
                due = None if self._held else self._next()
                marks = [mark for mark in (end, due) if mark is not None]
                self._changed.wait(min(marks) - now if marks else None)
            return None

    def done(self, key: K, cost: float = 0.0) -> None:
        """Give a key back, having spent `cost` seconds on it."""
        with self._changed:
            self._in_hand.discard(key)
            if cost >= CHEAP_SECONDS:
                until = self._clock.monotonic() + REST_FACTOR * cost
                self._rests_until[key] = until
            if key in self._dirty:
                self._dirty.discard(key)
                self._add(key)

    def next_in(self) -> float | None:
        """Seconds until a key is due, None where none will be by itself."""
        with self._changed:
            self._promote()
            if self._ready:
                return 0.0
            due = self._next()
            return None if due is None else max(0.0, due - self._clock.monotonic())

    def close(self) -> None:
        """Let every `get` return None, now and later."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _add(self, key: K) -> None:
        if key in self._in_hand:
            self._dirty.add(key)
            return
        self._schedule(key, self._clock.monotonic())

    def _schedule(self, key: K, due: float) -> None:
        if key in self._ready:
            return
        due = max(due, self._rests_until.get(key, due))
        if due >= self._due.get(key, float("inf")):
            return
        self._due[key] = due
        self._pushed += 1
        heapq.heappush(self._heap, (due, self._pushed, key))
        self._changed.notify()

    def _next(self) -> float | None:
        while self._heap:
            due, _, key = self._heap[0]
            if self._due.get(key) == due:
                return due
            heapq.heappop(self._heap)  # an earlier deadline has replaced it
        return None

    def _promote(self) -> None:
        """Move what is due to the keys that are ready, or dirty while in hand."""
        now = self._clock.monotonic()
        while (due := self._next()) is not None and due <= now:
            _, _, key = heapq.heappop(self._heap)
            del self._due[key]
            self._rests_until.pop(key, None)
            if key in self._in_hand:
                self._dirty.add(key)
            else:
                self._ready[key] = due
