"""One story, two servers: what a test needs of either to tell it.

On the embedded server time is virtual and moves while the story waits; on a real one
the story waits for real.
"""

from collections.abc import Callable
from typing import Protocol

from mpiop.local.client import NODES, PODS, Client, Json
from mpiop.reconcile.plan import plan
from tests.support.harness import Harness
from tests.support.script import Script


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


def pods(stage: Stage) -> list[Json]:
    """List the Pods that have not ended."""
    items: list[Json] = stage.client.list(PODS, stage.namespace)["items"]
    ended = {"Succeeded", "Failed"}
    return [pod for pod in items if pod["status"].get("phase") not in ended]
