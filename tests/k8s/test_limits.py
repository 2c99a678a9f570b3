"""Rates, the fence around writes, each by itself."""

import threading
from collections.abc import Generator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpiop.k8s.errors import Fenced
from mpiop.k8s.fence import Fence
from mpiop.k8s.limits import Paced, TokenBucket
from mpiop.k8s.transport import Call, Reply
from tests.support.scripted import Scripted, ScriptedStream
from tests.support.timing import FakeTime
from tests.support.transport import OneByOne

PATIENCE = 30.0
OK = Reply(200, b"{}")
READ, WRITE = Call("GET", "/pods"), Call("POST", "/pods")


@given(
    rate=st.floats(0.1, 100.0),
    burst=st.integers(1, 50),
    gaps=st.lists(st.floats(0.0, 5.0), min_size=1, max_size=60),
)
def test_no_window_has_more_than_rate_and_burst(
    rate: float, burst: int, gaps: list[float]
) -> None:
    """Whoever waits as told sends at most burst plus what has come back since."""
    time = FakeTime()
    bucket = TokenBucket(time.clock, rate, burst)
    sent = []
    for gap in gaps:
        time.seconds += gap
        time.seconds += bucket.take()
        sent.append(time.seconds)
    for begin in range(len(sent)):
        for end in range(begin, len(sent)):
            window = sent[end] - sent[begin]
            assert end - begin + 1 <= burst + window * rate + 1e-6


def test_a_rate_of_0_is_none() -> None:
    """Nobody waits."""
    bucket = TokenBucket(FakeTime().clock, 0, 1)
    assert {bucket.take() for _ in range(100)} == {0.0}


@pytest.mark.compat("operator.limits")
def test_calls_and_watches_wait_their_turn() -> None:
    """The first ones at once, the others as the tokens come back."""
    time = FakeTime()
    scripted = Scripted([OK], [ScriptedStream([])])
    paced = Paced(scripted, time.clock, TokenBucket(time.clock, 2.0, 2))
    for _ in range(4):
        paced.request(WRITE)
    paced.watch(READ, 10)
    assert time.slept == pytest.approx([0.5, 0.5, 0.5])
    paced.close()


class Slow(OneByOne):
    """A transport that answers when it is told to."""

    def __init__(self) -> None:
        self.arrived, self.answer = threading.Event(), threading.Event()

    def request(self, _call: Call) -> Reply:
        self.arrived.set()
        assert self.answer.wait(PATIENCE)
        return OK

    def watch(self, _call: Call, _silence: float) -> Reply:
        return OK

    def close(self) -> None:
        """Nothing is kept open."""


def test_reads_pass_a_fence_and_writes_only_in_turn() -> None:
    """The right to write is asked for each write."""
    may = [True]
    fence = Fence(Scripted([OK], [OK]), lambda: may[0])
    assert fence.request(WRITE) == OK
    may[0] = False
    with pytest.raises(Fenced):
        fence.request(WRITE)
    assert fence.request(READ) == fence.watch(READ, 1) == OK
    fence.close()


def test_a_fence_that_is_shut_waits_for_what_is_on_its_way() -> None:
    """It tells whether the last write came back in time; no other leaves."""
    slow = Slow()
    fence = Fence(slow, lambda: True)
    thread = threading.Thread(target=lambda: [*fence.request_all(iter([WRITE]))])
    thread.start()
    assert slow.arrived.wait(PATIENCE)
    assert not fence.shut(0.01)
    with pytest.raises(Fenced):
        fence.request(WRITE)
    slow.answer.set()
    assert fence.shut(PATIENCE)
    thread.join(PATIENCE)


def test_each_of_several_writes_passes_the_fence_in_turn() -> None:
    """Where the right has lapsed between two of them, no other leaves."""
    may = [True]
    fence = Fence(Scripted([OK]), lambda: may[0])
    found = []
    for sent in fence.request_all(iter([WRITE] * 5)):
        found.append(sent)
        may[0] = len(found) < 2
    assert [sent.index for sent in found] == [0, 1, 2]
    assert [sent.answer for sent in found[:2]] == [OK, OK]
    with pytest.raises(Fenced):
        found[2].reply()
    assert fence.shut(0.0)


def test_what_nobody_waits_for_is_not_on_its_way() -> None:
    """A caller that ends in the middle leaves nothing that a fence would wait for."""
    fence = Fence(Scripted([OK]), lambda: True)
    sent = fence.request_all(iter([WRITE] * 5))
    next(sent)
    assert isinstance(sent, Generator)
    sent.close()
    assert fence.shut(0.0)


@pytest.mark.compat("operator.limits")
def test_each_of_several_calls_waits_its_turn() -> None:
    """As if they were sent one by one."""
    time = FakeTime()
    paced = Paced(Scripted([OK]), time.clock, TokenBucket(time.clock, 2.0, 2))
    assert len([*paced.request_all(iter([WRITE] * 4))]) == 4
    assert time.slept == pytest.approx([0.5, 0.5])
