"""Two operators that elect a leader, on one API server, one thread, virtual time."""

from collections.abc import Callable
from itertools import count
from typing import Final

import attrs
import orjson

from mpiop.k8s.controller import Planner
from mpiop.k8s.operator import Operator
from mpiop.k8s.settings import Settings
from mpiop.k8s.transport import Call, Reply
from mpiop.local.client import Json
from tests.support.crd import PERMISSIVE
from tests.support.harness import Harness
from tests.support.transport import (
    Crash,
    Faults,
    LocalStream,
    LocalTransport,
    OneByOne,
)

LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/default/leases"


def _undisturbed(_call: Call) -> None:
    """Let every call pass."""


@attrs.define
class Watched(OneByOne):
    """One operator's transport: no write leaves it while another may write.

    Attributes:
        before: called before each call is sent.
        written: when it wrote, the Lease apart.
    """

    inner: LocalTransport
    others_write: Callable[[], bool]
    now: Callable[[], float]
    before: Callable[[Call], None] = _undisturbed
    written: list[float] = attrs.field(factory=list)

    def request(self, call: Call) -> Reply:
        self.before(call)
        if call.method != "GET" and LEASES not in call.path:
            assert not self.others_write(), f"two writers: {call}"
            self.written.append(self.now())
        return self.inner.request(call)

    def watch(self, call: Call, silence: float) -> LocalStream | Reply:
        return self.inner.watch(call, silence)

    def close(self) -> None:
        """Nothing is kept open."""


class Pair(Harness):
    """A world with two operators, the first of which leads to begin with.

    Attributes:
        operators: those that live; a crash takes one away.
        links: of all that ever lived, in order.
    """

    def __init__(
        self, plan: Planner, *, faults: Faults | None = None, crd: Json = PERMISSIVE
    ) -> None:
        self.links: list[Watched] = []
        self.operators: list[Operator] = []
        self._numbers = count(1)
        self._faults = [faults or Faults(), Faults()]
        super().__init__(plan, settings=Settings(lock_namespace="default"), crd=crd)
        lease = {"metadata": {"name": "mpi-operator"}}
        body = orjson.dumps(lease)
        assert self.transport.request(Call("POST", LEASES, body=body)).status == 201
        self.operators = [self.operator, self._operator()]

    @property
    def leaders(self) -> list[Operator]:
        """Those that may write now."""
        return [one for one in self.operators if one.may_write()]

    def step(self) -> float:
        """Let everybody do once what is due; a crash leaves one operator."""
        waits: list[float | None] = []
        for one in tuple(self.operators):
            try:
                waits.append(one.step())
            except Crash:
                self.crashes += 1
                one.close()
                self.operators.remove(one)
                waits.append(0.0)
        waits += [self.cluster.settle(), self.node.step()]
        return min(wait for wait in waits if wait is not None)

    def pause(self, paused: Operator, seconds: float) -> None:
        """Let time pass for everybody but one."""
        end = self._monotonic() + seconds
        while self._monotonic() < end:
            waits = [one.step() for one in self.operators if one is not paused]
            waits += [self.cluster.settle() or 1.0, self.node.step() or 1.0]
            self._pass(min(max(min(waits), 0.01), end - self._monotonic()))

    def created(self, resource: str) -> int:
        """Count what all operators together have created of a resource."""
        return sum(link.inner.counts["create", resource] for link in self.links)

    def _operator(self) -> Operator:
        number = next(self._numbers)
        handle = self.cluster.server.handle
        inner = LocalTransport(handle, self._faults[number - 1])
        identity = f"replica-{number}"

        def others_write() -> bool:
            return any(one is not found for one in self.leaders)

        link = Watched(inner, others_write, self._monotonic)
        self.links.append(link)
        found = Operator(
            self._settings,
            link,
            clock=self.clock,
            plan=self._plan,
            make_keys=self._make_keys,
            identity=identity,
        )
        return found
