"""A Succeeded that can be believed, on real Pods: who took part, and who was lost."""

import time
from collections.abc import Callable
from typing import Final

import attrs
import pytest

from mpiop.local.client import PODS, Json
from tests.e2e.node import jobs
from tests.e2e.node.jobs import Cell
from tests.e2e.node.node import Node
from tests.e2e.node.running import run_all
from tests.e2e.node.stories import Record
from tests.support.cluster import MPIJOBS, Cluster
from tests.support.live import status
from tests.support.manifests import condition
from tests.support.told import TOLD

pytestmark = [
    pytest.mark.needs("mpi"),
    pytest.mark.slow,
    pytest.mark.timeout(1800),  # the first one builds the images
]
TIMES: Final = 20
SIDE_BY_SIDE: Final = 5
PATIENCE: Final = 120.0
# An mpirun that ignores the hostfile, and whatever else it is told.
DEAF: Final = "env -i HOME=/tmp PATH=$PATH LD_LIBRARY_PATH=$LD_LIBRARY_PATH"

TCP: Final = "MPIR_CVAR_CH4_NETMOD=ofi FI_PROVIDER=tcp"


def deaf() -> dict[str, Cell]:
    """Give jobs of each kind of MPI whose ranks all run on the launcher."""
    found = {}
    for mpi in ("openmpi5", "mpich"):
        for shell in ("SSH", "KubectlExec"):
            cell = Cell(mpi, shell)
            abi = f"MPI4PY_MPIABI={mpi.rstrip('5')} {TCP}"
            script = f"exec {DEAF} {abi} {' '.join(cell.mpirun)}"
            name = f"deaf-{mpi}-{shell.lower()}"
            found[name] = attrs.evolve(cell, launcher=("sh", "-c", script))
    return found


def test_ranks_on_the_launcher_alone_are_no_plain_success(operated: Cluster) -> None:
    """Exit code 0, but no worker took part: Unverified, and why."""
    for name, (job, log) in run_all(operated, deaf()).items():
        assert set(jobs.layout(log).values()) == {f"{name}-launcher"}, log
        told = job["status"]
        assert told["result"] == "Unverified", told
        assert told["reason"] == "RanOnLauncherOnly"
        assert condition(told, "Verified")["status"] == "False"
        assert condition(told, "Succeeded")["reason"] == "RanOnLauncherOnly"


def running(cluster: Cluster, namespace: str, name: str) -> bool:
    """Whether a job's launcher runs, as far as its status says."""
    job = cluster.client.get(MPIJOBS, namespace, name)
    return bool(status(job).get("phase") == "LauncherRunning")


def printed(cluster: Cluster, namespace: str, name: str) -> bool:
    """Whether the ranks run: the launcher's log has their words."""
    return "rank 1" in jobs.launcher_log(cluster, namespace, name)


def started(cluster: Cluster, namespace: str, name: str) -> Json:
    """Find a Pod whose container is known; a busy kubelet tells it after ranks run."""
    pod = cluster.client.get(PODS, namespace, name)
    (state,) = status(pod).get("containerStatuses") or [{}]
    return pod if "containerID" in state else {}


def killer(node: Node) -> Callable[[str, str], None]:
    """Give what waits until a job's ranks run, and kills one of its workers."""

    def kill(namespace: str, name: str) -> None:
        number = int(name.rpartition("-")[2])
        cluster = node.cluster
        # The log comes from the node: nobody asks for it before there is one.
        for there, what in ((running, "launcher"), (printed, "rank")):
            end = time.monotonic() + PATIENCE
            while not there(cluster, namespace, name):
                assert time.monotonic() < end, f"no {what} runs"
                time.sleep(0.3)
        time.sleep(0.05 * number)  # which end mpirun sees first is a race
        worker = f"{name}-worker-{number % 2}"
        node.kill(cluster.eventually(lambda: started(cluster, namespace, worker)))

    return kill


@pytest.mark.needs("node")  # nobody kills process 1 from within
@pytest.mark.parametrize("shell", ["SSH", "KubectlExec"])
def test_no_attempt_that_lost_a_worker_succeeds(
    operated: Cluster, node: Node, shell: str, record_property: Record
) -> None:
    """Open MPI 5 may exit 0 when a worker is killed; twenty times it never counts."""
    cell = Cell(shell=shell, command=("mpi-test", "hang"))
    cells = {f"lost-{shell.lower()}-{number}": cell for number in range(TIMES)}
    done = run_all(operated, cells, killer(node), SIDE_BY_SIDE)
    for job, _ in done.values():
        told = job["status"]
        assert (told["result"], told["reason"]) == ("Failed", "WorkerLost"), told
    well = sum(
        "exited with code 0" in job["status"]["message"] for job, _ in done.values()
    )
    record_property(TOLD, f"{shell}: mpirun exited with 0 in {well} of {TIMES}")
