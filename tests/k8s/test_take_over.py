"""Jobs that the operators before this one left half-way: no second launcher."""

from typing import Any

import pytest

from mpiop.local.client import CONFIG_MAPS, JOBS, PODS, Json
from mpiop.reconcile import names
from mpiop.reconcile.plan import plan
from tests.support.harness import MPIJOBS, Harness
from tests.support.transport import Faults, status_reply
from tests.support.upstream import TRAINING, V1, V2, Upstream, mpijob

BARE = [V1, TRAINING]


def harness(faults: Faults | None = None) -> Harness:
    """Give a cluster whose operator has not looked yet."""
    world = Harness(plan, faults=faults)
    world.node.launcher_seconds = 30.0
    return world


def left(world: Harness, flavour: str, **run_policy: Any) -> Upstream:  # noqa: ANN401
    """Let the other operator get as far as a launcher that runs."""
    version = V2 if flavour == V2 else V1
    upstream = Upstream(world.client, mpijob(version, **run_policy), flavour)
    upstream.base()
    upstream.workers()
    upstream.launcher()
    upstream.status("Created", "Running")
    return upstream


def launchers(world: Harness) -> list[Json]:
    """List the Pods that are launchers, of whichever operator."""
    return [
        pod
        for pod in world.client.list(PODS)["items"]
        if pod["metadata"]["name"].startswith("pi-launcher")
    ]


def jobs(world: Harness) -> list[str]:
    """Name the launcher Jobs."""
    return [one["metadata"]["name"] for one in world.client.list(JOBS)["items"]]


def status(world: Harness) -> dict[str, Any]:
    """Read the status."""
    found: dict[str, Any] = world.job().get("status", {})
    return found


def verdict(world: Harness) -> str:
    """Give the result, and see on the way that no two launchers run."""
    running = [
        pod["metadata"]["name"]
        for pod in launchers(world)
        if pod["status"].get("phase") == "Running"
    ]
    assert len(running) <= 1, running
    return str(status(world).get("result", ""))


def condition(world: Harness, name: str) -> dict[str, Any]:
    """Find a condition."""
    found = status(world).get("conditions", [])
    return next((dict(one) for one in found if one["type"] == name), {})


@pytest.mark.compat("take-over")
@pytest.mark.parametrize("flavour", [V2, *BARE])
@pytest.mark.parametrize("seconds", [0.0, 10.0, 100.0])
def test_a_launcher_is_observed_to_its_end(flavour: str, seconds: float) -> None:
    """Whether it is to start, runs or has ended: the job succeeds with that one."""
    world = harness()
    left(world, flavour)
    begin = world.cluster.now
    while (world.cluster.now - begin).total_seconds() < seconds:  # nobody operates
        world.cluster.settle()
        world.node.step()
        world.cluster.advance(5.0)
    made = condition(world, "Created")

    world.run_until(lambda: bool(verdict(world)), limit=120)
    world.advance(600)

    assert status(world)["result"] == "Succeeded"
    assert condition(world, "Verified")["status"] == "Unknown"
    assert condition(world, "Created") == made
    assert len(launchers(world)) == 1
    assert jobs(world) == (["pi-launcher"] if flavour == V2 else [])
    assert world.transport.counts["create", "pods"] == 0
    assert world.transport.counts["create", "jobs"] == 0
    assert status(world)["replicaStatuses"]["Launcher"]["succeeded"] == 1


@pytest.mark.compat("take-over")
@pytest.mark.parametrize("flavour", [V2, *BARE])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_while_taking_over_starts_nothing(flavour: str, when: str) -> None:
    """After a crash before or after the n-th write there is one launcher, ever."""
    number = 1
    while True:
        faults = Faults()
        getattr(faults, f"crash_{when}").add(number)
        world = harness(faults)
        left(world, flavour)
        world.run_until(lambda w=world: bool(verdict(w)), limit=300)  # type: ignore[misc] # mypy sees no type of w
        world.settle()
        assert status(world)["result"] == "Succeeded"
        assert len(launchers(world)) == 1
        if not world.crashes:
            break
        number += 1
    assert number > 3


@pytest.mark.compat("take-over")
def test_a_job_that_retries_by_itself_is_not_retried_again() -> None:
    """Its next Pod is found, its last failure is the verdict, its ttl is gone."""
    world = harness()
    world.node.exits = [3, 3, 3]
    upstream = left(world, V2, backoffLimit=1)
    live = world.client.get(JOBS, "default", "pi-launcher")
    limits = {"spec": {"backoffLimit": 1, "ttlSecondsAfterFinished": 0}}
    world.client.patch(JOBS, live, limits)
    assert upstream.job["metadata"]["name"] == "pi"

    world.run_until(lambda: bool(verdict(world)), limit=300)
    world.advance(600)

    assert status(world)["result"] == "Failed"
    assert status(world)["reason"] == "BackoffLimitExceeded"
    assert jobs(world) == ["pi-launcher"]
    assert len(launchers(world)) == 2
    labelled = [names.JOB_UID in pod["metadata"]["labels"] for pod in launchers(world)]
    assert labelled == [True, True]


@pytest.mark.compat("take-over")
@pytest.mark.parametrize("flavour", BARE)
@pytest.mark.parametrize(("limit", "result"), [(0, "Failed"), (1, "Unverified")])
def test_a_bare_launcher_that_failed_is_an_attempt(
    flavour: str, limit: int, result: str
) -> None:
    """Where backoffLimit allows it, a Job of ours follows, with workers of ours."""
    world = harness()
    world.node.exits = [3]
    left(world, flavour, backoffLimit=limit)

    world.run_until(lambda: bool(verdict(world)), limit=300)

    assert status(world)["result"] == result
    if not limit:
        assert "exit code 3" in status(world)["message"]
    assert jobs(world) == ["pi-launcher-r1"] * limit
    assert len(launchers(world)) == 1 + limit
    assert world.transport.counts["create", "pods"] == 2 * limit


@pytest.mark.compat("take-over")
def test_a_suspended_job_gets_a_launcher_of_ours() -> None:
    """Theirs has keys that no worker of ours takes: it stays suspended for ever."""
    world = harness()
    upstream = Upstream(world.client, mpijob(suspend=True))
    upstream.base()
    upstream.launcher(suspend=True)
    upstream.status("Created", "Suspended")
    world.advance(60)
    assert world.phase() == "Suspended"
    assert jobs(world) == ["pi-launcher"]
    world.client.patch(
        MPIJOBS, world.job(), {"spec": {"runPolicy": {"suspend": False}}}
    )
    world.run_until(lambda: bool(verdict(world)), limit=300)

    assert jobs(world) == ["pi-launcher", "pi-launcher-r1"]
    assert world.client.get(JOBS, "default", "pi-launcher")["spec"]["suspend"] is True
    assert status(world)["recorded"]["disruptions"] == 1


@pytest.mark.compat("take-over")
@pytest.mark.parametrize("flavour", BARE)
def test_a_bare_launcher_is_suspended_by_deletion(flavour: str) -> None:
    """No Job holds it; after the resume the first attempt is a Job of ours."""
    world = harness()
    left(world, flavour)
    world.advance(5)
    for value in (True, False):
        policy = {"spec": {"runPolicy": {"suspend": value}}}
        world.client.patch(MPIJOBS, world.job(), policy)
        world.advance(60)
        if value:
            assert world.phase() == "Suspended"
            assert launchers(world) == []
            counts = status(world)["replicaStatuses"]
            assert {role["active"] for role in counts.values()} == {0}
    world.run_until(lambda: bool(verdict(world)), limit=120)
    assert jobs(world) == ["pi-launcher"]
    assert status(world)["restarts"] == 0


@pytest.mark.compat("take-over")
def test_workers_without_a_launcher_are_made_anew() -> None:
    """Their keys are not ours; the launcher would not reach them."""
    world = harness()
    upstream = Upstream(world.client, mpijob())
    upstream.base()
    upstream.workers()
    upstream.status("Created")
    world.run_until(lambda: bool(verdict(world)), limit=120)

    assert world.transport.counts["create", "pods"] == 2
    assert world.transport.counts["delete", "pods"] == 2
    assert jobs(world) == ["pi-launcher"]
    assert status(world)["restarts"] == 0


@pytest.mark.compat("take-over")
@pytest.mark.parametrize("flavour", [V2, *BARE])
@pytest.mark.parametrize(("policy", "kept"), [("None", 3), ("Running", 1), ("All", 0)])
@pytest.mark.parametrize("end", ["Succeeded", "Failed"])
def test_a_finished_job_stays_finished(
    flavour: str, policy: str, kept: int, end: str
) -> None:
    """Its verdict is theirs, with reason and message; only the clean-up is ours."""
    world = harness()
    upstream = left(world, flavour, cleanPodPolicy=policy)
    world.node.launcher_seconds = 0.0
    for _ in range(4):
        world.cluster.settle()
        world.node.step()
    for pod in launchers(world):
        if pod["status"]["phase"] == "Running":
            world.cluster.kubelet.succeed(pod)
    upstream.status("Created", end, completionTime="2026-01-01T00:00:00Z")
    world.advance(600)

    assert status(world)["result"] == end
    assert status(world)["message"] == f"MPIJob default/pi is {end}"
    assert condition(world, end)["reason"] == f"MPIJob{end}"
    assert len(world.client.list(PODS)["items"]) == kept
    assert not [one for one in world.transport.counts if one[0] == "create"]
    assert world.transport.counts["patch", "mpijobs/status"] <= 2


@pytest.mark.compat("take-over")
@pytest.mark.parametrize("flavour", [V2, *BARE])
def test_a_deadline_ends_an_inherited_launcher(flavour: str) -> None:
    """Its Job is suspended, or the bare Pod deleted, whatever the clean-up policy."""
    world = harness()
    world.node.launcher_seconds = 1e6
    left(world, flavour, activeDeadlineSeconds=50)
    world.run_until(lambda: bool(verdict(world)), limit=120)
    world.advance(60)

    assert status(world)["reason"] == "DeadlineExceeded"
    alive = [p for p in launchers(world) if p["status"]["phase"] == "Running"]
    assert alive == []


@pytest.mark.compat("take-over")
@pytest.mark.parametrize("flavour", [V2, *BARE])
def test_a_worker_lost_under_an_inherited_launcher_ends_its_attempt(
    flavour: str,
) -> None:
    """Their Job is suspended so that it makes no Pod; the next attempt is all ours."""
    world = harness()
    world.node.launcher_seconds = 1e6
    left(world, flavour, backoffLimit=1)
    world.advance(30)
    kubelet = world.cluster.kubelet
    kubelet.fail(world.client.get(PODS, "default", "pi-worker-1"), 137)
    world.node.launcher_seconds = 30.0
    world.run_until(lambda: bool(verdict(world)), limit=300)

    assert status(world)["restarts"] == 1
    expected = ["pi-launcher", "pi-launcher-r1"]
    assert jobs(world) == (expected if flavour == V2 else expected[1:])
    assert world.transport.counts["create", "pods"] == 2


@pytest.mark.compat("take-over")
def test_what_is_not_the_jobs_is_not_taken_over() -> None:
    """A Pod of another owner with all the right labels is left as it is."""
    world = harness()
    upstream = left(world, V1)
    live = world.client.get(PODS, "default", "pi-launcher")
    other = world.cluster.create(CONFIG_MAPS, {"name": "other"})
    owners = [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": "other",
            "uid": other["metadata"]["uid"],
            "controller": True,
        }
    ]
    world.client.patch(PODS, live, {"metadata": {"ownerReferences": owners}})
    assert upstream.flavour == V1
    world.advance(10)

    assert jobs(world) == ["pi-launcher"]
    live = world.client.get(PODS, "default", "pi-launcher")
    assert names.JOB_UID not in live["metadata"]["labels"]


@pytest.mark.compat("take-over")
def test_without_a_look_nothing_is_started() -> None:
    """Where the live reads are refused, nothing is made until they are answered."""
    faults = Faults()
    world = harness(faults)
    left(world, V1)
    faults.answer = lambda call: (
        status_reply(403, "Forbidden")
        if call.path.endswith("/pods")
        and "labelSelector" in dict(call.query)
        and "mpiop" not in dict(call.query)["labelSelector"]
        else None
    )
    world.advance(300)
    assert world.transport.writes == 0
    faults.answer = lambda _call: None
    world.run_until(lambda: bool(verdict(world)), limit=600)
    assert status(world)["result"] == "Succeeded"
    assert jobs(world) == []


@pytest.mark.compat("take-over")
@pytest.mark.parametrize("flavour", [V2, *BARE])
def test_an_inherited_launcher_that_waits_is_left_to_wait(flavour: str) -> None:
    """It has none of our remote starts to prove: only a person may give it up."""
    world = harness()
    left(world, flavour)
    world.node.held = {"pi-launcher"}
    world.cluster.settle()
    world.node.held |= {pod["metadata"]["name"] for pod in launchers(world)}
    world.advance(1200)
    assert verdict(world) == ""
    assert world.transport.counts["delete", "pods"] == 0
    world.node.held.clear()
    world.run_until(lambda: bool(verdict(world)), limit=120)
    assert status(world)["result"] == "Succeeded"
    assert len(launchers(world)) == 1
