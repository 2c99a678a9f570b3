"""One node for all tests in here, and an operator in it as an install brings it."""

import shutil
from collections.abc import Iterator

import pytest

from tests.e2e.node.install import Named, install
from tests.e2e.node.node import Node
from tests.e2e.node.stage import TOLD
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
def operated(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cluster]:
    """A cluster with the operator installed in it, and ready: our node's.

    Or the one that MPIOP_E2E_KUBECONFIG names, where the operator stays.
    """
    config = named()
    if not config:
        yield install(request.getfixturevalue("node"))
        return
    folder = tmp_path_factory.mktemp("named")
    shutil.copy(config, folder / "kubeconfig")
    cluster = Cluster(config)
    yield install(Named(folder, cluster))
    cluster.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what users would have seen, as the tests of this folder keep it."""
    passed = terminalreporter.getreports("passed")
    told = [
        text for one in passed for name, text in one.user_properties if name == TOLD
    ]
    if told:
        terminalreporter.section("seen on the node")
        terminalreporter.write("\n\n".join(map(str, told)) + "\n")
