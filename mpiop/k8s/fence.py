"""Lets writes leave only while they may, and knows which are on their way."""

import threading
from collections.abc import Callable, Iterator
from typing import Final

from mpiop.k8s.errors import Fenced
from mpiop.k8s.transport import Call, Reply, Sent, Stream, Transport

READS: Final = frozenset({"GET"})


class Fence:
    """A transport that refuses writes out of turn. Thread safe.

    Args:
        transport: the way on.
        may_write: asked for every write, right before it is sent.
    """

    def __init__(self, transport: Transport, may_write: Callable[[], bool]) -> None:
        self._transport = transport
        self._may_write = may_write
        self._changed = threading.Condition()
        self._closed = False
        self._on_the_way = 0

    def request(self, call: Call) -> Reply:
        """Send a call.

        Raises:
            Fenced: it is a write, and out of turn; nothing was sent.
        """
        if call.method in READS:
            return self._transport.request(call)
        self._leave()
        try:
            return self._transport.request(call)
        finally:
            self._come_back(1)

    def request_all(self, calls: Iterator[Call]) -> Iterator[Sent]:
        """Send writes, several at once, each only in turn; `Fenced` ends the calls."""
        left = back = 0
        refused: Sent | None = None

        def leaving() -> Iterator[Call]:
            nonlocal left, refused
            for call in calls:
                try:
                    self._leave()
                except Fenced as error:
                    refused = Sent(left, call, error)
                    return
                left += 1
                yield call

        try:
            for sent in self._transport.request_all(leaving()):
                back += 1
                self._come_back(1)
                yield sent
        finally:
            self._come_back(left - back)
        if refused is not None:
            yield refused

    def watch(self, call: Call, silence: float) -> Stream | Reply:
        """Open a watch."""
        return self._transport.watch(call, silence)

    def close(self) -> None:
        """Give back the connections that are kept open."""
        self._transport.close()

    def shut(self, patience: float) -> bool:
        """Let no more writes leave; tell whether the last came back in that time."""
        with self._changed:
            self._closed = True
            return self._changed.wait_for(lambda: not self._on_the_way, patience)

    def _leave(self) -> None:
        with self._changed:
            if self._closed or not self._may_write():
                raise Fenced(0, "Fenced", "the lease is not held: nothing was sent")
            self._on_the_way += 1

    def _come_back(self, calls: int) -> None:
        with self._changed:
            self._on_the_way -= calls
            if not self._on_the_way:
                self._changed.notify_all()
