"""One node for the session, and an operator in it as an install brings it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.node.node import Node
from tests.support.cluster import Cluster

ROOT: Final = Path(__file__).parents[3]
TOLD: Final = "told"
INSTALL: Final = ROOT / "deploy" / "v1" / "mpi-operator.yaml"


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that is up."""
    with Node(tmp_path_factory.mktemp("node") / "state") as found:
        yield found


@pytest.fixture(scope="session")
def operated(node: Node) -> Cluster:
    """The node's cluster with the operator installed in it, and ready."""
    kubectl(node, "apply", "-f", str(INSTALL))
    ready = ("rollout", "status", "deployment/mpi-operator", "--timeout=120s")
    kubectl(node, "-n", "mpi-operator", *ready)
    return node.cluster


def kubectl(node: Node, *words: str) -> str:
    """Run kubectl as the administrator."""
    program = Path(sys.executable).parent / "kubectl"
    command = [str(program), f"--kubeconfig={node.kubeconfig}", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what users would have seen, as the tests of this folder keep it."""
    passed = terminalreporter.getreports("passed")
    told = [
        text for one in passed for name, text in one.user_properties if name == TOLD
    ]
    if told:
        terminalreporter.section("seen on the node")
        terminalreporter.write("\n\n".join(map(str, told)) + "\n")
