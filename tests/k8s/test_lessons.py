"""Findings and awaited writes: what is kept of a job between two plans."""

import pytest

from mpiop.k8s.freshness import PATIENCE_SECONDS, Freshness
from mpiop.k8s.lessons import WARNINGS, Lessons
from mpiop.k8s.store import Store, entry
from mpiop.reconcile.actions import Create, KindName, Ref
from mpiop.reconcile.snapshot import Finding, FindingKind
from tests.support.scripted import pod
from tests.support.timing import FakeTime

REF = Ref("Pod", "default", "a")
ACTION = Create(REF, {})


def finding(
    kind: FindingKind = FindingKind.FOREIGN, message: str = "why", generation: int = 1
) -> Finding:
    return Finding(kind, REF, message, generation)


def test_news_is_what_was_not_known() -> None:
    """The same finding again is no news, another message is."""
    lessons = Lessons(FakeTime().clock)
    assert lessons.learn("job", finding(), ACTION)
    assert not lessons.learn("job", finding(), ACTION)
    assert lessons.learn("job", finding(message="quota: 4 of 4"), ACTION)
    assert len(lessons.findings("job", 1)) == 1


def test_probes_become_rarer() -> None:
    """A name that stays taken is probed after 5, 10, 20, 40, then every 60 s."""
    time = FakeTime()
    lessons = Lessons(time.clock)
    waits = []
    for _ in range(6):
        lessons.learn("job", finding(), ACTION)
        assert lessons.due("job") == ()
        wait = lessons.next_in("job")
        assert wait is not None
        waits.append(wait)
        time.seconds += wait
        assert [one.action for one in lessons.due("job")] == [ACTION]
    assert waits == [5, 10, 20, 40, 60, 60]


def test_a_rejection_waits_for_another_generation() -> None:
    """What is wrong with the spec is not probed, and dropped with the spec."""
    lessons = Lessons(FakeTime().clock)
    lessons.learn("job", finding(FindingKind.REJECTED), ACTION)
    assert lessons.next_in("job") is None
    assert len(lessons.findings("job", 1)) == 1
    assert lessons.findings("job", 2) == ()


def test_success_drops_all_but_warnings() -> None:
    """A write that succeeds ends what was known against it."""
    lessons = Lessons(FakeTime().clock)
    for kind in FindingKind:
        lessons.learn("job", finding(kind), ACTION)
    lessons.drop("job", REF)
    kept = lessons.findings("job", 1)
    assert [one.kind for one in kept] == [FindingKind.WARNED]
    lessons.told("job")
    assert lessons.findings("job", 1) == ()


def test_warnings_are_bounded() -> None:
    """The same warning of many Pods is kept once, distinct ones within bounds."""
    lessons = Lessons(FakeTime().clock)
    for number in range(100):
        lessons.learn("job", finding(FindingKind.WARNED, "same"), ACTION)
        lessons.learn("job", finding(FindingKind.WARNED, f"{number}"), ACTION)
    assert len(lessons.findings("job", 1)) == WARNINGS


def test_nothing_is_known_of_a_forgotten_job() -> None:
    """Forgetting and asking about strangers are harmless."""
    lessons = Lessons(FakeTime().clock)
    lessons.learn("job", finding(), ACTION)
    lessons.forget("job")
    lessons.drop("stranger", REF)
    assert lessons.findings("job", 1) == ()


def freshness() -> tuple[Freshness, Store, FakeTime, list[KindName]]:
    time, store, relisted = FakeTime(), Store(), list[KindName]()
    fresh = Freshness(store, time.clock, lambda kind, _namespace: relisted.append(kind))
    return fresh, store, time, relisted


@pytest.mark.checklist("7.7.engine")
@pytest.mark.defect("D13", "D25")
def test_an_own_write_is_waited_for() -> None:
    """A job is not fresh until the cache shows every own write."""
    fresh, store, time, _ = freshness()
    assert fresh.wait("job") == 0.0
    fresh.expect("job", REF, 5)
    time.seconds += 1
    assert fresh.wait("job") == PATIENCE_SECONDS - 1
    assert fresh.wait("other") == 0.0
    store.put("Pod", entry("Pod", pod("a", 5)))
    assert fresh.wait("job") == 0.0


def test_a_deletion_is_waited_for() -> None:
    """An object that we deleted is waited for until it is gone or replaced."""
    fresh, store, _, _ = freshness()
    store.put("Pod", entry("Pod", pod("a", 5)))
    fresh.expect_gone("job", REF, "uid-a")
    assert fresh.wait("job") > 0
    store.put("Pod", entry("Pod", pod("a", 7, "new")))
    assert fresh.wait("job") == 0.0


def test_a_lost_event_costs_a_list() -> None:
    """After 15 s the kind is listed anew, and the list is believed."""
    fresh, store, time, relisted = freshness()
    store.put("Pod", entry("Pod", pod("a", 5)))
    fresh.expect_gone("job", REF, "uid-a")
    time.seconds += PATIENCE_SECONDS
    assert fresh.wait("job") == PATIENCE_SECONDS
    assert relisted == ["Pod"]
    assert fresh.wait("job") == PATIENCE_SECONDS
    assert relisted == ["Pod"]
    store.replace("Pod", [entry("Pod", pod("a", 5))], 9)
    assert fresh.wait("job") == 0.0


def test_a_forgotten_job_waits_for_nothing() -> None:
    """With the job its writes are forgotten."""
    fresh, _, _, _ = freshness()
    fresh.expect("job", REF, 5)
    fresh.forget("job")
    assert fresh.wait("job") == 0.0
