"""Fixtures of tests that need a real API server; tests/conftest.py makes them known."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mpiop.local.client import NODES
from tests.e2e.kubectl import Kubectl
from tests.support.cluster import Account, Cluster
from tests.support.controlplane import ControlPlane, Options
from tests.support.deployed import NAME
from tests.support.installed import install, kubectl, nothing_forbidden
from tests.support.live import NODE, operating, playing
from tests.support.machine import named


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """One cluster for all files that go together (spread.py), which knows MPIJobs.

    It is the one that MPIOP_E2E_KUBECONFIG names, else a control plane of our own. A
    test that stops the server, or wants it otherwise, runs a `ControlPlane` itself.
    """
    if config := named():
        cluster = Cluster(config)
        cluster.define_mpijobs()
        yield cluster
        if node := cluster.find(NODES, "", NODE):
            cluster.client.delete(NODES, node)
        cluster.close()
        return
    with ControlPlane(tmp_path_factory.mktemp("plane")) as plane:
        plane.cluster.define_mpijobs()
        yield plane.cluster


@pytest.fixture
def namespace(control_plane: Cluster) -> Iterator[str]:
    """A namespace of the test's own, ready for Pods."""
    with control_plane.namespace() as name:
        yield name


@pytest.fixture(scope="session")
def installed(
    control_plane: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Account:
    """The operator's account, with the rights that deploy/v1 installs."""
    return install(control_plane, tmp_path_factory.mktemp("installed"))


@pytest.fixture
def operator_account(control_plane: Cluster, installed: Account) -> Iterator[Account]:
    """Whom to run the operator as; a call that is forbidden fails the test."""
    with nothing_forbidden(control_plane, installed):
        yield installed


@pytest.fixture(scope="session")
def bare_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster of ours that knows no MPIJobs; who installs something removes it.

    It enforces who may name an owner that cannot go before its children.
    """
    options = Options(admission=("OwnerReferencesPermissionEnforcement",))
    with ControlPlane(tmp_path_factory.mktemp("bare"), options) as plane:
        yield plane.cluster


@pytest.fixture(scope="module")
def operated(control_plane: Cluster, installed: Account) -> Iterator[Account]:
    """An operator for all namespaces while the module's tests run; who it is.

    A call that is forbidden fails the last of them.
    """
    with nothing_forbidden(control_plane, installed), operating(installed):
        yield installed


@pytest.fixture
def admin(bare_cluster: Cluster, tmp_path: Path) -> Iterator[Kubectl]:
    """The administrator; the Pod of what is installed is played by a kubelet."""
    with playing(bare_cluster, NAME):
        yield kubectl(bare_cluster, tmp_path, NAME)
