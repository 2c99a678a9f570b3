"""The operator on the node, as an install brings it, and kubectl to reach it."""

import os
from pathlib import Path
from typing import Final

import attrs

from tests.e2e.kubectl import Kubectl
from tests.e2e.node import images
from tests.e2e.node.node import Node
from tests.support.cluster import Cluster
from tests.support.deployed import NAME, ONE_FILE

PATIENCE: Final = 180.0


@attrs.frozen
class Named:
    """A cluster that a kubeconfig names, whose nodes have or find the tests' images.

    Attributes:
        folder: has the kubeconfig.
    """

    folder: Path
    cluster: Cluster


Site = Node | Named  # where the tests run


def install(site: Site) -> Cluster:
    """Install the operator as a user does; wait until it is ready."""
    image = os.environ.get("MPIOP_E2E_OPERATOR") or images.OPERATOR
    manifest = ONE_FILE.read_text("utf-8").replace(images.OPERATOR, image)
    kubectl(site, "apply", "-f", "-", stdin=manifest)
    ready = ("rollout", "status", "deployment/mpi-operator", "--timeout=120s")
    kubectl(site, *ready)
    return site.cluster


def kubectl(site: Site, *words: str, namespace: str = NAME, stdin: str = "") -> str:
    """Run kubectl as the administrator, where the operator is or elsewhere."""
    output, _ = Kubectl(site.folder, namespace, PATIENCE).run(*words, stdin=stdin)
    return output
