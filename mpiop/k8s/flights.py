"""Calls on their way, several at once, sent and read by one thread.

A thread for each would cost more than the calls: all of them want the interpreter when
their answers come, and whatever else the process computes waits behind them.
"""

import selectors
import ssl
import time
from collections.abc import Iterator
from typing import Final

import attrs
from httptools import HttpParserError
from urllib3.connection import HTTPConnection

from mpiop.k8s.errors import Unreachable
from mpiop.k8s.exchange import CHUNK_BYTES, Answer, Lean

# A thread that wakes for each answer computes half as much again as one that takes a
# few together. The server has more of this caller's calls than it works on meanwhile.
MANY: Final = 8
GATHER_SECONDS: Final = 0.01
LOOK_SECONDS: Final = 1.0  # between two looks for answers that are overdue

Outcome = Answer | Unreachable


@attrs.define(eq=False)
class Flight:
    """One call on its way, and the next by the same connection.

    Attributes:
        heard: when something of its answer came last.
    """

    connection: HTTPConnection
    index: int = 0
    heard: float = 0.0
    answer: Answer = attrs.field(factory=Answer)

    def begin(self, index: int) -> None:
        """Await the answer to a call."""
        self.index, self.heard, self.answer = index, time.monotonic(), Answer()
        self.connection.sock.settimeout(0)

    def outcome(self) -> Outcome | None:
        """Read what has come, without waiting; None where it is not all."""
        try:
            while not self.answer.complete:
                self.answer.feed(self.connection.sock.recv(CHUNK_BYTES))
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        except (OSError, EOFError, HttpParserError) as error:
            return Unreachable(0, "Unreachable", str(error))
        return self.answer


class Flights:
    """The calls of one caller: the first goes alone, each answer lets two more go.

    Args:
        pool: gives connections, and takes them back.
        messages: whole requests, each taken when it can be sent.
        most: how many are on their way at most.
        silence: seconds without a byte after which an answer counts as lost.
    """

    def __init__(
        self, pool: Lean, messages: Iterator[bytes], most: int, silence: float
    ) -> None:
        self._pool = pool
        self._messages = messages
        self._most = most
        self._silence = silence
        self._selector = selectors.DefaultSelector()
        self._flying: set[Flight] = set()
        self._free: list[Flight] = []  # whose connections may take another call at once
        self._begun = 0
        self._ended = 0

    def outcomes(self) -> Iterator[tuple[int, Outcome]]:
        """Give what came of each call, by its number, as it comes."""
        try:
            yield from self._begin()
            while self._flying:
                for flight, outcome in self._come():
                    self._end(flight)
                    yield flight.index, outcome
                    yield from self._begin()
        finally:
            for flight in (*self._flying, *self._free):
                self._land(flight)
            self._selector.close()

    def _begin(self) -> Iterator[tuple[int, Outcome]]:
        """Send what may be sent now; give what could not be."""
        while len(self._flying) < min(self._ended + 1, self._most):
            message = next(self._messages, None)
            if message is None:
                break
            index = self._begun
            self._begun += 1
            try:
                flight = self._sent(message)
            except Unreachable as error:
                self._ended += 1
                yield index, error
                continue
            flight.begin(index)
            self._flying.add(flight)
        while self._free:
            self._land(self._free.pop())

    def _sent(self, message: bytes) -> Flight:
        """Send by a connection that has just become free, else by one of the pool."""
        if not self._free:
            flight = Flight(self._pool.send(message, self._silence))
            sock = flight.connection.sock
            self._selector.register(sock, selectors.EVENT_READ, flight)
            return flight
        flight = self._free.pop()
        try:
            self._pool.write(flight.connection, message, self._silence)
        except Unreachable:
            flight.answer.may_go_on = False
            self._land(flight)
            raise
        return flight

    def _come(self) -> Iterator[tuple[Flight, Outcome]]:
        if len(self._flying) >= MANY:
            time.sleep(GATHER_SECONDS)
        ready = self._selector.select(min(self._silence, LOOK_SECONDS))
        now = time.monotonic()
        for key, _ in ready:
            flight: Flight = key.data
            flight.heard = now
            if (outcome := flight.outcome()) is not None:
                yield flight, outcome
        if ready:
            return
        for flight in [*self._flying]:
            if now - flight.heard >= self._silence:
                said = f"no answer in {self._silence:g} s"
                yield flight, Unreachable(0, "Unreachable", said)

    def _end(self, flight: Flight) -> None:
        self._ended += 1
        self._flying.remove(flight)
        if flight.answer.may_go_on:
            self._free.append(flight)
        else:
            self._land(flight)

    def _land(self, flight: Flight) -> None:
        self._selector.unregister(flight.connection.sock)
        self._pool.give_back(flight.connection, good=flight.answer.may_go_on)
