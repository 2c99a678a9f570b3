"""Whole operator, API server, controllers and a kubelet on one thread, virtual time."""

import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from mpiop.k8s.clock import Clock
from mpiop.k8s.controller import Planner
from mpiop.k8s.operator import Operator
from mpiop.k8s.settings import Settings
from mpiop.local.client import CRDS, ApiError, Json, Resource
from tests.support.crd import PERMISSIVE
from tests.support.script import Script
from tests.support.transport import Crash, Faults, LocalTransport
from tests.virtual_cluster import VirtualCluster

MPIJOBS = Resource("kubeflow.org/v2beta1", "mpijobs")
ROUNDS = 500
_READS = {"get", "list", "watch", ""}


class Harness:
    """A test's whole world.

    Args:
        plan: the core, or a test's own.
        faults: what goes wrong between operator and API server.
        crd: the MPIJob definition; a permissive stand-in by default.
        more: other definitions.
    """

    def __init__(
        self,
        plan: Planner,
        *,
        settings: Settings | None = None,
        faults: Faults | None = None,
        crd: Json = PERMISSIVE,
        more: Sequence[Json] = (),
        seed: int = 0,
    ) -> None:
        self._plan = plan
        self._settings = settings or Settings()
        self.cluster = VirtualCluster()
        self.client = self.cluster.client
        for definition in (crd, *more):
            self.client.create(CRDS, definition)
        self.cluster.kubelet.register()
        self.node = Script(self.cluster.kubelet, self.cluster.clock)
        self.transport = LocalTransport(self.cluster.server.handle, faults or Faults())
        self.keys_made = 0
        self.crashes = 0
        self.clock = Clock(
            now=self.cluster.clock,
            monotonic=self._monotonic,
            sleep=self._pass,
            chance=random.Random(seed).random,
        )
        self.operator = self._operator()
        self.cluster.settle()

    def create(self, manifest: Json) -> Json:
        """Create an MPIJob, in whichever version it names."""
        resource = Resource(manifest["apiVersion"], "mpijobs")
        meta = {"namespace": "default", **manifest["metadata"]}
        return self.client.create(resource, {**manifest, "metadata": meta})

    def job(self, name: str = "pi", namespace: str = "default") -> Json:
        """Read an MPIJob."""
        return self.client.get(MPIJOBS, namespace, name)

    def find(self, resource: Resource, name: str) -> Json | None:
        """Read an object of namespace default; None where there is none."""
        try:
            return self.client.get(resource, "default", name)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def phase(self, name: str = "pi") -> str:
        """The phase in an MPIJob's status."""
        status: dict[str, Any] = self.job(name).get("status", {})
        return str(status.get("phase", ""))

    def restart_operator(self) -> None:
        """Let the operator die and another one start with nothing but the cluster."""
        self.operator.close()
        self.operator = self._operator()

    def step(self) -> float:
        """Let everybody do once what is due; a crash restarts the operator.

        Returns:
            Seconds until something is due by itself.
        """
        waits: list[float | None] = []
        try:
            waits.append(self.operator.step())
        except Crash:
            self.crashes += 1
            self.restart_operator()
            waits.append(0.0)
        waits += [self.cluster.settle(), self.node.step()]
        return min(wait for wait in waits if wait is not None)

    def settle(self) -> float:
        """Let everybody work, without time passing, until nobody writes any more."""
        for _ in range(ROUNDS):
            before, crashes = self._written(), self.crashes
            wait = self.step()
            if (before, crashes) == (self._written(), self.crashes):
                return wait
        raise AssertionError(f"not quiet after {ROUNDS} rounds")

    def advance(self, seconds: float) -> None:
        """Let this much time pass, stopping wherever something is due."""
        end = self.cluster.now + timedelta(seconds=seconds)
        while True:
            wait = self.settle()
            left = (end - self.cluster.now).total_seconds()
            if left <= 0:
                return
            self._pass(min(left, max(wait, 0.01)))

    def run_until(self, reached: Callable[[], bool], limit: float = 600.0) -> float:
        """Let time pass until something is so; give the seconds that it took.

        Raises:
            AssertionError: it is not so after `limit` seconds.
        """
        begin = self.cluster.now
        while True:
            wait = self.settle()
            spent = (self.cluster.now - begin).total_seconds()
            if reached():
                return spent
            assert spent < limit, f"not reached within {limit} s"
            self._pass(min(max(wait, 0.01), limit - spent))

    def _monotonic(self) -> float:
        return self.cluster.now.timestamp()

    def _pass(self, seconds: float) -> None:
        self.cluster.now += timedelta(seconds=seconds)
        self.cluster.server.tick()

    def _written(self) -> int:
        requests = self.cluster.server.requests
        return sum(n for seen, n in requests.items() if seen.verb not in _READS)

    def _operator(self) -> Operator:
        return Operator(
            self._settings,
            self.transport,
            clock=self.clock,
            plan=self._plan,
            make_keys=self._make_keys,
        )

    def _make_keys(self) -> dict[str, str]:
        self.keys_made += 1
        return {"ssh-privatekey": "a2V5", "ssh-publickey": "a2V5"}
