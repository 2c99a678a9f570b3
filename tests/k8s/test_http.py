"""The production transport against real sockets."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import orjson
import pytest

from mpiop import __version__
from mpiop.k8s import streams
from mpiop.k8s.access import Access
from mpiop.k8s.clock import Clock
from mpiop.k8s.credentials import load
from mpiop.k8s.errors import Unreachable, Unsent
from mpiop.k8s.http import HttpTransport, warnings_of
from mpiop.k8s.settings import Settings
from mpiop.k8s.transport import Call, Reply
from tests.support.served import Served, served

PODS = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as found:
        yield found


@pytest.fixture
def transport(server: Served) -> Iterator[HttpTransport]:
    settings = Settings(kubeconfig=server.kubeconfig)
    found = HttpTransport(lambda: load(settings), Clock.system())
    yield found
    found.close()


def config_map(name: str) -> Call:
    return Call("POST", CONFIG_MAPS, (), orjson.dumps({"metadata": {"name": name}}))


def test_a_call_is_answered_whole(transport: HttpTransport, server: Served) -> None:
    """Status, body and identity of the caller travel."""
    reply = transport.request(config_map("one"))
    assert reply.status == 201
    assert orjson.loads(reply.body)["metadata"]["name"] == "one"
    agents = {handled.user_agent for handled in server.core.requests}
    assert agents == {f"mpiop/{__version__}"}


def test_warnings_travel(transport: HttpTransport) -> None:
    """What the API server warns about arrives as text."""
    spec = {"containers": [{"name": "a", "image": "b", "resources": {"request": {}}}]}
    body = orjson.dumps({"metadata": {"name": "p"}, "spec": spec})
    query = (("fieldValidation", "Warn"),)
    reply = transport.request(Call("POST", PODS, query, body))
    assert reply.warnings == ('unknown field "spec.containers[0].resources.request"',)


@pytest.mark.parametrize(
    ("header", "texts"),
    [
        ('299 - "plain"', ["plain"]),
        (r'299 - "unknown field \"spec.a\""', ['unknown field "spec.a"']),
        ('299 - "one, two", 299 - "three"', ["one, two", "three"]),
        ('199 - "not ours"', []),
    ],
)
def test_warning_headers_are_read(header: str, texts: list[str]) -> None:
    """Quotes are unescaped, several warnings told apart."""
    assert warnings_of(header) == texts


def test_a_watch_delivers_as_it_happens(transport: HttpTransport) -> None:
    """An event arrives without waiting for the stream to end."""
    call = Call("GET", CONFIG_MAPS, (("watch", "true"), ("resourceVersion", "0")))
    stream = transport.watch(call, 30.0)
    assert not isinstance(stream, Reply)
    transport.request(config_map("two"))
    names: list[str] = []
    while "two" not in names:
        events = [orjson.loads(line) for line in stream.read() or ()]
        names += [event["object"]["metadata"]["name"] for event in events]
    stream.close()
    assert stream.read() is None


def test_events_that_come_thick_are_taken_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One by one at first, and what is there then at once; none is lost at the end."""
    near, far = socket.socketpair()
    pool: Any = Canned(near)
    lines = [b'{"n":%d}' % number for number in range(20, 40)]
    chunks = [b"%x\r\n%b\n\r\n" % (len(line) + 1, line) for line in lines]
    monkeypatch.setattr(streams, "CHUNK_BYTES", len(chunks[0]))
    monkeypatch.setattr(streams, "THICK_SECONDS", 60.0)
    with far:
        far.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        stream: Any = streams.watch(pool, b"", 30.0)
        far.sendall(b"".join(chunks))
        far.shutdown(socket.SHUT_WR)
        found = list(iter(stream.read, None))

    assert [line for read in found for line in read] == lines
    assert max(len(read) for read in found[: streams.THICK_READS]) == 1
    assert len(found[streams.THICK_READS]) > 1


@attrs.define
class Canned:
    """A pool with one connection, to which anything can be sent."""

    sock: socket.socket

    def send(self, _message: bytes, silence: float) -> "Canned":
        self.sock.settimeout(silence)
        return self

    def close(self) -> None:
        self.sock.close()


def test_a_refused_watch_is_a_reply(transport: HttpTransport) -> None:
    """A watch of nothing that exists answers like a call."""
    reply = transport.watch(Call("GET", "/api/v1/nonsense"), 30.0)
    assert isinstance(reply, Reply)
    assert reply.status == 404


def test_closing_wakes_the_reader(transport: HttpTransport) -> None:
    """A reader that waits for events returns when another thread closes."""
    call = Call("GET", CONFIG_MAPS, (("watch", "true"),))
    stream = transport.watch(call, 300.0)
    assert not isinstance(stream, Reply)
    ended = threading.Event()

    def read() -> None:
        while stream.read() is not None:
            pass
        ended.set()

    reader = threading.Thread(target=read)
    reader.start()
    stream.close()
    assert ended.wait(20)
    reader.join(20)


def test_a_silent_watch_ends(tmp_path: Path) -> None:
    """A connection over which nothing comes any more ends by itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport = HttpTransport(lambda: plain(listener), Clock.system())
        ready = threading.Thread(target=half_open, args=(listener,))
        ready.start()
        stream = transport.watch(Call("GET", CONFIG_MAPS), 0.2)
        assert not isinstance(stream, Reply)
        assert stream.read() == [b'{"first": 1}']
        assert stream.read() is None
        ready.join(20)
        transport.close()


def half_open(listener: socket.socket) -> None:
    """Answer with one event, then say nothing until the other side hangs up."""
    with listener.accept()[0] as connection:
        connection.recv(4096)
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head + b'd\r\n{"first": 1}\n\r\n')
        connection.settimeout(20)
        assert connection.recv(1) == b""


def accept_and_close(listener: socket.socket) -> None:
    """Hang up before answering."""
    listener.accept()[0].close()


def cut_short(listener: socket.socket) -> None:
    """Promise more than is sent."""
    with listener.accept()[0] as connection:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")


def plain(listener: socket.socket) -> Access:
    """Credentials for a server without TLS."""
    return Access(f"http://127.0.0.1:{listener.getsockname()[1]}")


def test_no_connection_is_told_from_no_answer(tmp_path: Path) -> None:
    """Where nobody listens nothing was sent; where one hangs up, who knows."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport = HttpTransport(lambda: plain(listener), Clock.system())
        hang_up = threading.Thread(target=accept_and_close, args=(listener,))
        hang_up.start()
        with pytest.raises(Unreachable) as lost:
            transport.request(Call("GET", PODS))
        hang_up.join(20)
        assert not isinstance(lost.value, Unsent)
    with pytest.raises(Unsent):
        transport.request(Call("GET", PODS))
    transport.close()


def test_half_an_answer_is_none() -> None:
    """Who knows what the server has done."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        transport = HttpTransport(lambda: plain(listener), Clock.system())
        answer = threading.Thread(target=cut_short, args=(listener,))
        answer.start()
        with pytest.raises(Unreachable) as lost:
            transport.request(Call("GET", PODS))
        answer.join(20)
        assert not isinstance(lost.value, Unsent)
        transport.close()


def test_a_watch_that_has_ended_can_be_closed(transport: HttpTransport) -> None:
    """Also by a thread that comes while another still reads."""
    stream: Any = transport.watch(Call("GET", CONFIG_MAPS, (("watch", "true"),)), 300.0)
    with stream._reading:
        stream._connection.close()
        stream.close()
    assert stream.read() is None
    stream.close()
    assert stream.read() is None


def test_credentials_are_not_read_again_at_once(server: Served) -> None:
    """The second refusal in a moment is an answer."""
    settings, loads, now = Settings(kubeconfig=server.kubeconfig), list[int](), [0.0]

    def load_bad() -> Access:
        loads.append(1)
        return attrs.evolve(load(settings), authorization=lambda: "Bearer wrong")

    system = Clock.system()
    clock = Clock(system.now, lambda: now[0], system.sleep, system.chance)
    transport = HttpTransport(load_bad, clock)
    now[0] = 60.0
    assert [transport.request(Call("GET", PODS)).status for _ in "ab"] == [401, 401]
    assert len(loads) == 2
    transport.close()


def test_credentials_are_read_again_when_refused(server: Served) -> None:
    """After a 401 the credentials are read anew, though not all the time."""
    now, settings, loads = [0.0], Settings(kubeconfig=server.kubeconfig), list[int]()

    def load_bad_first() -> Access:
        loads.append(1)
        found = load(settings)
        if len(loads) == 2:
            return found
        return attrs.evolve(found, authorization=lambda: "Bearer wrong")

    system = Clock.system()
    clock = Clock(system.now, lambda: now[0], system.sleep, system.chance)
    transport = HttpTransport(load_bad_first, clock)
    now[0] = 60.0
    assert transport.request(Call("GET", PODS)).status == 200
    assert len(loads) == 2
    transport.close()


@pytest.mark.parametrize("host", ["", "http://127.0.0.1:1"])
def test_calls_sent_together_are_sent_anew_too(server: Served, host: str) -> None:
    """With the credentials that are read then, wherever they lead."""
    now, settings, loads = [0.0], Settings(kubeconfig=server.kubeconfig), list[int]()

    def load_bad_first() -> Access:
        loads.append(1)
        found = load(settings)
        if len(loads) == 1:
            return attrs.evolve(found, authorization=lambda: "Bearer wrong")
        return attrs.evolve(found, host=host or found.host)

    system = Clock.system()
    clock = Clock(system.now, lambda: now[0], system.sleep, system.chance)
    transport = HttpTransport(load_bad_first, clock)
    now[0] = 60.0
    (sent,) = transport.request_all(iter([Call("GET", PODS)]))
    if host:
        assert isinstance(sent.answer, Unsent)
        (sent,) = transport.request_all(iter([Call("GET", PODS)]))
        with pytest.raises(Unsent):
            sent.reply()
    else:
        assert sent.reply().status == 200
    transport.close()


def test_closing_under_tls_gives_no_bytes_of_the_wire(
    transport: HttpTransport, server: Served
) -> None:
    """What is read when another thread closes is no event, whatever arrives then.

    TLS's own way to end a socket takes TLS away from under a read, which then gives
    encrypted bytes; some of them end a line.
    """
    for number in range(20):
        stream = transport.watch(Call("GET", CONFIG_MAPS, (("watch", "true"),)), 300.0)
        assert not isinstance(stream, Reply)
        writer = threading.Thread(
            target=transport.request, args=(config_map(f"map-{number}"),)
        )
        closer = threading.Timer(0.001 * number, stream.close)
        for thread in (writer, closer):
            thread.start()
        while (lines := stream.read()) is not None:
            assert all("object" in orjson.loads(line) for line in lines)
        for thread in (writer, closer):
            thread.join(20)
