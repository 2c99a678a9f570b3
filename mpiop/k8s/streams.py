"""An open watch: an answer without an end, read while it comes."""

import contextlib
import socket
import threading
import time
from collections.abc import Sequence
from typing import Final

from httptools import HttpParserError
from urllib3.connection import HTTPConnection

from mpiop.k8s.errors import Unreachable
from mpiop.k8s.exchange import CHUNK_BYTES, Answer, Lean

OK: Final = 200
# A thread that wakes for each event of a thousand computes twice as much as one that
# takes them by the dozen. Nobody waits for the single events of so many.
THICK_SECONDS: Final = 0.1
THICK_READS: Final = 10
GATHER_SECONDS: Final = 0.05
_BROKEN: Final = (OSError, EOFError, HttpParserError)


class HttpStream:
    """A watch as a chunked answer; one thread reads, any may close."""

    def __init__(self, connection: HTTPConnection, answer: Answer) -> None:
        self._connection = connection
        self._wire: socket.socket = connection.sock
        self._answer = answer
        self._rest = b""
        self._reading = threading.Lock()
        self._ended = threading.Event()
        self._row = 0  # of reads that came soon after each other
        self._taken = 0.0

    def read(self) -> Sequence[bytes] | None:
        """Wait for events; None once the server ends the watch or says nothing."""
        with self._reading:
            while not self._ended.is_set():
                *lines, self._rest = (self._rest + self._answer.body()).split(b"\n")
                if lines:
                    return lines
                try:
                    if self._answer.complete:
                        raise EOFError
                    self._take()
                except _BROKEN:  # silent for too long, cut off, or closed by us
                    self._ended.set()
            self._connection.close()
            return None

    def _take(self) -> None:
        """Wait for data; once it comes thick, wait a little more and take it all."""
        self._row = (
            self._row + 1 if time.monotonic() - self._taken < THICK_SECONDS else 0
        )
        thick = self._row >= THICK_READS
        if thick:
            time.sleep(GATHER_SECONDS)
        self._answer.feed(self._wire.recv(CHUNK_BYTES))
        if thick:
            self._take_the_rest()
        self._taken = time.monotonic()

    def _take_the_rest(self) -> None:
        """Take what else has come, without waiting."""
        patience = self._wire.gettimeout()
        self._wire.settimeout(0)
        with contextlib.suppress(*_BROKEN):  # nothing more; an end is met again
            while not self._answer.complete:
                self._answer.feed(self._wire.recv(CHUNK_BYTES))
        self._wire.settimeout(patience)

    def close(self) -> None:
        """End the stream; a `read` in another thread returns."""
        self._ended.set()
        if self._reading.acquire(blocking=False):
            try:
                self._connection.close()
            finally:
                self._reading.release()
            return
        with contextlib.suppress(OSError):  # it has ended by itself meanwhile
            # Not by way of TLS: the read would go on and give encrypted bytes.
            socket.socket.shutdown(self._wire, socket.SHUT_RDWR)


def watch(pool: Lean, message: bytes, silence: float) -> HttpStream | Answer:
    """Send a request; give the stream of its answer, or another answer, whole.

    Args:
        pool: gives the connection.
        message: the whole request.
        silence: seconds without a byte after which the answer counts as lost.

    Raises:
        Unreachable: no answer came.
    """
    connection, answer = pool.send(message, silence), Answer()
    try:
        while not answer.begun:
            answer.feed(connection.sock.recv(CHUNK_BYTES))
        if answer.status == OK:
            return HttpStream(connection, answer)
        while not answer.complete:
            answer.feed(connection.sock.recv(CHUNK_BYTES))
    except _BROKEN as error:
        pool.give_back(connection, good=False)
        raise Unreachable(0, "Unreachable", str(error)) from error
    pool.give_back(connection, good=answer.may_go_on)
    return answer
