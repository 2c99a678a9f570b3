"""deploy/ on a real cluster, and the account that it gives the operator."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import yaml

from tests.e2e.kubectl import Kubectl
from tests.support.cluster import Account, Cluster
from tests.support.deployed import NAME, composed, objects, rendered, roles

_PODS: Final = "Deployment"  # no node runs them; a test runs the operator itself


def kubectl(cluster: Cluster, folder: Path, namespace: str = "default") -> Kubectl:
    """Give a kubectl of the cluster's administrator."""
    shutil.copy(cluster.kubeconfig, folder / "kubeconfig")
    return Kubectl(folder, namespace)


def install(cluster: Cluster, folder: Path, *components: str) -> Account:
    """Install the one file without its Deployment; give the operator's account.

    Args:
        cluster: where.
        folder: keeps the account's kubeconfig.
        components: what of deploy/components is installed with it.
    """
    text = rendered("v1")
    if components:
        text += "---\n" + composed(folder, *components)
    wanted = [one for one in objects(text) if one["kind"] != _PODS]
    apply = ("apply", "--server-side", "--force-conflicts", "-f", "-")
    kubectl(cluster, folder, NAME).run(*apply, stdin=yaml.safe_dump_all(wanted))
    account = cluster.log_in(folder, NAME, NAME)
    for role in roles(text):
        cluster.await_right(account.user, NAME, role["rules"][-1])  # bears no name
    return account


@contextmanager
def nothing_forbidden(cluster: Cluster, account: Account) -> Iterator[None]:
    """Fail where a call of this account was more than its roles allow."""
    if not cluster.counts_requests:
        yield
        return
    before = len(cluster.audit.requests(user=account.user))
    yield
    assert [
        f"{one.verb} {one.resource}: {one.message}"
        for one in cluster.audit.requests(user=account.user)[before:]
        if one.code == 403 and f'cannot {one.verb} resource "' in one.message
    ] == []
