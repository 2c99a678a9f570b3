"""One node for all tests in here, and an operator in it as an install brings it."""

import shutil
from collections.abc import Iterator

import pytest

from tests.e2e.node.install import Named, Site, install
from tests.e2e.node.node import Node
from tests.e2e.node.traces import leaving_nothing
from tests.support.cluster import Cluster
from tests.support.machine import named


@pytest.fixture(scope="package")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that is up; the last test of it fails where anything is left."""
    folder = tmp_path_factory.mktemp("node") / "state"
    with leaving_nothing(Node(folder)) as found:
        yield found


@pytest.fixture(scope="package")
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """Our node, or the cluster that MPIOP_E2E_KUBECONFIG names."""
    config = named()
    if not config:
        yield request.getfixturevalue("node")
        return
    folder = tmp_path_factory.mktemp("named")
    shutil.copy(config, folder / "kubeconfig")
    cluster = Cluster(config)
    yield Named(folder, cluster)
    cluster.close()


@pytest.fixture(scope="package")
def operated(site: Site) -> Cluster:
    """A cluster with the operator installed in it, and ready; on others it stays."""
    return install(site)
