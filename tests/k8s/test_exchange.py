"""The leaner way over HTTP, against servers that say what a test wants to the byte."""

import queue
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import attrs
import pytest
import urllib3
from urllib3.connection import HTTPConnection

from mpiop.k8s.access import Access
from mpiop.k8s.clock import Clock
from mpiop.k8s.errors import Unreachable, Unsent
from mpiop.k8s.exchange import Lean
from mpiop.k8s.http import HttpTransport
from mpiop.k8s.transport import Call, Reply

PODS = "/api/v1/namespaces/default/pods"
GET = Call("GET", PODS)
SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nshort"
CHUNKED = (
    b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n"
    b'Warning: 299 - "odd"\r\nwarning: 299 - "odder"\r\nRETRY-AFTER: 7\r\n\r\n'
    b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
)
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
UNMEASURED = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n\r\naway"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n"
PATIENCE = 20.0


@attrs.define
class Script:
    """A server that says these answers, one for each call; a list is a connection."""

    listener: socket.socket
    connections: Sequence[Sequence[bytes]]
    calls: list[bytes] = attrs.field(factory=list)
    hung_up: threading.Semaphore = attrs.field(factory=lambda: threading.Semaphore(0))
    address: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"

    def play(self) -> None:
        for answers in self.connections:
            with self.listener.accept()[0] as connection:
                connection.settimeout(PATIENCE)
                for answer in answers:
                    self.calls.append(connection.recv(1 << 16))
                    connection.sendall(answer)
            self.hung_up.release()


@contextmanager
def scripted(*connections: Sequence[bytes]) -> Iterator[Script]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found = Script(listener, connections)
        thread = threading.Thread(target=found.play)
        thread.start()
        yield found
        thread.join(PATIENCE)
        assert not thread.is_alive()


@contextmanager
def spoken_to(access: Access) -> Iterator[HttpTransport]:
    found = HttpTransport(lambda: access, Clock.system())
    try:
        yield found
    finally:
        found.close()


def test_a_call_is_written_as_it_should() -> None:
    """Below the server's own path, quoted, with all that the server must know."""
    with scripted([SHORT]) as script:
        host = f"http://{script.address}/clusters/one"
        with spoken_to(Access(host, lambda: "Bearer t")) as transport:
            query = (("labelSelector", "a=b"), ("limit", "1"))
            call = Call("POST", f"{PODS}/a b", query, b"{}", "application/x")
            assert transport.request(call).body == b"short"
    head, _, body = script.calls[0].partition(b"\r\n\r\n")
    first, *headers = head.decode().split("\r\n")
    target = f"/clusters/one{PODS}/a%20b?labelSelector=a%3Db&limit=1"
    assert first == f"POST {target} HTTP/1.1"
    assert body == b"{}"
    assert f"Host: {script.address}" in headers
    assert {"Content-Type: application/x", "Content-Length: 2"} < set(headers)
    assert "Authorization: Bearer t" in headers


def test_headers_are_read_whatever_their_case() -> None:
    """What warns and what asks to wait, of an answer in chunks."""
    with (
        scripted([CHUNKED]) as script,
        spoken_to(Access(f"http://{script.address}")) as transport,
    ):
        reply = transport.request(GET)
    assert (reply.status, reply.body, reply.retry_after) == (201, b"abcde", 7.0)
    assert reply.warnings == ("odd", "odder")


@pytest.mark.parametrize(
    "connections",
    [
        [[SHORT, CHUNKED, INTERIM + SHORT, SHORT]],  # kept: one for all calls
        [[SHORT, CLOSING], [SHORT, UNMEASURED]],  # closed where the server says so
    ],
)
def test_a_connection_is_kept_while_it_is_good(
    connections: Sequence[Sequence[bytes]],
) -> None:
    """A call goes over a connection that is kept, or over a new one."""
    with (
        scripted(*connections) as script,
        spoken_to(Access(f"http://{script.address}")) as transport,
    ):
        replies = [transport.request(GET) for _ in range(4)]
    bodies = {b"short", b"abcde", b"ok", b"away"}
    assert {reply.body for reply in replies} <= bodies
    assert all(reply.retry_after in {None, 7.0} for reply in replies)
    assert len(script.calls) == 4


def test_a_connection_that_comes_back_to_a_closed_pool_is_closed() -> None:
    """Also where another thread closes the pool while it is put there."""

    class Late(queue.LifoQueue[object]):
        def put(
            self, item: object, block: bool = True, timeout: float | None = None
        ) -> None:
            pool.close()
            super().put(item, block, timeout)

    with scripted([]) as server:
        host, _, port = server.address.partition(":")
        pool = Lean(host, int(port))
        connection = HTTPConnection(host, int(port))
        connection.connect()
        pool.pool = Late()
        pool.give_back(connection, good=True)
        assert connection.sock is None


def test_a_connection_that_was_dropped_is_not_used() -> None:
    """A server may hang up on what is kept; the next call never meets that."""
    with (
        scripted([SHORT], [CHUNKED], [SHORT]) as script,
        spoken_to(Access(f"http://{script.address}")) as transport,
    ):
        for status in (200, 201, 200):
            assert transport.request(GET).status == status
            assert script.hung_up.acquire(timeout=PATIENCE)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhal",
        b"SSH-2.0-OpenSSH\r\n",
        INTERIM,
    ],
)
def test_what_is_no_whole_answer_is_lost(answer: bytes) -> None:
    """Who knows what the server has done; the next call gets a new connection."""
    with (
        scripted([answer], [SHORT]) as script,
        spoken_to(Access(f"http://{script.address}")) as transport,
    ):
        with pytest.raises(Unreachable) as lost:
            transport.request(GET)
        assert not isinstance(lost.value, Unsent)
        assert transport.request(GET).body == b"short"


def test_a_silent_server_is_not_waited_for() -> None:
    """Beyond a call's patience its answer counts as lost."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with spoken_to(Access(host)) as transport:
            with pytest.raises(Unreachable) as lost:
                transport.request(attrs.evolve(GET, patience=0.2))
            assert not isinstance(lost.value, Unsent)


def test_no_tls_is_no_connection() -> None:
    """A server that speaks no TLS was told nothing."""
    with (
        scripted([b"HTTP/1.0 400 Bad Request\r\n\r\n"]) as script,
        spoken_to(Access(f"https://{script.address}")) as transport,
        pytest.raises(Unsent),
    ):
        transport.request(GET)


def test_a_closed_transport_sends_nothing() -> None:
    """The writes that come too late are known to have changed nothing."""
    with spoken_to(Access("http://127.0.0.1:1")) as transport:
        transport.close()
        with pytest.raises(Unsent):
            transport.request(GET)


def test_a_watch_that_the_server_ends_has_ended() -> None:
    """What came before is given."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    with (
        scripted([head + b"5\r\n{}\n{}\r\n1\r\n\n\r\n0\r\n\r\n"]) as script,
        spoken_to(Access(f"http://{script.address}")) as transport,
    ):
        stream = transport.watch(GET, 10.0)
        assert not isinstance(stream, Reply)
        events: list[bytes] = []
        while (lines := stream.read()) is not None:
            events += lines
    assert events == [b"{}", b"{}"]


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 410 Gone\r\nContent-Length: 9\r\n\r\nhalf"]
)
def test_a_watch_without_a_whole_answer_is_none(answer: bytes) -> None:
    """A refusal is read to its end, and over its connection others go on."""
    with (
        scripted([answer], [SHORT.replace(b"200 OK", b"410 Gone"), SHORT]) as script,
        spoken_to(Access(f"http://{script.address}")) as transport,
    ):
        with pytest.raises(Unreachable):
            transport.watch(GET, 10.0)
        refused = transport.watch(GET, 10.0)
        assert isinstance(refused, Reply)
        assert (refused.status, refused.body) == (410, b"short")
        assert transport.request(GET).status == 200


def test_a_proxy_is_asked() -> None:
    """Where one is configured the call goes through it."""
    with scripted([SHORT]) as script:
        proxy = f"http://{script.address}"
        access = Access(
            "http://kubernetes.invalid", connect=lambda _: urllib3.ProxyManager(proxy)
        )
        with spoken_to(access) as transport:
            assert transport.request(GET).body == b"short"
    assert script.calls[0].startswith(f"GET http://kubernetes.invalid{PODS} ".encode())


def test_a_proxy_is_asked_for_a_tunnel() -> None:
    """Through which TLS is spoken with the API server itself."""
    with scripted([b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"]) as script:
        proxy = f"http://{script.address}"
        access = Access(
            "https://kubernetes.invalid", connect=lambda _: urllib3.ProxyManager(proxy)
        )
        with spoken_to(access) as transport, pytest.raises(Unsent, match="407"):
            transport.request(GET)
    assert script.calls[0].startswith(b"CONNECT kubernetes.invalid:443 ")
