"""What an operator writes on a real API server, by the server's own audit log."""

import time
from collections import Counter
from typing import Final

import pytest

from mpiop.k8s.operator import Operator
from mpiop.local.client import PODS
from tests.support.audit import Request, counts, rejected
from tests.support.cluster import MPIJOBS, Account, Cluster
from tests.support.live import operating
from tests.support.scene import LAUNCHER, Scene, scene

pytestmark = [pytest.mark.needs("control-plane"), pytest.mark.slow]
RUNNING: Final = 50
REST_SECONDS: Final = 10.0
WAITS_SECONDS: Final = 300.0
SHELLS: Final[dict[str, dict[str, int]]] = {
    "SSH": {"create secrets": 1},
    "KubectlExec": {
        "create rolebindings": 1,
        "create roles": 1,
        "create serviceaccounts": 1,
    },
}


@pytest.mark.checklist("7.4.Success")
@pytest.mark.parametrize("workers", [2, 16])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_life_costs_few_requests(
    control_plane: Cluster, operator_account: Account, shell: str, workers: int
) -> None:
    """N+4 creates (N+6), 5 of the status, 3 Events, N deletes; none is rejected."""
    with scene(control_plane, launcher_seconds=1.0) as found:
        with operating(operator_account, found.namespace):
            found.submit(shell=shell, workers=workers)
            assert found.until_phase("Cleaned")["result"] == "Succeeded"
            found.eventually(lambda: len(found.names(PODS)) == 1, "the workers go")
        ours = found.requests(operator_account)
        assert not list(rejected(ours))
        made = counts(one for one in ours if one.writes)
        assert made.pop("create events") <= 3
        assert made.pop("patch mpijobs/status") <= 5
        assert made == SHELLS[shell] | {
            "create configmaps": 1,
            "create jobs": 1,
            "create pods": workers,
            "create services": 1,
            "delete pods": workers,
        }


def test_readiness_that_flaps_in_a_run_is_hardly_written(
    control_plane: Cluster, operator_account: Account
) -> None:
    """A worker's probe fails ten times under a running launcher: one write at most."""
    with scene(control_plane) as found, operating(operator_account, found.namespace):
        found.submit()
        found.until_phase("LauncherRunning")
        rest(found, operator_account)
        before = counted(found, operator_account)
        found.script.held = {"pi-worker-1"}
        for _ in range(10):
            found.script.kubelet.unready(found.get(PODS, "pi-worker-1"))
            time.sleep(0.3)
            found.script.kubelet.ready(found.get(PODS, "pi-worker-1"))
            time.sleep(0.3)
        rest(found, operator_account)
        written = counted(found, operator_account) - before
        assert written.keys() <= {"patch mpijobs/status"}
        assert written.total() <= 1
        assert found.status()["phase"] == "LauncherRunning"


@pytest.mark.parametrize("phase", ["Suspended", "LauncherRunning", "Cleaned"])
def test_at_rest_only_the_lease_is_written(
    control_plane: Cluster, operator_account: Account, phase: str
) -> None:
    """Nothing is read anew either: what changes comes by the watches."""
    lock = {"lock_namespace": "mpi-operator", "lock_name": "mpi-operator"}
    seconds = {"Cleaned": 0.0}.get(phase, 1e6)
    with scene(control_plane, launcher_seconds=seconds) as found:
        settings = {"leader_elect": True, **lock}
        with operating(operator_account, found.namespace, **settings):
            found.submit(policy={"suspend": phase == "Suspended"})
            found.until_phase(phase)
            rest(found, operator_account)
            log = control_plane.audit
            before = len(log.requests(user=operator_account.user))
            time.sleep(REST_SECONDS)
            sent = log.requests(user=operator_account.user)[before:]
        assert [one for one in sent if one.writes]
        assert {
            f"{one.verb} {one.resource}" for one in sent if one.verb != "watch"
        } <= {"patch leases", "get leases"}


def test_an_operator_that_starts_among_running_jobs_writes_nothing(
    control_plane: Cluster, operator_account: Account
) -> None:
    """Fifty of them, and it is another version: it would make launchers otherwise."""
    with scene(control_plane) as found:
        with operating(operator_account, found.namespace):
            submit_many(found, RUNNING)
            await_phases(found, "LauncherRunning", RUNNING)
            rest(found, operator_account)
        before = counted(found, operator_account)
        newer = {"kubectl_image": "example/kubectl:next"}
        with operating(operator_account, found.namespace, **newer) as operator:
            settle(found, operator, RUNNING)
        assert counted(found, operator_account) == before
        assert len(found.names(PODS, LAUNCHER)) == RUNNING


def submit_many(found: Scene, number: int) -> None:
    """Create jobs of one worker, and keep nothing of the finished but a record."""
    for index in range(number):
        policy = {"cleanPodPolicy": "All"}
        shell = tuple(SHELLS)[index % len(SHELLS)]
        found.submit(f"job-{index}", workers=1, policy=policy, shell=shell)


def await_phases(found: Scene, phase: str, number: int) -> None:
    """Wait until so many jobs are in a phase; takes longer than one job does."""
    end = time.monotonic() + WAITS_SECONDS
    while True:
        items = found.cluster.client.list(MPIJOBS, found.namespace)["items"]
        phases = Counter((one.get("status") or {}).get("phase") for one in items)
        if phases[phase] == number:
            return
        assert time.monotonic() < end, phases
        time.sleep(0.5)


def writes(found: Scene, account: Account) -> list[Request]:
    """Give what an account has written in the test's namespace."""
    return [one for one in found.requests(account) if one.writes]


def counted(found: Scene, account: Account) -> "Counter[str]":
    """Count what an account has written in the test's namespace."""
    return counts(writes(found, account))


def rest(found: Scene, account: Account) -> None:
    """Wait until nothing has been written for longer than counts may wait."""
    end = time.monotonic() + WAITS_SECONDS
    last, since = -1, time.monotonic()
    while time.monotonic() - since < REST_SECONDS + 2:
        number = len(writes(found, account))
        if number != last:
            last, since = number, time.monotonic()
        assert time.monotonic() < end, f"{number} writes, and no rest"
        time.sleep(0.5)


def settle(found: Scene, operator: Operator, jobs: int) -> None:
    """Wait until an operator that has just started has looked at so many jobs."""
    found.eventually(lambda: reconciled(operator) >= jobs, "each job was looked at")
    time.sleep(1)  # in which a write on its way arrives


def reconciled(operator: Operator) -> float:
    """Count the reconciles so far."""
    name = "mpi_operator_reconcile_seconds"
    found = {one.name: one for one in operator.metrics.registry.collect()}[name]
    return sum(one.value for one in found.samples if one.name == f"{name}_count")
