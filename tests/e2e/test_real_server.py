"""A real API server that goes away, forgets, or does not know MPIJobs yet."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from mpiop.local.client import CONFIG_MAPS, CRDS, JOBS, PODS, Deletion
from tests.support.cluster import Account, Cluster
from tests.support.controlplane import ControlPlane
from tests.support.installed import install, nothing_forbidden
from tests.support.live import operating
from tests.support.process import operator, until
from tests.support.scene import scene

pytestmark = [pytest.mark.needs("control-plane"), pytest.mark.slow]
DOWN_SECONDS: Final = 30.0
PATIENCE: Final = 300.0  # Kubernetes' own controllers come back late


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane whose server these tests may stop."""
    with ControlPlane(tmp_path_factory.mktemp("stopped")) as found:
        found.cluster.patience = PATIENCE
        yield found


@pytest.fixture
def account(plane: ControlPlane, tmp_path: Path) -> Account:
    """The operator's account as it is installed, with the definition."""
    found = install(plane.cluster, tmp_path)
    plane.cluster.define_mpijobs()
    return found


def listed(cluster: Cluster, account: Account) -> int:
    """Count how often the operator has listed Pods."""
    asked = cluster.audit.requests(user=account.user, resource="pods", verb="list")
    return len(asked)


@pytest.mark.parametrize("phase", ["Created", "LauncherRunning"])
def test_a_server_that_is_away_costs_no_second_launcher(
    plane: ControlPlane, account: Account, phase: str
) -> None:
    """Half a minute in the middle of a job: it finishes, by the one launcher.

    What the server told before it does not know any more (410), so that all is
    listed anew.
    """
    cluster = plane.cluster
    ready = phase != "Created"
    with operating(account), scene(cluster, workers_ready=ready) as found:
        with nothing_forbidden(cluster, account):
            found.submit(launcherCreationPolicy="WaitForWorkersReady")
            found.until_phase(phase)
            found.eventually(lambda: len(found.names(PODS)) >= 2, "workers are there")
            before = listed(cluster, account)
        meta = {"metadata": {"name": "passes", "namespace": found.namespace}}
        cluster.client.create(CONFIG_MAPS, meta)  # a version no watch of Pods saw
        plane.stop_server()
        time.sleep(DOWN_SECONDS)
        plane.start_server()  # before it is ready it does not know who may do what
        with nothing_forbidden(cluster, account):
            found.script.workers_ready = True
            assert found.succeeds()["restarts"] == 0
            assert found.until_phase("Cleaned")["result"] == "Succeeded"
        assert found.names(JOBS) == ["pi-launcher"]
        assert len(found.names(PODS)) == 1
        assert listed(cluster, account) > before


def test_a_definition_that_is_missing_is_waited_for(
    plane: ControlPlane, account: Account
) -> None:
    """Not ready, and said in the log; at work as soon as it is there."""
    cluster, name = plane.cluster, "mpijobs.kubeflow.org"
    definition = cluster.client.get(CRDS, "", name)
    cluster.client.delete(CRDS, definition, Deletion())
    cluster.eventually(lambda: cluster.find(CRDS, "", name) is None, "it is gone")
    with (
        nothing_forbidden(cluster, account),
        operator(account.kubeconfig, "--leader-elect=false") as one,
        scene(cluster) as found,
    ):
        until(
            lambda: one.ask("/readyz")[0] == 503 and "MPIJob" in one.ask("/readyz")[1]
        )
        cluster.define_mpijobs()
        found.submit()
        found.succeeds()
        assert one.end() == 0
    assert any("failed" in line and "MPIJob" in line for line in one.lines)
