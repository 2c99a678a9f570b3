"""Serves /metrics, /healthz and /readyz, on a few threads with a few seconds each."""

import logging
import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import TCPServer
from typing import Any, Final, Self
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import ThreadingWSGIServer, make_wsgi_app

from mpiop.k8s.probes import Answer, Probes
from mpiop.k8s.settings import SettingsError

CLIENT_SECONDS: Final = 5.0  # for which a client may be silent
CLIENTS: Final = 16  # served side by side; more are hung up on
_TEXT: Final = ("Content-Type", "text/plain; charset=utf-8")

log = logging.getLogger(__name__)
Application = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]


def application(registry: CollectorRegistry, probes: Probes) -> Application:
    """Answer the three paths."""
    metrics = make_wsgi_app(registry)
    asked: dict[str, Callable[[], Answer]] = {
        "/healthz": probes.health,
        "/readyz": probes.readiness,
    }

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] != "GET":
            start("405 Method Not Allowed", [_TEXT, ("Allow", "GET")])
            return [b"only GET\n"]
        if path == "/metrics":
            found: Iterable[bytes] = metrics(environ, start)
            return found
        if path not in asked:
            start("404 Not Found", [_TEXT])
            return [b"/metrics, /healthz and /readyz are here\n"]
        said = asked[path]()
        start("200 OK" if said.ok else "503 Service Unavailable", [_TEXT])
        return [said.text.encode()]

    return answer


class Monitoring:
    """A server at each port; a context manager that ends them.

    Raises:
        SettingsError: a port cannot be had.
    """

    def __init__(self, app: Application, address: str, ports: Iterable[int]) -> None:
        self._servers: list[WSGIServer] = []
        for port in ports:
            try:
                self._servers.append(_server(app, address, port))
            except OSError as error:
                self._close()
                raise SettingsError(
                    f"health_port: cannot listen on {address or '*'}:{port}:"
                    f" {error.strerror}; name another, or 0 for none"
                ) from error

    @property
    def ports(self) -> list[int]:
        """The ports that were had."""
        return [server.server_port for server in self._servers]

    def __enter__(self) -> Self:
        """Start."""
        for server in self._servers:
            threading.Thread(
                target=server.serve_forever, name="monitoring", daemon=True
            ).start()
        if self._servers:
            log.info("serving", extra={"ports": self.ports})
        return self

    def __exit__(self, *_: object) -> None:
        """End; what is being answered is hung up on."""
        for server in self._servers:
            server.shutdown()
        self._close()

    def _close(self) -> None:
        for server in self._servers:
            server.server_close()


class _Server(ThreadingWSGIServer):
    """Bounded: a client more than it serves at once is hung up on."""

    block_on_close = False
    request_queue_size = 2 * CLIENTS

    def __init__(self, *args: Any, **more: Any) -> None:  # noqa: ANN401 (the library's)
        self._room = threading.BoundedSemaphore(CLIENTS)
        super().__init__(*args, **more)

    def server_bind(self) -> None:
        """Bind, and look up no names: a name server may be slow."""
        TCPServer.server_bind(self)
        self.server_name = str(self.server_address[0])
        self.server_port = int(self.server_address[1])
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, *_: object) -> None:
        """Pass over clients that go away; the standard library prints a traceback."""
        log.debug("a client went away")


class _DualServer(_Server):
    """Listens on IPv6 and, by it, on IPv4."""

    address_family = socket.AF_INET6

    def server_bind(self) -> None:
        self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


class _Handler(WSGIRequestHandler):
    """Silent, and not for ever."""

    timeout = CLIENT_SECONDS

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's)
        """Say nothing: a probe comes every few seconds."""

    def address_string(self) -> str:
        """Look up no names."""
        return str(self.client_address[0])


def _server(app: Application, address: str, port: int) -> WSGIServer:
    kind: type[_Server] = _DualServer if ":" in address or not address else _Server
    try:
        server = kind((address, port), _Handler)
    except OSError:
        if address or kind is _Server:
            raise
        server = _Server(("", port), _Handler)  # a machine without IPv6
    server.set_app(app)
    return server
