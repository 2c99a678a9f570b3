"""The work queue against a naive model, and its contract by example."""

import threading
from typing import Any

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mpiop.k8s import workqueue
from mpiop.k8s.clock import Clock
from mpiop.k8s.limits import TokenBucket
from mpiop.k8s.workqueue import WorkQueue
from tests.support.timing import FakeTime

KEYS = st.sampled_from("abc")


@attrs.define
class Model:
    """What a queue must do, said one key at a time: when is each due?"""

    due: dict[str, float] = attrs.field(factory=dict)
    in_hand: set[str] = attrs.field(factory=set)
    dirty: set[str] = attrs.field(factory=set)
    failures: dict[str, int] = attrs.field(factory=dict)
    rests: dict[str, float] = attrs.field(factory=dict)

    def ask(self, key: str, when: float) -> None:
        when = max(when, self.rests.get(key, when))
        self.due[key] = min(when, self.due.get(key, when))

    def pass_to(self, now: float) -> None:
        for key in [k for k in self.in_hand if self.due.get(k, now + 1) <= now]:
            del self.due[key]
            self.dirty.add(key)
            self.rests.pop(key, None)

    def takeable(self, now: float) -> set[str]:
        return {k for k, when in self.due.items() if when <= now} - self.in_hand


class QueueMachine(RuleBasedStateMachine):
    """Drives the queue and the model alike."""

    def __init__(self) -> None:
        super().__init__()
        self.time = FakeTime()
        self.queue: WorkQueue[str] = WorkQueue(self.time.clock)
        self.model = Model()

    @rule(key=KEYS)
    def add(self, key: str) -> None:
        self.queue.add(key)
        if key in self.model.in_hand:
            self.model.dirty.add(key)
        else:
            self.model.ask(key, self.time.seconds)

    @rule(key=KEYS, seconds=st.sampled_from([0.0, 0.5, 1.0, 7.0]))
    def add_after(self, key: str, seconds: float) -> None:
        self.queue.add_after(key, seconds)
        self.model.ask(key, self.time.seconds + seconds)

    @rule(key=KEYS)
    def add_rate_limited(self, key: str) -> None:
        self.queue.add_rate_limited(key)
        failures = self.model.failures.get(key, 0)
        self.model.failures[key] = failures + 1
        self.model.ask(key, self.time.seconds + min(60.0, 0.05 * 2.0**failures))

    @rule(key=KEYS)
    def forget(self, key: str) -> None:
        self.queue.forget(key)
        self.model.failures.pop(key, None)

    @rule(seconds=st.sampled_from([0.01, 0.5, 3.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        self.time.seconds += seconds

    @rule()
    def take(self) -> None:
        self.model.pass_to(self.time.seconds)
        allowed = self.model.takeable(self.time.seconds)
        key = self.queue.get()
        if not allowed:
            assert key is None
            return
        assert key in allowed
        del self.model.due[key]
        self.model.rests.pop(key, None)
        self.model.in_hand.add(key)

    @rule(data=st.data(), cost=st.sampled_from([0.0, 0.001, 2.0]))
    def give_back(self, data: st.DataObject, cost: float) -> None:
        if not self.model.in_hand:
            return
        self.model.pass_to(self.time.seconds)
        len(self.queue)
        key = data.draw(st.sampled_from(sorted(self.model.in_hand)))
        self.queue.done(key, cost)
        self.model.in_hand.discard(key)
        if cost >= workqueue.CHEAP_SECONDS:
            self.model.rests[key] = self.time.seconds + 5 * cost
        if key in self.model.dirty:
            self.model.dirty.discard(key)
            self.model.ask(key, self.time.seconds)

    @invariant()
    def same_depth(self) -> None:
        self.model.pass_to(self.time.seconds)
        assert len(self.queue) == len(self.model.takeable(self.time.seconds))

    @invariant()
    def same_deadline(self) -> None:
        self.model.pass_to(self.time.seconds)
        now = self.time.seconds
        waits = [max(0.0, when - now) for when in self.model.due.values()]
        assert self.queue.next_in() == (pytest.approx(min(waits)) if waits else None)


QueueMachine.TestCase.settings = settings(deadline=None, stateful_step_count=40)
test_queue_does_what_the_model_does: Any = QueueMachine.TestCase


@pytest.mark.defect("D11")
def test_many_events_of_one_key_delay_nobody() -> None:
    """They are one turn more, cost no other key's share, and count as no failure."""
    time = FakeTime()
    bucket = TokenBucket(time.clock, rate=10.0, burst=1)
    queue: WorkQueue[str] = WorkQueue(time.clock, bucket)
    queue.add("busy")
    assert queue.get() == "busy"
    for _ in range(1000):
        queue.add("busy")
    queue.add("other")
    queue.done("busy")
    assert [queue.get() for _ in range(3)] == ["other", "busy", None]
    queue.add_rate_limited("busy")
    queue.done("busy")
    assert queue.next_in() == pytest.approx(workqueue.FIRST_SECONDS)


def test_a_key_in_hand_comes_again_once_it_is_done() -> None:
    """A key is never in two hands, and no addition is lost."""
    queue: WorkQueue[str] = WorkQueue(FakeTime().clock)
    queue.add("a")
    assert queue.get() == "a"
    queue.add("a")
    assert queue.get() is None
    queue.done("a")
    assert queue.get() == "a"


def test_a_key_that_gets_due_in_hand_comes_again() -> None:
    """A timer that ends during a turn is no turn beside it, and not forgotten."""
    time = FakeTime()
    queue: WorkQueue[str] = WorkQueue(time.clock)
    queue.add("a")
    assert queue.next_in() == 0.0
    assert queue.get() == "a"
    queue.add_after("a", 1.0)
    time.seconds += 2.0
    assert queue.get() is None
    queue.done("a")
    assert queue.get() == "a"


def test_back_off_grows_to_a_ceiling() -> None:
    """Each failure doubles the wait, up to a minute; `forget` starts anew."""
    time = FakeTime()
    queue: WorkQueue[str] = WorkQueue(time.clock)
    waits = []
    for _ in range(14):
        queue.add_rate_limited("a")
        wait = queue.next_in()
        assert wait is not None
        waits.append(wait)
        time.seconds += wait
        assert queue.get() == "a"
        queue.done("a")
    assert waits[:3] == pytest.approx([0.05, 0.1, 0.2])
    assert waits[-1] == pytest.approx(60.0)
    queue.forget("a")
    queue.add_rate_limited("a")
    assert queue.next_in() == pytest.approx(0.05)


def test_a_costly_key_rests() -> None:
    """A key whose turn took two seconds is not taken again for ten."""
    time = FakeTime()
    queue: WorkQueue[str] = WorkQueue(time.clock)
    queue.add("giant")
    assert queue.get() == "giant"
    queue.done("giant", cost=2.0)
    queue.add("giant")
    queue.add("small")
    assert queue.get() == "small"
    assert queue.get() is None
    assert queue.next_in() == pytest.approx(10.0)
    time.seconds += 10.0
    assert queue.get() == "giant"


def test_threads_share_the_work_and_end_on_close() -> None:
    """Threads that wait are woken by an addition and by the end."""
    queue: WorkQueue[int] = WorkQueue(Clock.system())
    taken: list[int] = []
    seen = threading.Semaphore(0)

    def work() -> None:
        while (key := queue.get(wait=None)) is not None:
            taken.append(key)
            queue.done(key)
            seen.release()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for key in range(50):
        queue.add(key)
    queue.add_after(50, 0.01)
    for _ in range(51):
        assert seen.acquire(timeout=20)
    queue.close()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert sorted(taken) == list(range(51))
    assert queue.get(wait=None) is None


def test_a_held_queue_gives_nothing_out_and_loses_nothing() -> None:
    """What is added meanwhile is given out once it goes on, each once."""
    time = FakeTime()
    queue: WorkQueue[str] = WorkQueue(time.clock)
    queue.hold()
    for key in ("a", "b", "a"):
        queue.add(key)
    queue.add_after("c", 5)
    time.seconds += 10
    assert queue.get() is None
    assert len(queue) == 3
    queue.go()
    assert [queue.get() for _ in range(4)] == ["a", "b", "c", None]


def test_a_held_queue_wakes_who_waits_when_it_goes_on() -> None:
    """A worker that waits for a key need not be told twice."""
    queue: WorkQueue[str] = WorkQueue(Clock.system())
    queue.hold()
    queue.add("a")
    found: list[str | None] = []
    thread = threading.Thread(target=lambda: found.append(queue.get(wait=30)))
    thread.start()
    queue.go()
    thread.join(30)
    assert found == ["a"]


def test_the_age_is_that_of_the_key_that_waits_longest() -> None:
    """Counted from when it was due, not from when it was asked for."""
    time = FakeTime()
    queue: WorkQueue[str] = WorkQueue(time.clock)
    assert queue.age == 0
    queue.add_after("a", 3)
    time.seconds += 5
    queue.add("b")
    time.seconds += 1
    assert queue.age == 3
    queue.get()
    assert queue.age == 1


@pytest.mark.compat("operator.limits")
def test_failures_together_keep_a_rate() -> None:
    """Beside each key's own back-off; what is not a failure is not held up."""
    time = FakeTime()
    queue: WorkQueue[int] = WorkQueue(time.clock, TokenBucket(time.clock, 1.0, 2))
    for key in range(5):
        queue.add_rate_limited(key)
    queue.add(9)
    assert queue.get() == 9
    time.seconds += workqueue.FIRST_SECONDS
    assert [queue.get() for _ in range(3)] == [0, 1, None]
    time.seconds += 2
    assert [queue.get() for _ in range(3)] == [2, 3, None]
