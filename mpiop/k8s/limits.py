"""Keeps a rate: a bucket of tokens, and a transport that takes one for each call.

By default neither is used: an API server limits each client fairly by itself, and what
it answers (429, Retry-After) is honoured.
"""

import threading
from collections.abc import Iterator

from mpiop.k8s.clock import Clock
from mpiop.k8s.transport import Call, Reply, Sent, Stream, Transport


class TokenBucket:
    """Tokens that come back at a rate, up to a number. Thread safe.

    Args:
        rate: tokens a second, 0 for no limit.
        burst: how many there are at most, at least one.
    """

    def __init__(self, clock: Clock, rate: float, burst: float) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = max(1.0, burst)
        self._lock = threading.Lock()
        self._tokens = self._burst
        self._counted = clock.monotonic()

    def take(self) -> float:
        """Take a token, or the next that comes; give the seconds until it is there."""
        if self._rate <= 0:
            return 0.0
        with self._lock:
            now = self._clock.monotonic()
            gained = (now - self._counted) * self._rate
            self._tokens = min(self._burst, self._tokens + gained) - 1.0
            self._counted = now
            return max(0.0, -self._tokens / self._rate)


class Paced:
    """A transport that sends no more than a bucket gives."""

    def __init__(self, transport: Transport, clock: Clock, bucket: TokenBucket) -> None:
        self._transport = transport
        self._clock = clock
        self._bucket = bucket

    def request(self, call: Call) -> Reply:
        """Send a call when its turn has come."""
        self._wait()
        return self._transport.request(call)

    def request_all(self, calls: Iterator[Call]) -> Iterator[Sent]:
        """Send calls, several at once, each when its turn has come."""

        def in_turn() -> Iterator[Call]:
            for call in calls:
                self._wait()
                yield call

        return self._transport.request_all(in_turn())

    def watch(self, call: Call, silence: float) -> Stream | Reply:
        """Open a watch when its turn has come."""
        self._wait()
        return self._transport.watch(call, silence)

    def close(self) -> None:
        """Give back the connections that are kept open."""
        self._transport.close()

    def _wait(self) -> None:
        seconds = self._bucket.take()
        if seconds > 0:
            self._clock.sleep(seconds)
