"""One story, two servers: what a test needs of either to tell it.

On the embedded server time is virtual and moves while the story waits; on a real one
the story waits for real.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from mpiop.local.client import NODES, PODS, Client, Deletion, Json
from mpiop.reconcile.plan import plan
from tests.fake_kubelet import FakeKubelet
from tests.support.cluster import Account, Cluster
from tests.support.harness import Harness
from tests.support.live import create, now, operating, playing
from tests.support.script import Script

REST_SECONDS: Final = 2.0  # what would still happen on a real server begins by then


class Stage(Protocol):
    """A server with an operator and a scripted node."""

    namespace: str

    @property
    def client(self) -> Client:
        """Whatever the test does, it does by this."""

    @property
    def node(self) -> Script:
        """What happens to Pods on the node."""

    def create(self, manifest: Json) -> Json:
        """Create an MPIJob."""

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Let things happen until something holds."""

    def rest(self) -> None:
        """Let happen whatever still would."""

    def writes(self) -> int:
        """Count the operator's writes."""


class Virtual:
    """The embedded server, in this thread."""

    namespace = "default"

    def __init__(self, **labels: str) -> None:
        self.world = Harness(plan)
        self.client = self.world.client
        self.node = self.world.node
        node = self.client.get(NODES, "", "node")
        self.client.patch(NODES, node, {"metadata": {"labels": labels}})

    def create(self, manifest: Json) -> Json:
        return self.world.create(manifest)

    def until(self, holds: Callable[[], object], what: str) -> None:
        assert what
        self.world.run_until(lambda: bool(holds()))

    def rest(self) -> None:
        self.world.advance(60)

    def writes(self) -> int:
        return self.world.transport.writes


class Real:
    """A real API server, its scheduler and its Job controller."""

    def __init__(
        self, cluster: Cluster, account: Account, namespace: str, node: Script
    ) -> None:
        self.namespace = namespace
        self.client = cluster.client
        self.node = node
        self._cluster = cluster
        self._account = account

    def create(self, manifest: Json) -> Json:
        return create(self._cluster, self.namespace, manifest)

    def until(self, holds: Callable[[], object], what: str) -> None:
        self._cluster.eventually(holds, what)

    def rest(self) -> None:
        time.sleep(REST_SECONDS)

    def writes(self) -> int:
        requests = self._cluster.audit.requests(user=self._account.user)
        asked = "selfsubjectaccessreviews"  # which changes nothing
        return sum(1 for one in requests if one.writes and one.resource != asked)


@contextmanager
def real(cluster: Cluster, account: Account, **labels: str) -> Iterator[Real]:
    """Run an operator in a namespace of its own, which has a node with these labels."""
    with cluster.namespace() as namespace:
        kubelet = FakeKubelet(cluster.client, now, namespace, namespace)
        kubelet.register(**labels)
        try:
            with (
                operating(account, namespace),
                playing(cluster, namespace, namespace) as node,
            ):
                yield Real(cluster, account, namespace, node)
        finally:
            node_object = cluster.client.get(NODES, "", namespace)
            cluster.client.delete(NODES, node_object, Deletion())


def pods(stage: Stage) -> list[Json]:
    """List the Pods that have not ended."""
    items: list[Json] = stage.client.list(PODS, stage.namespace)["items"]
    ended = {"Succeeded", "Failed"}
    return [pod for pod in items if pod["status"].get("phase") not in ended]
