"""Every MPI over both transports as every kind of user, on real Pods: who ran where."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.e2e.node import images, jobs
from tests.e2e.node.jobs import Cell
from tests.e2e.node.running import Ended, run_all
from tests.support.cluster import Cluster
from tests.support.manifests import condition

pytestmark = [
    pytest.mark.needs("mpi"),
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]
RANDOM: Final = 1000660000
RADIX: Final = [
    {"name": "PRTE_MCA_prte_routed_radix", "value": "2"},
    {"name": "OMPI_MCA_routed_radix", "value": "2"},
]
HOST: Final = {"hostNetwork": True}  # a rank there goes by the node's name
AS_WORKER: Final = {"runLauncherAsWorker": True}
WRITABLE: Final[dict[str, Any]] = {
    "container": {"volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]},
    "pod": {"volumes": [{"name": "tmp", "emptyDir": {}}]},
}


def matrix() -> Iterator[tuple[str, Cell]]:
    """List all combinations, with a name each."""
    users = {"root": 0, "user": 1000, "random": RANDOM}
    for mpi in images.MPIS:
        for shell in ("SSH", "KubectlExec"):
            for who, user in users.items():
                yield f"{mpi}-{shell.lower()}-{who}", Cell(mpi, shell, user)
    for shell in ("SSH", "KubectlExec"):
        suffix = shell.lower()
        yield f"one-{suffix}", Cell(shell=shell, workers=1)
        yield f"four-{suffix}", Cell(shell=shell, workers=4)
        yield f"slots-{suffix}", Cell(shell=shell, slots=2)
        yield (
            f"tree-{suffix}",
            Cell(shell=shell, workers=7, container={"env": RADIX}),
        )
        yield f"launcher-{suffix}", Cell(shell=shell, ranks=3, spec=AS_WORKER)
        script = (
            "sh",
            "-c",
            "mpirun --allow-run-as-root -np 2 mpi-test reduce; exit $?",
        )
        yield f"sh-{suffix}", Cell(shell=shell, launcher=script)
        for mpi in images.MPIS:
            strict = Cell(mpi, shell, user=1000, restricted=True, **WRITABLE)
            yield f"restricted-{mpi}-{suffix}", strict
        yield f"host-network-{suffix}", Cell(shell=shell, workers=1, pod=HOST)
    # Each has a hostfile of its own kind, which says how many ranks a host takes.
    for mpi, shell in (("openmpi4", "SSH"), ("mpich", "KubectlExec"), ("intel", "SSH")):
        part = Cell(mpi, shell, slots=2, ranks=5, spec=AS_WORKER)
        yield f"part-{mpi}-{shell.lower()}", part
    yield "ssh-itself", Cell(launcher=("sh", "-c", _SSH_ITSELF))


_SSH_ITSELF: Final = (
    "set -e; for n in 0 1; do ssh ssh-itself-worker-$n hostname; done;"
    " exec mpirun --allow-run-as-root -np 2 mpi-test reduce"
)
CELLS: Final = dict(matrix())


@pytest.fixture(scope="module")
def ended(operated: Cluster) -> Ended:
    """Run all cells; give each job as it ended, and its log."""
    return run_all(operated, CELLS)


@pytest.mark.checklist(
    "7.5.OpenMPI-root", "7.5.OpenMPI-nonroot", "7.5.Intel", "7.5.MPICH"
)
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.needs("node"))
        if cell.pod == HOST
        else name
        for name, cell in CELLS.items()
    ],
)
def test_ranks_run_where_the_hostfile_asks(ended: Ended, name: str) -> None:
    """The job succeeds, verified, and each host ran as many ranks as it has slots."""
    job, log = ended[name]
    cell = CELLS[name]
    status = job.get("status", {})
    assert status.get("result") == "Succeeded", f"{status}\n{log}"
    verified = condition(status, "Verified")
    assert verified["status"] == "True", verified
    layout = jobs.layout(log)
    assert sorted(layout) == list(range(cell.size)), log
    assert Counter(layout.values()) == jobs.asked(cell, name), log
    total = cell.size * (cell.size + 1) // 2
    assert f"allreduce {total}" in log


@pytest.mark.parametrize(
    ("name", "count"),
    # The launcher's daemon starts two, and each of these two more.
    [("tree-ssh", 2), ("tree-kubectlexec", 7)],
)
def test_workers_start_workers_over_ssh_alone(
    ended: Ended, name: str, count: int
) -> None:
    """A tree of radix 2 over seven workers; kubectl is in the launcher only."""
    job, _ = ended[name]
    said = condition(job["status"], "Verified")["message"]
    more = re.search(r" and (\d+) more$", said)
    assert said.count("worker-") + int(more[1] if more else 0) == count, said


def test_a_launcher_may_call_ssh_itself(ended: Ended) -> None:
    """By a worker's plain name, with no option."""
    _, log = ended["ssh-itself"]
    said = [f"ssh-itself-worker-{number}" for number in range(2)]
    assert [line for line in log.splitlines() if line in said] == said
