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


def test_retried(world: World) -> None:
    """A launcher that fails is tried again, in a Job of its own each time."""
    one = world.submit(
        job(
            "fails",
            "echo attempt $ATTEMPT; exit 7",
            policy={"backoffLimit": 1, "cleanPodPolicy": "All"},
        )
    )
    status = one.until(lambda status: status.get("restarts"))
    assert status["reason"] == "Restarting"
    assert condition(status, "Restarting")["status"] == "True"
    status = one.until_phase("Cleaned")
    assert (status["result"], status["reason"]) == ("Failed", "BackoffLimitExceeded")
    assert "exit code 7" in status["message"]
    assert "attempt 1" in status["message"]
    assert list(one.jobs()) == ["fails-launcher", "fails-launcher-r1"]
    assert one.pods() == {}
