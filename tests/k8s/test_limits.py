"""Rates, the fence around writes, the pool and the pulse, each by itself."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpiop.k8s.errors import Fenced
from mpiop.k8s.fence import Fence
from mpiop.k8s.limits import Paced, TokenBucket
from mpiop.k8s.pool import Pool, SlowStart, Task
from mpiop.k8s.transport import Call, Reply
from tests.support.scripted import Scripted, ScriptedStream
from tests.support.timing import FakeTime

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


class Slow:
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
    with Pool[Reply](1, "writer") as pool:
        calls = [lambda: fence.request(WRITE)]
        thread = threading.Thread(target=lambda: pool.run(calls))
        thread.start()
        assert slow.arrived.wait(PATIENCE)
        assert not fence.shut(0.01)
        with pytest.raises(Fenced):
            fence.request(WRITE)
        slow.answer.set()
        assert fence.shut(PATIENCE)
        thread.join(PATIENCE)


def test_a_pool_gives_results_in_order_and_raises_what_was_raised() -> None:
    """Calls run side by side; which one ends first does not matter."""
    gate = threading.Event()

    def first() -> int:
        assert gate.wait(PATIENCE)
        return 1

    def second() -> int:
        gate.set()
        return 2

    def broken() -> int:
        raise LookupError

    with Pool[int](2, "writer") as pool:
        assert list(pool.run([int, first, second])) == [0, 1, 2]
        with pytest.raises(LookupError):
            list(pool.run([broken]))
        assert list(pool.run([])) == []
        names = [t for t in threading.enumerate() if t.name.startswith("writer-")]
        assert all(thread.daemon for thread in names)
    for thread in names:
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("most", "bad", "rounds"),
    [
        (16, None, [1, 2, 4, 8, 5]),
        (4, None, [1, 2, 4, 4, 4, 4, 1]),
        (16, 2, [1, 2, 2]),
        (16, 0, [1]),
    ],
)
@pytest.mark.defect("D12")
def test_creates_start_slowly(most: int, bad: int | None, rounds: list[int]) -> None:
    """Side by side go 1, 2, 4, ...; once one has failed no other begins."""
    tasks: list[Task] = []
    calls = [lambda index=index: index for index in range(20)]
    group = SlowStart[int](calls, lambda index: index != bad, most, tasks.append)
    found = []
    while tasks:
        found.append(len(tasks))
        taken, tasks[:] = tasks[:], []
        for task in taken:
            task()
    assert found == rounds
    assert group.results() == list(range(sum(rounds)))
