"""Rules of attempts and workers on a real API server, each by its shortest story."""

import pytest

from mpiop.local.client import JOBS, PODS
from tests.support.cluster import MPIJOBS, Cluster
from tests.support.scene import LAUNCHER, WORKER, Scene, scene

pytestmark = [
    pytest.mark.needs("kubernetes"),
    pytest.mark.slow,
    pytest.mark.usefixtures("operated"),
]
FIRST, SECOND = "pi-launcher", "pi-launcher-r1"
LOST = "pi-worker-1"


def uid(found: Scene, name: str) -> str:
    """Read a Pod's uid; empty where there is none."""
    pod = found.find(PODS, name)
    return "" if pod is None else str(pod["metadata"]["uid"])


def runs_again(found: Scene, restarts: int) -> None:
    """Wait until the launcher of a later attempt runs."""
    found.until(
        lambda told: (told["restarts"], told["phase"]) == (restarts, "LauncherRunning")
    )


def evict_launcher(found: Scene, name: str) -> None:
    """Let the node need the memory of a launcher's Pod."""
    (pod,) = (one for one in found.names(PODS, LAUNCHER) if one.startswith(f"{name}-"))
    found.script.kubelet.evict(found.get(PODS, pod))


def test_a_deadline_is_a_verdict_and_ends_the_launcher(control_plane: Cluster) -> None:
    """Whatever cleanPodPolicy says; its Job is suspended, so that no other comes."""
    with scene(control_plane) as found:
        found.submit(policy={"cleanPodPolicy": "None"})
        found.until_phase("LauncherRunning")
        found.edit(activeDeadlineSeconds=1)
        told = found.until(lambda told: told["result"])
        assert (told["result"], told["reason"]) == ("Failed", "DeadlineExceeded")
        found.eventually(lambda: not found.names(PODS, LAUNCHER), "the launcher ends")
        assert found.get(JOBS, FIRST)["spec"]["suspend"] is True
        assert found.names(JOBS) == [FIRST]
        assert found.names(PODS) == ["pi-worker-0", LOST]


def test_a_program_that_is_not_there_is_not_run_again(control_plane: Cluster) -> None:
    """Exit code 183 of Open MPI, with six retries left."""
    with scene(control_plane, exits=[183], launcher_seconds=0.0) as found:
        found.submit(policy={"backoffLimit": 6})
        told = found.until_phase("Cleaned")
        assert (told["result"], told["reason"]) == ("Failed", "ProgramNotFound")
        assert told["restarts"] == 0
        assert found.names(JOBS) == [FIRST]


def test_an_elastic_job_goes_on_without_a_worker(control_plane: Cluster) -> None:
    """KeepLauncher: another Pod takes its place under the launcher that runs."""
    with scene(control_plane) as found:
        found.submit(policy={"backoffLimit": 0, "workerFailurePolicy": "KeepLauncher"})
        found.until_phase("LauncherRunning")
        launcher, lost = found.names(PODS, LAUNCHER), uid(found, LOST)
        found.script.kubelet.fail(found.get(PODS, LOST), 137)
        found.eventually(lambda: uid(found, LOST) not in {"", lost}, "it is replaced")
        assert found.names(PODS, LAUNCHER) == launcher
        assert found.succeeds()["restarts"] == 0
        assert found.names(JOBS) == [FIRST]


def test_an_evicted_worker_is_replaced_alone(control_plane: Cluster) -> None:
    """The launcher's process has ended, so that no rank lives in the others; free."""
    with scene(control_plane, exits=[1]) as found:
        found.submit(policy={"backoffLimit": 0})
        found.until_phase("LauncherRunning")
        kept, lost = uid(found, "pi-worker-0"), uid(found, LOST)
        found.script.kubelet.evict(found.get(PODS, LOST))
        told = found.until_reason("WorkerLost")
        assert LOST in told["message"]
        assert found.names(PODS, WORKER) == ["pi-worker-0", LOST]
        found.script.end_launchers()
        runs_again(found, restarts=1)
        assert uid(found, "pi-worker-0") == kept
        assert uid(found, LOST) != lost
        found.succeeds()
        assert found.most_launchers() == 1


def test_disruptions_are_free_up_to_a_bound(control_plane: Cluster) -> None:
    """One costs nothing; after ten of them the next one is a failure like any."""
    with scene(control_plane) as found:
        found.submit(policy={"backoffLimit": 0})
        found.until_phase("LauncherRunning")
        evict_launcher(found, FIRST)
        runs_again(found, restarts=1)
        assert found.status()["recorded"]["disruptions"] == 1

        found.patch(
            MPIJOBS, "pi", {"status": {"recorded": {"disruptions": 10}}}, "status"
        )
        evict_launcher(found, SECOND)
        told = found.until(lambda told: told["result"])
        assert (told["result"], told["reason"]) == ("Failed", "LauncherDisrupted")
        assert found.names(JOBS) == [FIRST, SECOND]
