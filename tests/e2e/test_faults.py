"""Launchers that fail: which are tried again, how the last one is told."""

from collections.abc import Iterator

import pytest

from tests.support.manifests import condition, job
from tests.support.whole import World

pytestmark = [pytest.mark.needs("namespaces"), pytest.mark.slow]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


def test_mpirun_missing(world: World) -> None:
    """An image without mpirun fails at once, with the program named."""
    command = {"command": ["/opt/none/mpirun", "-np", "2", "hostname"]}
    one = world.submit(job("no-mpirun", "", launcher=command))
    status = one.until_phase("Cleaned")
    assert (status["result"], status["reason"]) == ("Failed", "ProgramNotFound")
    assert '"/opt/none/mpirun"' in status["message"]
    assert status["restarts"] == 0
    assert list(one.pods()) == ["no-mpirun-launcher"]


def test_slots_exceeded(world: World) -> None:
    """More ranks than slots is not tried again: it would be refused each time."""
    one = world.submit(job("greedy", "exec mpirun -np 3 true"))
    status = one.until_phase("Cleaned")
    assert (status["result"], status["reason"]) == ("Failed", "SlotsExceeded")
    assert status["restarts"] == 0
    assert list(one.jobs()) == ["greedy-launcher"]


def test_rank_not_found(world: World) -> None:
    """Nor is a program that the workers do not have."""
    one = world.submit(job("absent", "exec mpirun -np 2 /opt/none/solver"))
    status = one.until_phase("Cleaned")
    assert (status["result"], status["reason"]) == ("Failed", "ProgramNotFound")
    assert "/opt/none/solver" in status["message"]
    assert status["restarts"] == 0
    assert list(one.jobs()) == ["absent-launcher"]


def test_retried(world: World) -> None:
    """A launcher that fails is tried again, in a Job of its own each time."""
    one = world.submit(
        job(
            "fails",
            "echo attempt $ATTEMPT; echo the disk is full; exit 7",
            policy={"backoffLimit": 2, "cleanPodPolicy": "All"},
        )
    )
    status = one.until(lambda status: status.get("restarts"))
    assert status["reason"] == "Restarting"
    assert condition(status, "Restarting")["status"] == "True"
    status = one.until_phase("Cleaned")
    assert (status["result"], status["reason"]) == ("Failed", "BackoffLimitExceeded")
    assert status["message"] == (
        "attempt 3, backoffLimit 2: the launcher exited with exit code 7; "
        "last lines:\nattempt 2\nthe disk is full"
    )
    jobs = ["fails-launcher", "fails-launcher-r1", "fails-launcher-r2"]
    assert list(one.jobs()) == jobs
    assert one.pods() == {}
