"""Who may write: one at a time, and soon another one when the leader is gone."""

import logging
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpiop.k8s.leader import micro_time
from tests.support.replicas import START, Replica, Replicas
from tests.support.transport import status_reply

# lease, and what a standby's looks may be late by: retry, stretched by its jitter
TAKEOVER = 15.0 + 2.4


def led(number: int = 2) -> tuple[Replicas, Replica]:
    """Give replicas of which the first leads."""
    world = Replicas(number)
    world.install()
    world.all[0].elector.step()
    assert world.leaders() == [world.all[0]]
    return world, world.all[0]


def test_an_installed_lease_is_taken_at_once() -> None:
    """A first start waits for nothing; the Lease says who, since when and how long."""
    world, leader = led()
    assert world.spec() == {
        "holderIdentity": leader.identity,
        "leaseDurationSeconds": 15,
        "acquireTime": micro_time(START),
        "renewTime": micro_time(START),
        "leaseTransitions": 1,
    }


def test_a_leader_stays_one_and_costs_one_write_a_renewal() -> None:
    """Nothing else is asked of the API server at rest."""
    world, leader = led(1)
    begin = len(leader.link.inner.calls)
    world.run(3600)
    methods = [call.method for call in leader.link.inner.calls[begin:]]
    assert set(methods) == {"PATCH"}
    assert 1795 <= len(methods) <= 1805
    assert world.spec()["leaseTransitions"] == 1


def test_a_leader_that_vanishes_is_followed_within_the_lease() -> None:
    """A standby takes over when the lease is over, not before, whoever came last."""
    for lead in range(0, 40, 7):
        world, leader = led(3)
        world.run(lead / 10)
        world.all.remove(leader)
        begin = world.seconds
        took = world.until(lambda w=world: bool(w.leaders()))  # type: ignore[misc] # mypy sees no type of w
        assert 13.0 <= took <= TAKEOVER
        assert leader.clock.monotonic() - begin > 10.0
        assert not leader.elector.leading
        assert world.spec()["leaseTransitions"] == 2


@pytest.mark.compat("operator.lease")
@pytest.mark.defect("D31")
def test_a_released_lease_is_taken_at_the_next_look() -> None:
    """A leader that ends in order costs one retry period."""
    world, leader = led()
    world.run(20)
    leader.elector.release()
    assert world.spec()["holderIdentity"] == ""
    world.all.remove(leader)
    assert world.until(lambda: bool(world.leaders())) <= 2.4


def test_a_standby_has_nothing_to_release() -> None:
    """Only the holder writes when it ends."""
    world, leader = led()
    world.run(5)
    world.all[1].elector.release()
    assert world.spec()["holderIdentity"] == leader.identity


def test_a_release_that_fails_is_only_told(caplog: pytest.LogCaptureFixture) -> None:
    """The lease then runs out by itself."""
    world, leader = led()
    leader.link.state = "cut"
    leader.elector.release()
    assert not leader.elector.leading
    assert "the lease was not released" in caplog.messages
    world.all.remove(leader)
    assert world.until(lambda: bool(world.leaders())) <= TAKEOVER


def test_a_server_that_is_away_stops_the_leader_and_not_for_longer() -> None:
    """No write after ten seconds; the first answer makes one the leader again."""
    world, leader = led()
    world.run(5)
    for one in world.all:
        one.link.state = "cut"
    world.until(lambda: not leader.elector.leading)
    assert world.seconds <= 5 + 10
    world.run(30)
    assert world.leaders() == []
    for one in world.all:
        one.link.state = "ok"
    assert world.until(lambda: bool(world.leaders())) <= 2.4


def test_a_short_outage_changes_nothing() -> None:
    """Renewals that fail for less than ten seconds leave the leader what it is."""
    world, leader = led()
    for state in ("cut", "lost"):
        leader.link.state = state
        world.run(7)
        leader.link.state = "ok"
        world.run(3)
        assert world.leaders() == [leader]
    assert world.spec()["leaseTransitions"] == 1


def test_a_deleted_lease_does_not_change_the_leader() -> None:
    """It is made again by whoever held it."""
    world, leader = led(3)
    world.run(3)
    world.delete()
    world.run(60)
    assert world.leaders() == [leader]
    assert world.spec()["holderIdentity"] == leader.identity


def test_a_lease_that_is_not_there_counts_as_held() -> None:
    """A newcomer waits a lease's time: whoever held it may still write."""
    world = Replicas(1)
    assert world.until(lambda: bool(world.leaders())) == pytest.approx(15.0, abs=0.1)


@pytest.mark.compat("operator.lease")
def test_a_foreign_holder_is_respected_for_as_long_as_it_asks() -> None:
    """Such as mpi-operator, whose Lease has the same name."""
    world = Replicas(2)
    world.install({"holderIdentity": "other", "leaseDurationSeconds": 40})
    world.run(35)
    assert world.leaders() == []
    world.patch({"spec": {"renewTime": micro_time(world.now)}})
    world.run(35)
    assert world.leaders() == []
    assert world.until(lambda: bool(world.leaders())) <= 10


def test_a_foreign_holder_is_respected_though_its_lease_is_deleted() -> None:
    """It may not know yet."""
    world = Replicas(1)
    world.install({"holderIdentity": "other", "leaseDurationSeconds": 40})
    world.run(5)
    world.delete()
    assert world.until(lambda: bool(world.leaders())) == pytest.approx(35.0, abs=0.1)


def test_a_foreign_holder_that_says_no_duration_has_ours() -> None:
    """Some other tool's Lease is respected, too."""
    world = Replicas(1)
    world.install({"holderIdentity": "other"})
    assert world.until(lambda: bool(world.leaders())) == pytest.approx(15.0, abs=0.1)


def test_a_leader_that_was_robbed_stops_at_its_next_renewal() -> None:
    """Whatever it thought of its lease."""
    world, leader = led()
    world.run(4)
    world.patch({"spec": {"holderIdentity": "robber", "leaseDurationSeconds": 15}})
    world.run(2.1)
    assert not leader.elector.leading


def test_a_robbed_and_deleted_lease_stops_the_leader() -> None:
    """It cannot be made again where another was quicker."""
    world, leader = led(1)
    world.run(4)

    def robbed(when: str) -> None:
        if when == "before" and leader.link.inner.calls[-1].method == "GET":
            world.install({"holderIdentity": "robber", "leaseDurationSeconds": 15})
            leader.link.slow = lambda _when: None

    world.delete()
    leader.link.slow = robbed
    world.run(2.1)
    assert not leader.elector.leading
    assert world.spec()["holderIdentity"] == "robber"


def test_a_remark_on_the_lease_changes_nothing() -> None:
    """An annotation raises the resourceVersion, and that is all."""
    world, leader = led()
    world.run(3)
    world.patch({"metadata": {"annotations": {"a": "b"}}})
    world.run(30)
    assert world.leaders() == [leader]


def test_changes_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """The operator hears of each gain and each loss; so does the log."""
    caplog.set_level(logging.INFO)
    world = Replicas(1)
    world.install()
    leader = world.all[0]
    told: list[bool] = []
    leader.elector.on_change = told.append
    world.run(5)
    leader.link.state = "cut"
    world.run(60)
    leader.link.state = "ok"
    world.run(5)
    assert told == [True, False, True]
    assert caplog.messages.count("no lease") == 1
    assert caplog.messages.count("leading") == 2


@pytest.mark.parametrize(
    ("code", "reason", "trouble"),
    [
        (403, "Forbidden", "403 Forbidden: Forbidden"),
        (500, "InternalError", ""),
        (429, "TooManyRequests", ""),
    ],
)
def test_what_does_not_pass_by_itself_is_trouble(
    code: int, reason: str, trouble: str
) -> None:
    """A right that is missing is said, a server that is busy is waited for."""
    world = Replicas(1)
    elector, link = world.all[0].elector, world.all[0].link
    link.refusal = status_reply(code, reason)
    world.run(5)
    assert elector.trouble == trouble
    link.refusal = None
    world.run(5)
    assert elector.trouble == ""


def test_a_missing_namespace_is_trouble() -> None:
    """The text names it."""
    world = Replicas(1)
    lock = world.all[0].elector._lock
    object.__setattr__(lock, "namespace", "nowhere")
    world.run(20)
    assert 'namespaces "nowhere" not found' in world.all[0].elector.trouble


def test_a_lease_that_comes_and_goes_unseen_leaves_one_leader() -> None:
    """Made by one replica and deleted before the other's next look."""
    world = Replicas(2)
    links = [one.link.inner for one in world.all]
    while not any(call.method == "POST" for link in links for call in link.calls):
        world.run(0.1)
    world.delete()
    world.run(40)  # in which there are never two
    assert len(world.leaders()) == 1


def test_a_standby_that_has_not_looked_for_long_begins_to_wait_again() -> None:
    """Between its two looks at nothing another has led, and may lead on."""
    world = Replicas(2)
    leader, sleeper = world.all
    sleeper.elector.step()
    world.all = [leader]
    world.run(16)
    assert leader.elector.leading
    leader.link.state = "cut"
    world.delete()
    world.all = [leader, sleeper]
    world.run(40)
    assert world.leaders() == [sleeper]


INDEX = st.integers(0, 2)
OPERATIONS = st.one_of(
    st.tuples(st.just("run"), st.floats(0.1, 20.0)),
    st.tuples(st.just("pass"), st.floats(0.1, 12.0)),
    st.tuples(st.just("step"), INDEX),
    st.tuples(st.just("cut"), INDEX),
    st.tuples(st.just("lost"), INDEX),
    st.tuples(st.just("ok"), INDEX),
    st.tuples(st.just("crash"), INDEX),
    st.tuples(st.just("release"), INDEX),
    st.tuples(st.just("delete"), st.none()),
    st.tuples(st.just("remark"), st.none()),
    st.tuples(
        st.just("slow"), st.tuples(INDEX, st.floats(0.0, 20.0), st.floats(0.0, 20.0))
    ),
)


class Story:
    """Carries out operations; at every moment there is at most one leader."""

    def __init__(self, skews: tuple[float, ...], *, installed: bool) -> None:
        self.world = Replicas(3, skews)
        self.gone: list[Replica] = []
        if installed:
            self.world.install()

    def check(self) -> None:
        """Count those who think that they may write, dead ones included."""
        everyone = [*self.world.all, *self.gone]
        assert sum(one.elector.leading for one in everyone) <= 1

    def do(self, what: str, value: Any) -> None:  # noqa: ANN401 (each has its own)
        world = self.world
        match what:
            case "run":
                world.run(value)
            case "pass":
                world.pass_(value)
            case "step":
                world.all[value].elector.step()
            case "cut" | "lost" | "ok":
                world.all[value].link.state = what
            case "crash":
                self.gone.append(world.replace(value))
            case "release":
                world.all[value].elector.release()
                world.replace(value)
            case "delete":
                world.delete()
            case "remark":
                world.patch({"metadata": {"annotations": {"a": str(world.seconds)}}})
            case _:
                self.slow(*value)
        self.check()

    def slow(self, index: int, before: float, after: float) -> None:
        """Let a replica's calls take long, while the others go on."""
        link = self.world.all[index].link
        others = [one for one in self.world.all if one.link is not link]

        def wait(when: str) -> None:
            link.slow = lambda _when: None
            end = self.world.seconds + (before if when == "before" else after)
            while True:
                for one in others:
                    one.elector.step()
                self.check()
                if self.world.seconds >= end:
                    break
                self.world.pass_(min(0.5, end - self.world.seconds))
            link.slow = wait if when == "before" else lambda _when: None

        link.slow = wait


@given(
    skews=st.tuples(*[st.floats(-1e6, 1e6)] * 3),
    installed=st.booleans(),
    operations=st.lists(OPERATIONS, max_size=30),
)
@example(
    skews=(0, 0, 0),
    installed=True,
    operations=[("step", 0), ("delete", None), ("step", 1)],
)
@example(
    skews=(0, 0, 0),
    installed=True,
    operations=[("step", 0), ("slow", (0, 0.0, 20.0)), ("pass", 2.0), ("step", 0)],
)
@example(  # a Lease comes and goes between two looks of the first two
    skews=(0, 0, 0),
    installed=False,
    operations=[
        ("slow", (0, 0.0, 1.0)),
        ("run", 1.0),
        ("run", 14.0),
        ("delete", None),
    ],
)
def test_never_two_and_in_the_end_one(
    skews: tuple[float, ...], installed: bool, operations: list[tuple[str, Any]]
) -> None:
    """Whatever happens to links, clocks, processes and the Lease itself."""
    story = Story(skews, installed=installed)
    for what, value in operations:
        story.do(what, value)
    for one in story.world.all:
        one.link.state, one.link.slow = "ok", lambda _when: None
    story.world.run(40)
    assert len(story.world.leaders()) == 1
