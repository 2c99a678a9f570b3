"""Deadline, TTL, probes and memory limits: what time and the node end."""

import time
from collections.abc import Iterator

import pytest

from tests.support.manifests import MOMENT, ended, job
from tests.support.whole import World

pytestmark = [pytest.mark.needs("namespaces"), pytest.mark.slow]
GREEDY = """
until [ -e /tmp/go ]; do sleep 0.1; done
exec python -c 'x = bytearray(200 << 20)'
"""
NEVER = {"exec": {"command": ["false"]}, "periodSeconds": 1}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


def test_a_worker_that_is_never_ready(world: World) -> None:
    """Named while the job waits; then the deadline fails it, and every Pod goes."""
    one = world.submit(
        job(
            "unready",
            "mpirun -np 2 true",
            worker={"readinessProbe": NEVER, "command": ["sleep", "600"]},
            policy={"cleanPodPolicy": "All"},
            launcherCreationPolicy="WaitForWorkersReady",
        )
    )
    status = one.until(lambda status: status.get("reason") == "Waiting")
    assert status["phase"] == "Created"
    assert "2 of 2 workers not ready: unready-worker-0" in status["message"]
    assert "Readiness probe failed" in status["message"]
    one.patch({"runPolicy": {"activeDeadlineSeconds": 5}})
    status = one.until_phase("Cleaned")
    assert (status["result"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert "activeDeadlineSeconds (5 s)" in status["message"]
    assert one.pods() == {}


def test_a_worker_without_sshd(world: World) -> None:
    """The launcher waits and says so; the deadline ends it, too."""
    one = world.submit(
        job(
            "silent",
            "mpirun -np 2 true",
            shell="SSH",
            worker={"command": ["sleep", "600"]},
        )
    )
    status = one.until(lambda status: status.get("reason") == "Waiting")
    assert status["phase"] == "WorkersReady"
    assert "waits until it reaches every worker" in status["message"]
    one.patch({"runPolicy": {"activeDeadlineSeconds": 5}})
    status = one.until_phase("Cleaned")
    assert (status["result"], status["reason"]) == ("Failed", "DeadlineExceeded")
    assert all(ended(pod) for pod in one.pods().values())
    assert not any("worker" in name for name in one.pods())


def test_ttl(world: World) -> None:
    """The MPIJob itself goes after its end, and all that was made for it."""
    one = world.submit(
        job("brief", f"mpirun -np 2 {MOMENT}", policy={"ttlSecondsAfterFinished": 3})
    )
    one.until(lambda status: status.get("result") == "Succeeded")
    end = time.monotonic() + 60
    while world.call("GET", one.path) is not None or one.owned():
        assert time.monotonic() < end, one.owned()
        time.sleep(0.1)


def test_a_liveness_probe_that_fails(world: World) -> None:
    """The worker that its kubelet ends is lost, with its exit code in the message."""
    probe = {"exec": {"command": ["test", "!", "-e", "/tmp/sick"]}}
    one = world.submit(
        job(
            "sick",
            "exec mpirun -np 2 sleep 60",
            worker={
                "livenessProbe": {**probe, "periodSeconds": 1, "failureThreshold": 1}
            },
            policy={"backoffLimit": 0},
        )
    )
    one.until_phase("LauncherRunning")
    one.execute("sick-worker-1", "touch /tmp/sick")
    status = one.until_phase("Cleaned")
    assert (status["result"], status["reason"]) == ("Failed", "WorkerLost")
    assert "sick-worker-1 on node local has ended" in status["message"]


@pytest.mark.needs("root")
def test_out_of_memory(world: World) -> None:
    """A worker above its memory limit is told as OOMKilled."""
    one = world.submit(
        job(
            "greedy",
            "exec mpirun -np 2 sleep 60",
            worker={
                "command": ["sh", "-c", GREEDY],
                "resources": {"limits": {"memory": "64Mi"}},
            },
            policy={"backoffLimit": 0},
        )
    )
    one.until_phase("LauncherRunning")
    one.execute("greedy-worker-0", "touch /tmp/go")
    status = one.until_phase("Cleaned")
    assert (status["result"], status["reason"]) == ("Failed", "WorkerLost")
    assert "greedy-worker-0 on node local has ended" in status["message"]
    assert "exit code 137, SIGKILL, OOMKilled" in status["message"]
