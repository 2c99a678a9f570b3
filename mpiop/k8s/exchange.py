"""An answer, read by a parser in C, and the connections over which answers come.

urllib3 opens the connections: TLS, whom to trust, what is kept and what has dropped.
Sending by it costs several times what is computed for a worker otherwise, so calls are
written to them in one piece (flights.py).
"""

from typing import Final, cast

from httptools import HttpResponseParser
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from mpiop.k8s.errors import Unreachable, Unsent

CONNECT_SECONDS: Final = 5.0
CHUNK_BYTES: Final = 1 << 16
FINAL: Final = 200  # below it an answer is an interim one


class Answer:
    """One answer, as the parser tells it by and by.

    Attributes:
        headers: names in lower case, and values.
        begun: whether all headers are there.
        complete: whether nothing of it is missing.
        may_go_on: whether its connection is good for another call.
    """

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.begun = False
        self.complete = False
        self.may_go_on = False
        self._parts: list[bytes] = []
        self._parser = HttpResponseParser(self)

    @property
    def status(self) -> int:
        """The code of the status line."""
        return self._parser.get_status_code()

    def body(self) -> bytes:
        """Take what came after the headers since the last time."""
        taken, self._parts = self._parts, []
        return b"".join(taken)

    def feed(self, data: bytes) -> None:
        """Take in what has arrived; nothing means that the server has hung up.

        Raises:
            HttpParserError: it is no HTTP.
            EOFError: the server hung up before the end.
        """
        if data:
            self._parser.feed_data(data)
        elif self.headers and not self._measured():
            self.complete = True
        else:
            raise EOFError("the connection was closed before the answer's end")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Note that the status counts, unless the answer is an interim one."""
        self.begun = self.status >= FINAL

    def on_body(self, part: bytes) -> None:
        """Keep a part of the body."""
        self._parts.append(part)

    def on_message_complete(self) -> None:
        """Note the end; what an interim answer said is of no interest."""
        self.complete = self.begun
        # Only now does the parser know what the headers said of the connection.
        self.may_go_on = self.complete and self._parser.should_keep_alive()
        if not self.complete:
            self.headers.clear()

    def _measured(self) -> bool:
        """Whether the answer tells its own end, and not by hanging up."""
        told = {name for name, _ in self.headers}
        return bool(told & {b"content-length", b"transfer-encoding"})


class Lean(HTTPConnectionPool):
    """A pool whose connections others write to and read from."""

    def send(self, message: bytes, silence: float) -> HTTPConnection:
        """Send a whole request; its answer is to be read, with so much patience.

        Raises:
            Unreachable: it is not all sent; `Unsent` where no connection came about.
        """
        connection = self._connected(min(CONNECT_SECONDS, silence))
        try:
            self.write(connection, message, silence)
        except Unreachable:
            self.give_back(connection, good=False)
            raise
        return connection

    def write(self, connection: HTTPConnection, message: bytes, silence: float) -> None:
        """Send a whole request by an open connection, with so much patience.

        Raises:
            Unreachable: it is not all sent.
        """
        try:
            connection.sock.settimeout(silence)
            connection.sock.sendall(message)
        except OSError as error:
            raise Unreachable(0, "Unreachable", str(error)) from error

    def give_back(self, connection: HTTPConnection, *, good: bool) -> None:
        """Keep a connection for the next call, or close what is no good for it."""
        if not good:
            connection.close()
        self._put_conn(connection)
        if self.pool is None:  # closed by another thread, perhaps just before that
            connection.close()

    def _connected(self, patience: float) -> HTTPConnection:
        connection: HTTPConnection | None = None
        try:
            connection = cast("HTTPConnection", self._get_conn())
            if connection.sock is None:
                connection.timeout = patience
                if self.proxy is not None and self.scheme == "https":
                    self._prepare_proxy(connection)  # which asks it for a tunnel
                else:
                    connection.connect()
        except (HTTPError, OSError) as error:  # OSError: from within TLS
            if connection is not None:
                self.give_back(connection, good=False)
            raise Unsent(0, "Unreachable", str(error)) from error
        return connection


class LeanTLS(Lean, HTTPSConnectionPool):
    """The same over TLS."""


POOLS: Final = {"http": Lean, "https": LeanTLS}
