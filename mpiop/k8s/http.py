"""The production transport: a pool of kept connections to one API server.

It knows HTTP and nothing of Kubernetes but three headers: what warns, what asks to
wait, and who speaks.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Final, cast
from urllib.parse import quote, urlencode, urlsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    SSLError,
)

from mpiop import __version__
from mpiop.k8s.access import Access
from mpiop.k8s.clock import Clock
from mpiop.k8s.errors import ApiError, Unreachable, Unsent
from mpiop.k8s.exchange import CONNECT_SECONDS, POOLS, Answer, Lean
from mpiop.k8s.flights import CHUNK_BYTES, Flights, Outcome, one_by_one
from mpiop.k8s.transport import Call, Reply, Sent, Stream

CONNECTIONS: Final = 64  # kept open between calls
READ_SECONDS: Final = 35.0  # an API server gives a webhook at most 30
RELOAD_SECONDS: Final = 10.0
TOKEN_SECONDS: Final = 1.0
OK: Final = 200
UNAUTHORIZED: Final = 401
_WARNING: Final = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_ESCAPE: Final = re.compile(r"\\(.)")


class HttpTransport:
    """Speaks to the server that the credentials name. Thread safe.

    Args:
        load: reads the credentials; called again when they are no more accepted.
        most: how many calls of one `request_all` are on their way at once.
    """

    def __init__(
        self, load: Callable[[], Access], clock: Clock, most: int = 16
    ) -> None:
        self._load = load
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._open()

    def request(self, call: Call) -> Reply:
        """Send a call and wait for the whole answer.

        Raises:
            Unreachable: no answer came; `Unsent` where no connection did.
        """
        silence = call.patience or READ_SECONDS
        reply = self._exchange(call, silence)
        if reply.status == UNAUTHORIZED and self._reloaded():
            reply = self._exchange(call, silence)
        return reply

    def request_all(self, calls: Iterator[Call]) -> Iterator[Sent]:
        """Send calls, several at once; give what came of each, as it comes."""
        if self._pool.proxy is not None:
            yield from one_by_one(self.request, calls)
            return
        begun: list[Call] = []

        def messages() -> Iterator[bytes]:
            for call in calls:
                begun.append(call)
                yield self._written(call)

        flights = Flights(self._pool, messages(), self._most, READ_SECONDS)
        for index, outcome in flights.outcomes():
            call = begun[index]
            yield Sent(index, call, self._answered(call, outcome))

    def watch(self, call: Call, silence: float) -> Stream | Reply:
        """Open a watch; a Reply where the server answers anything but 200.

        Raises:
            Unreachable: no answer came.
        """
        response = self._send(call, silence)
        if response.status != OK:
            return _whole(response)
        return HttpStream(response)

    def close(self) -> None:
        """Close the connections that are kept; those in use close after it."""
        pools = self._pools.pools
        for key in list(pools.keys()):
            pools[key].close()
        pools.clear()

    def _open(self) -> None:
        self._access = self._load()
        self._pools = self._access.connect(CONNECTIONS)
        self._pools.pool_classes_by_scheme = POOLS
        server = self._pools.connection_from_url(self._access.host)
        self._pool = cast("Lean", server)
        self._opened = self._clock.monotonic()
        self._token, self._asked = "", -TOKEN_SECONDS

    def _reloaded(self) -> bool:
        """Read the credentials again, unless that was done just now."""
        with self._lock:
            if self._clock.monotonic() - self._opened < RELOAD_SECONDS:
                return False
            self.close()
            self._open()
            return True

    def _headers(self, call: Call) -> dict[str, str]:
        headers = {
            "Accept": "application/json",
            "User-Agent": f"mpiop/{__version__}",
        }
        if call.body:
            headers["Content-Type"] = call.content_type
        if token := self._authorization():
            headers["Authorization"] = token
        return headers

    def _authorization(self) -> str:
        """Ask for the token, at most once a second: it may run an exec plugin."""
        with self._lock:
            now = time.monotonic()
            if now - self._asked >= TOKEN_SECONDS:
                self._token, self._asked = self._access.authorization(), now
            return self._token

    def _answered(self, call: Call, outcome: Outcome) -> Reply | ApiError:
        """Give what came of a call; with other credentials where those are old."""
        if isinstance(outcome, Unreachable):
            return outcome
        reply = _read(outcome)
        if reply.status != UNAUTHORIZED or not self._reloaded():
            return reply
        try:
            return self.request(call)
        except ApiError as error:
            return error

    def _exchange(self, call: Call, silence: float) -> Reply:
        """Send a call and read its answer, by the leaner way where there is one."""
        if self._pool.proxy is not None:
            return _whole(self._send(call, silence))
        flights = Flights(self._pool, iter([self._written(call)]), 1, silence)
        [(_, outcome)] = flights.outcomes()
        if isinstance(outcome, Unreachable):
            raise outcome
        return _read(outcome)

    def _written(self, call: Call) -> bytes:
        """Write a call as HTTP/1.1."""
        server = urlsplit(self._access.host)
        target = f"{server.path}{_target(call.path, call.query)}"
        lines = [
            f"{call.method} {target} HTTP/1.1",
            f"Host: {server.netloc}",
            *(f"{name}: {value}" for name, value in self._headers(call).items()),
        ]
        if call.body:
            lines.append(f"Content-Length: {len(call.body)}")
        return "\r\n".join((*lines, "", "")).encode("latin-1") + call.body

    def _send(self, call: Call, silence: float) -> urllib3.BaseHTTPResponse:
        url = f"{self._access.host}{_target(call.path, call.query)}"
        try:
            return self._pools.request(
                call.method,
                url,
                body=call.body or None,
                headers=self._headers(call),
                timeout=urllib3.Timeout(
                    connect=min(CONNECT_SECONDS, silence), read=silence
                ),
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except (NewConnectionError, ConnectTimeoutError, SSLError) as error:
            raise Unsent(0, "Unreachable", str(error)) from error
        except HTTPError as error:
            raise Unreachable(0, "Unreachable", str(error)) from error


class HttpStream:
    """A watch as a chunked answer; one thread reads, any may close."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self._response = response
        self._chunks = response.stream(CHUNK_BYTES)
        self._rest = b""
        self._reading = threading.Lock()
        self._ended = threading.Event()

    def read(self) -> Sequence[bytes] | None:
        """Wait for events; None once the server ends the watch or says nothing."""
        with self._reading:
            while not self._ended.is_set():
                try:
                    chunk = next(self._chunks, b"")
                except HTTPError:  # silent for too long, cut off, or closed by us
                    chunk = b""
                # Whoever closes takes the TLS layer away from under a read, which then
                # gives the bytes of the wire: nothing that came since is an event.
                if self._ended.is_set():
                    break
                if not chunk:
                    self._ended.set()
                *lines, self._rest = (self._rest + chunk).split(b"\n")
                if lines:
                    return lines
            self._response.close()
            return None

    def close(self) -> None:
        """End the stream; a `read` in another thread returns."""
        self._ended.set()
        if self._reading.acquire(blocking=False):
            try:
                self._response.close()
            finally:
                self._reading.release()
            return
        try:
            self._response.shutdown()
        except (ValueError, RuntimeError, OSError):
            return  # it has ended by itself meanwhile


@lru_cache(maxsize=64)
def _target(path: str, query: tuple[tuple[str, str], ...]) -> str:
    """Quote a path and what is asked of it; creates repeat theirs a thousand times."""
    return f"{quote(path)}{'?' if query else ''}{urlencode(query)}"


def _read(answer: Answer) -> Reply:
    """Give an answer with what two of its headers say."""
    headers = answer.headers
    told = [
        value.decode("latin-1") for name, value in headers if name == b"retry-after"
    ]
    warned = [value.decode() for name, value in headers if name == b"warning"]
    return _reply(answer.status, answer.body, warned, told)


def _whole(response: urllib3.BaseHTTPResponse) -> Reply:
    """Read an answer to its end, so that its connection can be used again."""
    try:
        body = response.data
    except HTTPError as error:
        raise Unreachable(0, "Unreachable", str(error)) from error
    finally:
        response.release_conn()
    headers = response.headers
    told = headers.getlist("Retry-After")
    return _reply(response.status, body, headers.getlist("Warning"), told)


def _reply(
    status: int, body: bytes, warnings: Sequence[str], retry_after: Sequence[str]
) -> Reply:
    """Give an answer with what two of its headers say."""
    return Reply(
        status=status,
        body=body,
        warnings=tuple(text for header in warnings for text in warnings_of(header)),
        retry_after=next((float(one) for one in retry_after if one.isdecimal()), None),
    )


def warnings_of(header: str) -> list[str]:
    """Give the texts of a `Warning` header: `299 - "text"`, several by commas."""
    return [_ESCAPE.sub(r"\1", text) for text in _WARNING.findall(header)]
