"""The operator on the node, as an install brings it, and kubectl to reach it."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.e2e.node.node import Node
from tests.support.cluster import Cluster

ROOT: Final = Path(__file__).parents[3]
MANIFEST: Final = ROOT / "deploy" / "v1" / "mpi-operator.yaml"


def install(node: Node) -> Cluster:
    """Install the operator as a user does; wait until it is ready."""
    kubectl(node, "apply", "-f", str(MANIFEST))
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
