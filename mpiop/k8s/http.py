"""The production transport: a pool of kept connections to one API server.

It knows HTTP and nothing of Kubernetes but three headers: what warns, what asks to
wait, and who speaks.
"""

import re
import threading
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import urlencode

import urllib3
from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject
from kubernetes.utils.keepalive import tcp_keepalive_socket_options
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    SSLError,
)

from mpiop import __version__
from mpiop.k8s.clock import Clock
from mpiop.k8s.errors import Unreachable, Unsent
from mpiop.k8s.transport import Call, Reply, Stream

CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 35.0  # an API server gives a webhook at most 30
RELOAD_SECONDS: Final = 10.0
CHUNK_BYTES: Final = 1 << 16
OK: Final = 200
UNAUTHORIZED: Final = 401
_WARNING: Final = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')
_ESCAPE: Final = re.compile(r"\\(.)")


class HttpTransport:
    """Speaks to the server that the credentials name. Thread safe.

    Args:
        load: reads the credentials; called again when they are no more accepted.
        connections: how many are kept open between calls.
    """

    def __init__(
        self, load: Callable[[], Configuration], clock: Clock, connections: int = 64
    ) -> None:
        self._load = load
        self._clock = clock
        self._connections = connections
        self._lock = threading.Lock()
        self._open()

    def request(self, call: Call) -> Reply:
        """Send a call and wait for the whole answer.

        Raises:
            Unreachable: no answer came; `Unsent` where no connection did.
        """
        silence = call.patience or READ_SECONDS
        response = self._send(call, silence)
        if response.status == UNAUTHORIZED and self._reloaded():
            _whole(response)
            response = self._send(call, silence)
        return _whole(response)

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
        pools = self._rest.pool_manager.pools
        for key in list(pools.keys()):
            pools[key].close()
        pools.clear()

    def _open(self) -> None:
        configuration = self._load()
        configuration.connection_pool_maxsize = self._connections
        configuration.socket_options = tcp_keepalive_socket_options()
        self._configuration = configuration
        self._rest = RESTClientObject(configuration)
        self._opened = self._clock.monotonic()

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
        with self._lock:  # it may run an exec plugin
            found = self._configuration.get_api_key_with_prefix(
                "BearerToken", alias="authorization"
            )
        if found:
            headers["Authorization"] = found
        return headers

    def _send(self, call: Call, silence: float) -> urllib3.BaseHTTPResponse:
        query = urlencode(call.query)
        url = f"{self._configuration.host}{call.path}{'?' if query else ''}{query}"
        try:
            return self._rest.pool_manager.request(
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


def _whole(response: urllib3.BaseHTTPResponse) -> Reply:
    """Read an answer to its end, so that its connection can be used again."""
    try:
        body = response.data
    except HTTPError as error:
        raise Unreachable(0, "Unreachable", str(error)) from error
    finally:
        response.release_conn()
    told = response.headers.get("Retry-After", "")
    headers = response.headers.getlist("Warning")
    return Reply(
        status=response.status,
        body=body,
        warnings=tuple(text for header in headers for text in warnings_of(header)),
        retry_after=float(told) if told.isdecimal() else None,
    )


def warnings_of(header: str) -> list[str]:
    """Give the texts of a `Warning` header: `299 - "text"`, several by commas."""
    return [_ESCAPE.sub(r"\1", text) for text in _WARNING.findall(header)]
