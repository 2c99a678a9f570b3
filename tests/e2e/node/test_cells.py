"""What ranks find where they run: their container's environment, cores, the domain."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

from tests.e2e.node import configs, images, jobs
from tests.e2e.node.install import kubectl
from tests.e2e.node.jobs import Cell
from tests.e2e.node.node import Node
from tests.e2e.node.running import Ended, run_all
from tests.support.cluster import Cluster
from tests.support.deployed import ONE_FILE

pytestmark = [
    pytest.mark.needs("mpi"),
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]
SHELLS: Final = ("SSH", "KubectlExec")
# What a shell would take apart or expand on its way; its end differs from Pod to Pod.
AWKWARD: Final = """it's "$HOME" & 50 %; a\\b  c """
ENVIRONMENT: Final[dict[str, Any]] = {
    "env": [
        {"name": "OWN", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "SOLVER", "value": f"{AWKWARD}$(OWN)"},
    ]
}
DOMAIN: Final = configs.OTHER_DOMAIN
# What the kubelet of a cluster of the other domain tells a Pod of it.
ELSEWHERE: Final[dict[str, Any]] = {
    "dnsPolicy": "None",
    "dnsConfig": {
        "nameservers": [configs.ADDRESS],
        "searches": [f"svc.{DOMAIN}", DOMAIN],
        "options": [{"name": "ndots", "value": "5"}],
    },
}
_SAID: Final = re.compile(r"rank (\d+) of \d+ on (\S+) (\w+)=(.*)")


def cells() -> Iterator[tuple[str, Cell]]:
    """List the cells of this module, with a name each."""
    for mpi in images.MPIS:
        for shell in SHELLS:
            command = ("mpi-test", "env", "SOLVER")
            env = Cell(mpi, shell, command=command, workers_container=ENVIRONMENT)
            yield f"env-{mpi}-{shell.lower()}", env
            crash = Cell(mpi, shell, command=("mpi-test", "crash", "1"))
            yield f"crash-{mpi}-{shell.lower()}", crash
        yield f"cores-{mpi}", Cell(mpi, slots=2, command=("mpi-test", "cores"))
    yield "exit", Cell(command=("mpi-test", "exit", "1", "7"))
    for mpi in ("openmpi4", "openmpi5"):
        bind = "mpirun --allow-run-as-root --bind-to core -np 2 mpi-test cores"
        yield f"bound-{mpi}", Cell(mpi, launcher=bind.split())
    slots = 2 * len(os.sched_getaffinity(0))
    bind = f"mpirun --allow-run-as-root --bind-to core -np {2 * slots} mpi-test cores"
    yield "overbound", Cell(slots=slots, launcher=bind.split())


CELLS: Final = dict(cells())


@pytest.fixture(scope="module")
def ended(operated: Cluster) -> Ended:
    """Run all cells of this module."""
    return run_all(operated, CELLS)


def said(ended: Ended, name: str) -> list[tuple[str, str]]:
    """Give what the ranks of a job printed: where each ran, and its value."""
    job, log = ended[name]
    status = job.get("status", {})
    assert status.get("result") == "Succeeded", f"{status}\n{log}"
    found = [(host, value) for _, host, _, value in _SAID.findall(log)]
    assert len(found) == CELLS[name].size, log
    return found


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("mpi", images.MPIS)
def test_ranks_see_their_containers_environment(
    ended: Ended, mpi: str, shell: str
) -> None:
    """That of the Pod in which they run, to the byte."""
    found = said(ended, f"env-{mpi}-{shell.lower()}")
    assert len(set(found)) == 2
    assert all(value == f"{AWKWARD}{host}" for host, value in found), found


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("mpi", images.MPIS)
def test_a_rank_that_crashes_fails_the_job(ended: Ended, mpi: str, shell: str) -> None:
    """With mpirun's exit code and its last lines; no worker is blamed."""
    job, log = ended[f"crash-{mpi}-{shell.lower()}"]
    status = job["status"]
    assert "rank 1 of 2" in log
    assert (status["result"], status["reason"]) == ("Failed", "BackoffLimitExceeded")
    how, _, lines = status["message"].partition("; last lines:\n")
    assert how.startswith("attempt 1, backoffLimit 0: the launcher exited with"), how
    assert lines, status


def test_open_mpi_5_passes_the_programs_exit_code_on(ended: Ended) -> None:
    """A rank that ends with 7 is told as 7."""
    job, _ = ended["exit"]
    assert "the launcher exited with exit code 7" in job["status"]["message"]


@pytest.mark.needs("node")
@pytest.mark.parametrize("mpi", images.MPIS)
def test_workers_of_one_node_do_not_share_a_core_while_another_is_idle(
    ended: Ended, mpi: str
) -> None:
    """Workers without whole cores: each rank may run wherever its container may."""
    free = str(sorted(os.sched_getaffinity(0)))
    assert {cores for _, cores in said(ended, f"cores-{mpi}")} == {free}


@pytest.mark.needs("node")
@pytest.mark.parametrize("mpi", ["openmpi4", "openmpi5"])
def test_binding_that_is_asked_for_is_kept(ended: Ended, mpi: str) -> None:
    """With --bind-to core both workers' ranks are on the first core."""
    first = min(os.sched_getaffinity(0))
    topology = Path(f"/sys/devices/system/cpu/cpu{first}/topology")
    mask = int((topology / "thread_siblings").read_text("ascii").replace(",", ""), 16)
    core = [cpu for cpu in range(mask.bit_length()) if mask >> cpu & 1]
    assert [cores for _, cores in said(ended, f"bound-{mpi}")] == [str(core)] * 2


@pytest.mark.needs("node")
def test_a_binding_that_is_impossible_is_told_with_its_remedy(ended: Ended) -> None:
    """More ranks than cores in one worker: by what Open MPI 5 says, not by its code."""
    job, log = ended["overbound"]
    status = job["status"]
    assert (status["result"], status["reason"]) == ("Failed", "BindingImpossible"), log
    assert "exit code 213" in status["message"]
    assert "--bind-to none" in status["message"]


@contextmanager
def told(node: Node, flag: str) -> Iterator[None]:
    """Run the operator of the cluster with one more flag."""
    where = "deployment/mpi-operator"
    path = "/spec/template/spec/containers/0/args/-"
    change = json.dumps([{"op": "add", "path": path, "value": flag}])
    kubectl(node, "patch", where, "--type=json", f"--patch={change}")
    try:
        kubectl(node, "rollout", "status", where, "--timeout=120s")
        yield
    finally:
        kubectl(node, "apply", "-f", str(ONE_FILE))
        kubectl(node, "rollout", "status", where, "--timeout=120s")


@pytest.mark.needs("node")
@pytest.mark.checklist("7.5.cluster-domain")
def test_a_cluster_with_a_domain_of_its_own(operated: Cluster, node: Node) -> None:
    """Its Pods know no other; over ssh hosts go by their full names."""
    found = {
        f"domain-{mpi}-{shell.lower()}": Cell(
            mpi, shell, ranks=3, spec={"runLauncherAsWorker": True}, pod=ELSEWHERE
        )
        for mpi in ("openmpi5", "mpich")
        for shell in SHELLS
    }
    for name, cell in found.items():
        mpirun = " ".join(cell.mpirun)
        script = f"cat /etc/mpi/hostfile; getent hosts {name}-worker-1 && {mpirun}"
        found[name] = attrs.evolve(cell, launcher=("sh", "-c", script))
    with told(node, f"--cluster-domain={DOMAIN}"):
        done = run_all(operated, found)
    for name, cell in found.items():
        job, log = done[name]
        assert job["status"].get("result") == "Succeeded", f"{job['status']}\n{log}"
        layout = jobs.layout(log)
        assert Counter(layout.values()) == jobs.asked(cell, name), log
        full = log.count(f".svc.{DOMAIN}")
        assert full == (4 if cell.shell == "SSH" else 1), log
