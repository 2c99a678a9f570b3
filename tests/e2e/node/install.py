"""The operator on the node, as an install brings it, and kubectl to reach it."""

from typing import Final

from tests.e2e.kubectl import Kubectl
from tests.e2e.node.node import Node
from tests.support.cluster import Cluster
from tests.support.deployed import NAME, ONE_FILE

PATIENCE: Final = 180.0


def install(node: Node) -> Cluster:
    """Install the operator as a user does; wait until it is ready."""
    kubectl(node, "apply", "-f", str(ONE_FILE))
    ready = ("rollout", "status", "deployment/mpi-operator", "--timeout=120s")
    kubectl(node, *ready)
    return node.cluster


def kubectl(node: Node, *words: str, namespace: str = NAME) -> str:
    """Run kubectl as the administrator, where the operator is or elsewhere."""
    output, _ = Kubectl(node.folder, namespace, PATIENCE).run(*words)
    return output
