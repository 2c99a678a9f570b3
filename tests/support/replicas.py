"""Replicas that elect a leader at one API server, on one thread and virtual time."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import attrs
import orjson

from mpiop.k8s.clock import Clock
from mpiop.k8s.errors import Unreachable, Unsent
from mpiop.k8s.leader import Elector, Lock
from mpiop.k8s.transport import Call, Reply
from mpiop.local.apiserver.server import ApiServer
from tests.support.transport import LocalStream, LocalTransport, OneByOne

START = datetime(2026, 1, 1, tzinfo=UTC)
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
LEASE = f"{LEASES}/mpi-operator"


def _at_once(_when: str) -> None:
    """Let no time pass."""


@attrs.define
class Link(OneByOne):
    """A replica's way to the API server, and what is wrong with it.

    Attributes:
        state: `ok`; `cut`, no request arrives; `lost`, no answer does.
        slow: called before and after the server has carried out a request.
        refusal: what the server answers instead of carrying out anything.
    """

    inner: LocalTransport
    state: str = "ok"
    slow: Callable[[str], None] = _at_once
    refusal: Reply | None = None

    def request(self, call: Call) -> Reply:
        self.slow("before")
        if self.state == "cut":
            raise Unsent(0, "Unreachable", "cut off")
        reply = self.refusal or self.inner.request(call)
        self.slow("after")
        if self.state == "lost":
            raise Unreachable(0, "Unreachable", "the answer was lost")
        return reply

    def watch(self, call: Call, silence: float) -> LocalStream | Reply:
        if self.state != "ok":
            raise Unsent(0, "Unreachable", "cut off")
        return self.inner.watch(call, silence)

    def close(self) -> None:
        """Nothing is kept open."""


class Replica:
    """One elector with clocks of its own."""

    def __init__(self, world: "Replicas", number: int, skew: float = 0.0) -> None:
        self.link = Link(LocalTransport(world.server.handle))
        self.clock = Clock(
            now=lambda: world.now + timedelta(seconds=skew),
            monotonic=lambda: world.seconds + 1000.0 * number + abs(skew),
            sleep=world.pass_,
            chance=random.Random(number).random,
        )
        self.identity = f"replica-{next(world.numbers)}"
        lock = Lock("default", "mpi-operator", self.identity)
        self.elector = Elector(self.link, self.clock, lock)


class Replicas:
    """An API server and some replicas.

    Attributes:
        seconds: the time that has passed.
    """

    def __init__(self, number: int = 2, skews: tuple[float, ...] = ()) -> None:
        self.seconds = 0.0
        self.numbers = count(1)
        uids = count(1)
        self.server = ApiServer(clock=lambda: self.now, uid=lambda: f"uid-{next(uids)}")
        self.admin = LocalTransport(self.server.handle)
        padded = [*skews, *[0.0] * number][:number]
        self.all = [Replica(self, i, skew) for i, skew in enumerate(padded)]

    @property
    def now(self) -> datetime:
        """The API server's time."""
        return START + timedelta(seconds=self.seconds)

    def pass_(self, seconds: float) -> None:
        """Let time pass, with nobody doing anything."""
        self.seconds += seconds

    def install(self, spec: dict[str, Any] | None = None) -> None:
        """Create the Lease, by default as the manifests do: held by nobody."""
        body = {"metadata": {"name": "mpi-operator"}, "spec": spec or {}}
        reply = self.admin.request(Call("POST", LEASES, body=orjson.dumps(body)))
        assert reply.status == 201

    def delete(self) -> None:
        """Delete the Lease, as an administrator may."""
        self.admin.request(Call("DELETE", LEASE))

    def patch(self, body: dict[str, Any]) -> None:
        """Change the Lease, whatever it says."""
        merge = "application/merge-patch+json"
        self.admin.request(Call("PATCH", LEASE, (), orjson.dumps(body), merge))

    def spec(self) -> dict[str, Any]:
        """Read what the Lease says."""
        body = orjson.loads(self.admin.request(Call("GET", LEASE)).body)
        found: dict[str, Any] = body["spec"]
        return found

    def leaders(self) -> list[Replica]:
        """List who may write now."""
        return [one for one in self.all if one.elector.leading]

    def run(self, seconds: float) -> None:
        """Let all replicas do what is due for so long."""
        end = self.seconds + seconds
        while True:
            wait = min(one.elector.step() for one in self.all)
            assert len(self.leaders()) <= 1
            if self.seconds >= end:
                return
            self.pass_(min(max(wait, 0.001), end - self.seconds))

    def until(self, reached: Callable[[], bool], limit: float = 60.0) -> float:
        """Let all do what is due until something is so; give the seconds it took."""
        begin = self.seconds
        while not reached():
            assert self.seconds - begin < limit, f"not reached within {limit} s"
            wait = min(one.elector.step() for one in self.all)
            assert len(self.leaders()) <= 1
            if not reached():
                self.pass_(max(wait, 0.001))
        return self.seconds - begin

    def replace(self, index: int) -> Replica:
        """Start another process where one has gone; give the old one."""
        old = self.all[index]
        self.all[index] = Replica(self, index)
        return old
