"""Two clusters behind one face: the embedded one with its controllers, and a real one.

A story tells the same in both, with a fake kubelet as the node; what it brings back is
compared.
"""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import attrs

from mpiop.local.apiserver.wire import Request, Watch
from mpiop.local.client import (
    EVENTS,
    JOBS,
    NAMESPACES,
    PODS,
    ApiError,
    Client,
    Json,
    Resource,
)
from tests.contract.plain import Plain
from tests.fake_kubelet import FakeKubelet
from tests.support.cluster import Cluster
from tests.support.http import Http
from tests.support.live import NODE
from tests.virtual_cluster import VirtualCluster

Found = TypeVar("Found")
_SECONDS = 60
_BATCH = 2.5  # the Job controller looks at Pods once a second; Events come late


class Machine(Protocol):
    """What differs between the two clusters: how time passes."""

    def step(self) -> None:
        """Let the controllers work a little."""

    def rest(self, seconds: float) -> None:
        """Let time pass in which nothing is asked."""

    def quiet(self) -> None:
        """Let the controllers finish what they are about, without time of theirs."""

    def changes(self, path: str, since: str, until: str) -> list[Json]:
        """Give what a watch of a collection tells between two revisions."""


@attrs.frozen
class Virtual:
    """Time is ours."""

    cluster: VirtualCluster

    def step(self) -> None:
        self.cluster.advance(1)

    def rest(self, seconds: float) -> None:
        self.cluster.advance(seconds)

    def quiet(self) -> None:
        self.cluster.settle()

    def changes(self, path: str, since: str, until: str) -> list[Json]:
        query = (("watch", "true"), ("resourceVersion", since))
        watch = self.cluster.server.handle(Request("GET", path, query))
        assert isinstance(watch, Watch)
        events = [json.loads(line) for line in watch.drain()]
        watch.close()
        return [one for one in events if _version(one) <= int(until)]


@attrs.frozen
class Wall:
    """Time is everybody's."""

    http: Http

    def step(self) -> None:
        time.sleep(0.05)

    def rest(self, seconds: float) -> None:
        time.sleep(seconds)

    def quiet(self) -> None:
        time.sleep(_BATCH)

    def changes(self, path: str, since: str, until: str) -> list[Json]:
        query = (("watch", "true"), ("resourceVersion", since))
        stream = self.http.stream(Request("GET", path, query))
        events: list[Json] = []
        while not events or _version(events[-1]) < int(until):
            events.append(next(stream))
        stream.close()
        return events


@attrs.define
class World:
    """One cluster, as a story sees it."""

    client: Client
    kubelet: FakeKubelet
    machine: Machine
    namespace: str
    plain: Plain = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.plain = Plain(self.namespace)

    def until(self, look: Callable[[], Found]) -> Found:
        """Wait for something to be true; give it."""
        end = time.monotonic() + _SECONDS
        while not (found := look()):
            assert time.monotonic() < end, "the controllers do not get there"
            self.machine.step()
        return found

    def create(self, resource: Resource, name: str, **obj: object) -> Json:
        """Create an object in the story's namespace."""
        meta = {"name": name, "namespace": self.namespace}
        given = obj.pop("metadata", {})
        assert isinstance(given, Mapping)
        return self.client.create(resource, {"metadata": {**meta, **given}, **obj})

    def find(self, resource: Resource, name: str) -> Json | None:
        """Read an object; None where there is none."""
        try:
            return self.client.get(resource, self.namespace, name)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def get(self, resource: Resource, name: str) -> Json:
        """Read an object."""
        return self.client.get(resource, self.namespace, name)

    def gone(self, resource: Resource, name: str) -> None:
        """Wait until there is no such object."""
        self.until(lambda: self.find(resource, name) is None)

    def pods(self) -> list[Json]:
        """List the Pods, oldest first as far as the server tells."""
        items: list[Json] = self.client.list(PODS, self.namespace)["items"]
        for pod in sorted(items, key=_age):
            self.plain.learn(pod)
        return sorted(items, key=_age)

    def bound(self, but: str = "") -> Json:
        """Wait for a Pod with a node, other than the one with this uid."""

        def look() -> Json | None:
            return next(
                (
                    pod
                    for pod in self.pods()
                    if pod["spec"].get("nodeName") and pod["metadata"]["uid"] != but
                ),
                None,
            )

        found = self.until(look)
        assert found is not None
        return found

    def job(
        self, holds: Callable[[Mapping[str, Any]], object], name: str = "job"
    ) -> Json:
        """Wait until a Job's status is as wanted; give the Job."""

        def look() -> Json | None:
            found = self.get(JOBS, name)
            return found if holds(found.get("status") or {}) else None

        found = self.until(look)
        assert found is not None
        return found

    def changes(self, resource: Resource, since: Json, until: Json) -> list[Json]:
        """Give what a watch tells of a kind between two states of its objects."""
        return self.machine.changes(
            resource.path(self.namespace),
            since["metadata"]["resourceVersion"],
            until["metadata"]["resourceVersion"],
        )

    def events(self, name: str = "job") -> list[Any]:
        """Give type, reason and message of an object's Events."""
        items: list[Json] = self.client.list(EVENTS, self.namespace)["items"]
        return sorted(
            self.plain([one["type"], one["reason"], one["message"]])
            for one in items
            if one["involvedObject"]["name"] == name
        )


def _version(event: Json) -> int:
    return int(event["object"]["metadata"]["resourceVersion"])


def _age(pod: Json) -> tuple[str, int]:
    meta = pod["metadata"]
    return meta["creationTimestamp"], int(meta["resourceVersion"])


def embedded() -> World:
    """A new embedded cluster with one node."""
    cluster = VirtualCluster()
    cluster.settle()
    cluster.kubelet.register()
    name = "story"
    cluster.client.create(NAMESPACES, {"metadata": {"name": name}})
    cluster.settle()
    return World(cluster.client, cluster.kubelet, Virtual(cluster), name)


def real(cluster: Cluster, namespace: str) -> World:
    """A namespace of a real cluster, with a node that others may use, too."""
    kubelet = FakeKubelet(cluster.client, lambda: datetime.now(UTC), NODE, namespace)
    return World(cluster.client, kubelet, Wall(cluster.http), namespace)
