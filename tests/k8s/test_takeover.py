"""Two operators and one job: whatever happens to the leader, all is done once."""

import pytest

from mpiop.k8s.errors import Unsent
from mpiop.k8s.transport import Call
from mpiop.local.client import JOBS, PODS
from mpiop.reconcile.plan import plan
from tests.support import toy
from tests.support.crd import PERMISSIVE
from tests.support.pair import Pair
from tests.support.transport import Faults
from tests.support.upstream import mpijob

TAKEOVER = 15.0 + 2.4  # lease, and the retry of a standby with its jitter


def finish(world: Pair, limit: float = 120.0) -> None:
    """Let the job succeed, and see that one of each was enough."""
    world.run_until(lambda: world.phase() == "Succeeded", limit=limit)
    world.run_until(lambda: len(world.client.list(PODS)["items"]) == 1, limit=limit)
    assert len(world.client.list(JOBS)["items"]) == 1


def test_a_standby_reads_and_writes_nothing() -> None:
    """Its caches are warm; the job is the leader's alone."""
    world = Pair(toy.plan)
    world.create(toy.mpijob())
    finish(world)
    first, second = world.operators
    assert world.leaders == [first]
    assert world.links[1].written == []
    assert second.has_synced
    assert len(second.queue) == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_leader_that_dies_at_any_write_is_followed(when: str) -> None:
    """Its writes to the Lease are among them; nothing is done twice."""
    acted = 0
    for number in range(1, 16):
        faults = Faults()
        getattr(faults, f"crash_{when}").add(number)
        world = Pair(toy.plan, faults=faults)
        world.create(toy.mpijob())
        finish(world)
        world.advance(30)
        assert world.crashes == 1
        assert world.leaders == world.operators
        assert world.created("jobs") == 1, number
        acted += bool(world.links[1].written)
    assert acted >= 9


def test_the_job_waits_no_longer_than_the_lease() -> None:
    """From the leader's death to the next write of the other."""
    for number in (2, 4, 6, 8):
        world = Pair(toy.plan, faults=Faults(crash_before={number}))
        world.create(toy.mpijob())
        world.run_until(lambda w=world: w.crashes == 1)  # type: ignore[misc] # mypy sees no type of w
        died = world.cluster.now.timestamp()
        world.run_until(lambda w=world: bool(w.links[1].written))  # type: ignore[misc] # mypy sees no type of w
        assert world.links[1].written[0] - died <= TAKEOVER
        finish(world)


def test_a_leader_that_ends_in_order_hands_over_at_once() -> None:
    """Within one look of the standby, whose caches are warm."""
    world = Pair(toy.plan)
    world.create(toy.mpijob())
    world.settle()
    first, second = world.operators
    assert first.elector is not None
    first.elector.release()
    first.close()
    world.operators.remove(first)
    assert world.run_until(lambda: world.leaders == [second]) <= 2.4
    finish(world)


def test_a_leader_that_freezes_at_any_read_writes_no_more() -> None:
    """It wakes up after another has taken over, in the middle of a turn."""
    paused = 0
    for number in range(1, 12):
        world = Pair(toy.plan)
        first, link, seen = world.operators[0], world.links[0], [0]

        def freeze(call: Call, world: Pair = world, number: int = number) -> None:
            if call.method != "GET" or "mpijobs" not in call.path:
                return
            seen[0] += 1  # noqa: B023 (called within this round)
            if seen[0] == number:  # noqa: B023
                world.pause(first, 40.0)  # noqa: B023
                assert not first.may_write()  # noqa: B023

        link.before = freeze
        world.create(toy.mpijob())
        finish(world)
        paused += seen[0] >= number
        assert world.created("jobs") == 1
    assert paused >= 2


@pytest.mark.compat("operator.lease")
def test_an_api_server_that_is_away_is_waited_for_with_warm_caches() -> None:
    """Nobody writes without a lease; the job goes on when the server is back."""
    world = Pair(toy.plan)
    world.create(toy.mpijob())
    world.settle()
    down = [True]

    def refuse(_call: Call) -> None:
        if down[0]:
            raise Unsent(0, "Unreachable", "away")

    writes = [len(link.written) for link in world.links]
    for link in world.links:
        link.before = refuse
    world.advance(60)
    assert world.leaders == []
    assert [len(link.written) for link in world.links] == writes
    down[0] = False
    finish(world)


@pytest.mark.parametrize("number", [3, 5, 7, 9])
def test_the_real_core_is_taken_over_as_well(number: int) -> None:
    """The next leader goes on where the status and the children say."""
    faults = Faults(crash_after={number})
    world = Pair(plan, faults=faults, crd=PERMISSIVE)
    container = [{"name": "main", "image": "image"}]
    template = {"template": {"spec": {"containers": container}}}
    replicas = {"Launcher": template, "Worker": {**template, "replicas": 2}}
    job = {**toy.mpijob(), "spec": {"mpiReplicaSpecs": replicas}}
    world.create(job)
    world.run_until(
        lambda: world.phase() in {"Succeeded", "Cleaned", "Failed"}, limit=300
    )
    assert world.created("jobs") == 1
    assert world.phase() != "Failed"


def test_a_new_leader_does_not_act_on_what_a_dead_watch_hides() -> None:
    """Its watches of Pods and Jobs died unnoticed, that of MPIJobs did not."""
    world = Pair(plan)
    world.node.launcher_seconds = 1e6

    def deaf(path: str, lines: list[bytes]) -> list[bytes]:
        return [] if path.endswith(("/pods", "/jobs")) else lines

    world.links[1].inner.faults.disturb = deaf
    world.settle()
    world.create(mpijob(backoffLimit=0))
    world.run_until(lambda: world.phase() == "LauncherRunning")
    world.advance(60.0)
    first, second = world.operators
    assert first.elector is not None
    first.elector.release()
    first.close()
    world.operators.remove(first)
    world.run_until(lambda: world.leaders == [second])
    world.advance(60.0)
    status = world.job()["status"]
    assert (status["phase"], status["reason"]) == ("LauncherRunning", "")
    assert "missing" not in status["recorded"]
    assert len(world.client.list(PODS)["items"]) == 3
