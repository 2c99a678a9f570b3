"""Several calls at once over kept connections, by one thread."""

import socket
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from mpiop.k8s.errors import Unreachable, Unsent
from mpiop.k8s.exchange import Answer, Lean
from mpiop.k8s.flights import Flights

GOOD = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"


@attrs.define(eq=False)
class Line:
    """A connection, and what the other side will do with it."""

    sock: socket.socket
    far: socket.socket
    timeout: float = 30.0

    def close(self) -> None:
        self.sock.close()
        self.far.close()


@attrs.define
class Lines:
    """A pool whose far ends answer at once, each as it is told."""

    answers: Iterator[bytes | None]
    kept: list[Line] = attrs.field(factory=list)
    opened: list[Line] = attrs.field(factory=list)
    out: set[Line] = attrs.field(factory=set)

    def send(self, message: bytes, silence: float) -> Line:
        if not self.kept:
            self.kept.append(Line(*socket.socketpair()))
            self.opened.append(self.kept[0])
        line = self.kept.pop()
        self.out.add(line)
        try:
            self.write(line, message, silence)
        except Unreachable:
            self.give_back(line, good=False)
            raise
        return line

    def write(self, line: Line, _message: bytes, _silence: float) -> None:
        answer = next(self.answers)
        if answer is None:
            raise Unsent(0, "Unreachable", "nobody there")
        line.far.sendall(answer)
        if not answer.endswith(b"ok"):
            line.far.shutdown(socket.SHUT_WR)

    def give_back(self, line: Line, *, good: bool) -> None:
        self.out.remove(line)
        if good:
            line.sock.settimeout(30.0)
            self.kept.append(line)
        else:
            line.close()

    def close(self) -> None:
        for line in self.opened:
            line.close()


@pytest.fixture
def lines() -> Iterator[Lines]:
    """Give a pool in which everything goes well."""
    found = Lines(iter([GOOD] * 100))
    yield found
    assert not found.out
    found.close()


def flights(
    lines: Any,  # noqa: ANN401 (stands for a pool)
    messages: Iterator[bytes],
    most: int = 16,
    silence: float = 30.0,
) -> Flights:
    return Flights(lines, messages, most, silence)


@pytest.mark.parametrize(
    ("most", "sent"),
    [
        (16, [1, 3, 5, 7, 9, 10, 10, 10, 10, 10]),
        (3, [1, 3, 5, 6, 7, 8, 9, 10, 10, 10]),
        (1, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
    ],
)
@pytest.mark.defect("D12")
def test_calls_start_slowly(lines: Lines, most: int, sent: list[int]) -> None:
    """One goes first; each that is answered lets two more go, up to the most."""
    taken: list[int] = []

    def messages() -> Iterator[bytes]:
        for number in range(10):
            taken.append(number)
            yield b"GET / HTTP/1.1\r\n\r\n"

    found = []
    for index, outcome in flights(lines, messages(), most).outcomes():
        assert isinstance(outcome, Answer)
        assert (outcome.status, outcome.body()) == (201, b"ok")
        found.append((index, len(taken)))
    assert [count for _, count in found] == sent
    assert sorted(index for index, _ in found) == [*range(10)]
    assert len(lines.opened) <= most


def test_no_more_is_taken_once_the_caller_has_seen_enough(lines: Lines) -> None:
    """The calls may end for what came of those before; the rest comes back."""
    seen: list[int] = []

    def messages() -> Iterator[bytes]:
        while len(seen) < 3:
            yield b"x"

    for index, _ in flights(lines, messages()).outcomes():
        seen.append(index)
    assert sorted(seen) == [0, 1, 2, 3, 4]  # 5 were on their way when the third came


def test_each_trouble_is_its_own_calls(lines: Lines) -> None:
    """Not sent, half an answer, no HTTP; the others are answered."""
    half, other = b"HTTP/1.1 200 OK\r\nCont", b"SSH\r\n"
    lines.answers = iter([GOOD, None, half, other, CLOSING, GOOD])
    found = dict(flights(lines, iter([b"x"] * 6)).outcomes())
    kinds = [type(found[index]) for index in range(6)]
    assert kinds == [Answer, Unsent, Unreachable, Unreachable, Answer, Answer]
    assert len(lines.kept) == len(lines.opened) - 4  # a broken one is not used again


def test_a_connection_that_is_left_over_is_given_back_at_once(lines: Lines) -> None:
    """What becomes of it while others fly is nobody's answer."""
    begun = b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nok"
    lines.answers = iter([GOOD, GOOD, begun])
    outcomes = flights(lines, iter([b"x"] * 3), silence=0.05).outcomes()
    assert [next(outcomes)[0], next(outcomes)[0]] == [0, 1]
    lines.opened[0].far.close()
    [(index, outcome)] = outcomes
    assert index == 2
    assert isinstance(outcome, Unreachable)


def test_a_silent_server_is_not_waited_for(lines: Lines) -> None:
    """What has come of an answer is no answer."""
    lines.answers = iter([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"])
    [(index, outcome)] = flights(lines, iter([b"x"]), silence=0.05).outcomes()
    assert index == 0
    assert isinstance(outcome, Unreachable)
    assert not isinstance(outcome, Unsent)
    assert lines.kept == []


def test_what_cannot_be_written_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Part of it may have been: who knows what the server makes of that."""
    with Lean("127.0.0.1", 1) as pool:
        line = Line(*socket.socketpair())
        line.sock.shutdown(socket.SHUT_WR)
        monkeypatch.setattr(pool, "_connected", lambda _patience: line)
        [(_, outcome)] = flights(pool, iter([b"x"])).outcomes()
    assert isinstance(outcome, Unreachable)
    assert not isinstance(outcome, Unsent)
    assert line.sock.fileno() == -1


def test_a_caller_that_gives_up_leaves_nothing_open(lines: Lines) -> None:
    """What is on its way then can be no answer to anybody else."""
    outcomes = flights(lines, iter([b"x"] * 9)).outcomes()
    for _ in range(3):
        next(outcomes)
    assert lines.out
    del outcomes
    assert not lines.out
