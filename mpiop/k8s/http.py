"""The production transport: a pool of kept connections to one API server.

It knows HTTP and nothing of Kubernetes but three headers: what warns, what asks to
wait, and who speaks.
"""

import math
import re
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, cast
from urllib.parse import quote, urlencode, urlsplit

from mpiop import __version__
from mpiop.k8s.access import Access
from mpiop.k8s.clock import Clock
from mpiop.k8s.errors import ApiError, Unreachable
from mpiop.k8s.exchange import POOLS, Answer, Lean
from mpiop.k8s.flights import Flights, Outcome
from mpiop.k8s.streams import watch
from mpiop.k8s.transport import Call, Reply, Sent, Stream

CONNECTIONS: Final = 64  # kept open between calls
READ_SECONDS: Final = 35.0  # an API server gives a webhook at most 30
RELOAD_SECONDS: Final = 10.0
TOKEN_SECONDS: Final = 1.0
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
        flying: dict[int, Call] = {}

        def messages() -> Iterator[bytes]:
            for index, call in enumerate(calls):
                flying[index] = call
                yield self._written(call)

        flights = Flights(self._pool, messages(), self._most, READ_SECONDS)
        for index, outcome in flights.outcomes():
            call = flying.pop(index)
            yield Sent(index, call, self._answered(call, outcome))

    def watch(self, call: Call, silence: float) -> Stream | Reply:
        """Open a watch; a Reply where the server answers anything but 200.

        Raises:
            Unreachable: no answer came.
        """
        answer = watch(self._pool, self._written(call), silence)
        return _read(answer) if isinstance(answer, Answer) else answer

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
        place = urlsplit(self._access.host)
        forwarded = self._pool.proxy is not None and place.scheme == "http"
        self._base = self._access.host if forwarded else place.path
        self._always = f"Host: {place.netloc}\r\nUser-Agent: mpiop/{__version__}\r\n"
        self._opened = self._clock.monotonic()
        self._token, self._asked = "", -math.inf

    def _reloaded(self) -> bool:
        """Read the credentials again, unless that was done just now."""
        with self._lock:
            if self._clock.monotonic() - self._opened < RELOAD_SECONDS:
                return False
            self.close()
            self._open()
            return True

    def _authorization(self) -> str:
        """Ask for the token, at most once a second: it may run an exec plugin."""
        with self._lock:
            now = self._clock.monotonic()
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
        flights = Flights(self._pool, iter([self._written(call)]), 1, silence)
        [(_, outcome)] = flights.outcomes()
        if isinstance(outcome, Unreachable):
            raise outcome
        return _read(outcome)

    def _written(self, call: Call) -> bytes:
        """Write a call as HTTP/1.1."""
        token = self._authorization()
        head = [
            f"{call.method} {self._base}{_target(call.path, call.query)} HTTP/1.1\r\n",
            self._always,
            f"Accept: {call.accept}\r\n",
            f"Authorization: {token}\r\n" if token else "",
        ]
        if call.body:
            head.append(f"Content-Type: {call.content_type}\r\n")
            head.append(f"Content-Length: {len(call.body)}\r\n")
        head.append("\r\n")
        return "".join(head).encode("latin-1") + call.body


@lru_cache(maxsize=64)
def _target(path: str, query: tuple[tuple[str, str], ...]) -> str:
    """Quote a path and what is asked of it; creates repeat theirs a thousand times."""
    return f"{quote(path)}{'?' if query else ''}{urlencode(query)}"


def _read(answer: Answer) -> Reply:
    """Give an answer with what two of its headers say."""
    warnings: list[str] = []
    retry_after: float | None = None
    for name, text in answer.headers:
        if name == b"warning":
            warnings += warnings_of(text.decode())
        elif name == b"retry-after" and text.isdigit():
            retry_after = float(text)
    return Reply(answer.status, answer.body(), tuple(warnings), retry_after)


def warnings_of(header: str) -> list[str]:
    """Give the texts of a `Warning` header: `299 - "text"`, several by commas."""
    return [_ESCAPE.sub(r"\1", text) for text in _WARNING.findall(header)]
