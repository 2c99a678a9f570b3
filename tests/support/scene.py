"""One test's stage on a real API server: a namespace, and a node that has a script.

with scene(control_plane) as found:
    found.submit(policy={"backoffLimit": 0})
    found.until_phase("LauncherRunning")
    found.script.end_launchers()
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final

import attrs
import orjson

from mpiop.local.apiserver.wire import Request
from mpiop.local.client import (
    EVENTS,
    JOBS,
    PODS,
    ApiError,
    Deletion,
    Json,
    Resource,
)
from mpiop.reconcile import names
from tests.support import live
from tests.support.audit import Request as Audited
from tests.support.audit import counts
from tests.support.cluster import MPIJOBS, Account, Cluster
from tests.support.manifests import job
from tests.support.script import Script

FOREVER: Final = 1e6
LAUNCHER: Final = f"{names.JOB_ROLE}={names.LAUNCHER}"
WORKER: Final = f"{names.JOB_ROLE}={names.WORKER}"
QUOTAS: Final = Resource("v1", "resourcequotas")
_REFUSED: Final = 400
_ENDED: Final = frozenset({"Succeeded", "Failed"})
Status = Mapping[str, Any]


@attrs.frozen
class Scene:
    """A namespace of the test's own, in which an operator works.

    Attributes:
        script: what happens to Pods on the node.
        begin: the resourceVersion from which on `most_launchers` looks.
    """

    cluster: Cluster
    namespace: str
    script: Script
    begin: str

    def submit(
        self,
        name: str = "pi",
        launcher_pod: Json | None = None,
        **more: Any,  # noqa: ANN401
    ) -> Json:
        """Create an MPIJob of two workers over ssh.

        Args:
            name: of the job.
            launcher_pod: more of the launcher's Pod.
            more: as of `job`.
        """
        found: Any = job(name, "true", **{"shell": "SSH", **more})
        launcher = found["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]
        launcher |= launcher_pod or {}
        return live.create(self.cluster, self.namespace, found)

    def create(self, resource: Resource, obj: Json) -> Json:
        """Create an object of the namespace."""
        meta = {**obj["metadata"], "namespace": self.namespace}
        return self.cluster.client.create(resource, {**obj, "metadata": meta})

    def refuses(self, resource: Resource, obj: Json) -> bool:
        """Whether the server would refuse such an object, by a dry run."""
        path, body = resource.path(self.namespace), orjson.dumps(obj)
        kind = {"content-type": "application/json"}
        asked = Request("POST", path, (("dryRun", "All"),), kind, body)
        return self.cluster.http.handle(asked).status >= _REFUSED

    def quota(self, pods: int) -> None:
        """Allow so many Pods by a quota named few; wait until the server counts."""
        spec = {"hard": {"pods": str(pods)}}
        self.create(QUOTAS, {"metadata": {"name": "few"}, "spec": spec})

        def counted() -> bool:
            return "used" in live.status(self.get(QUOTAS, "few"))

        self.eventually(counted, "the quota counts")

    def find(self, resource: Resource, name: str) -> Json | None:
        """Read an object; None where there is none."""
        return self.cluster.find(resource, self.namespace, name)

    def get(self, resource: Resource, name: str = "pi") -> Json:
        """Read an object that is there."""
        return self.cluster.client.get(resource, self.namespace, name)

    def patch(self, resource: Resource, name: str, patch: Json, sub: str = "") -> None:
        """Change an object as it is now."""
        self.cluster.client.patch(resource, self.get(resource, name), patch, sub)

    def edit(self, name: str = "pi", **policy: object) -> None:
        """Change runPolicy."""
        self.patch(MPIJOBS, name, {"spec": {"runPolicy": policy}})

    def delete(self, resource: Resource, name: str, policy: str = "Background") -> None:
        """Delete an object as a user does."""
        found = self.get(resource, name)
        self.cluster.client.delete(resource, found, Deletion(policy=policy))

    def bound(self, name: str) -> bool:
        """Whether a Pod is there and has a node."""
        pod = self.find(PODS, name)
        return pod is not None and "nodeName" in pod["spec"]

    def names(self, resource: Resource, selector: str = "") -> list[str]:
        """Name the objects of a kind, in the order of letters."""
        query = {"labelSelector": selector} if selector else {}
        items = self.cluster.client.list(resource, self.namespace, **query)["items"]
        return sorted(str(one["metadata"]["name"]) for one in items)

    def status(self, name: str = "pi") -> Status:
        """Read an MPIJob's status."""
        return live.status(self.get(MPIJOBS, name))

    def until(self, holds: Callable[[Status], Any], name: str = "pi") -> Status:
        """Wait until an MPIJob's status is as wanted; give it."""

        def look(found: Json) -> bool:
            return bool(holds(live.status(found)))

        return live.status(live.await_job(self.cluster, self.namespace, name, look))

    def until_phase(self, phase: str, name: str = "pi") -> Status:
        """Wait until an MPIJob is in a phase; give its status."""
        return self.until(lambda found: found.get("phase") == phase, name)

    def until_reason(self, reason: str, name: str = "pi") -> Status:
        """Wait until an MPIJob's status gives a reason; give it."""
        return self.until(lambda found: found.get("reason") == reason, name)

    def eventually(self, look: Callable[[], Any], what: str) -> None:
        """Wait until something is so."""
        self.cluster.eventually(look, what)

    def succeeds(self, name: str = "pi") -> Status:
        """Let the launchers that run end; wait for the success, give the status."""
        self.until_phase("LauncherRunning", name)
        self.script.end_launchers()
        found = self.until(lambda status: status.get("result"), name)
        assert found["result"] == "Succeeded", found
        return found

    def warns(self, reason: str) -> None:
        """Wait for a Warning about an MPIJob with this reason."""

        def warned() -> bool:
            items = self.cluster.client.list(EVENTS, self.namespace)["items"]
            return any(
                (one["involvedObject"]["kind"], one["type"], one["reason"])
                == (names.KIND, "Warning", reason)
                for one in items
            )

        self.eventually(warned, f"a Warning {reason}")

    def requests(self, account: Account) -> list[Audited]:
        """Give the requests of an account in this namespace so far."""
        return self.cluster.audit.requests(user=account.user, namespace=self.namespace)

    def writes(self, account: Account) -> "dict[str, int]":
        """Count what an account has written in this namespace so far."""
        return dict(counts(one for one in self.requests(account) if one.writes))

    def most_launchers(self) -> int:
        """Count how many launcher Pods lived at once at most, by all that was told.

        It reads the watch's history, so that nothing comes and goes between two looks.
        """
        query = (
            ("watch", "true"),
            ("resourceVersion", self.begin),
            ("timeoutSeconds", "1"),
            ("labelSelector", LAUNCHER),
        )
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        stream = self.cluster.http.stream(Request("GET", path, query))
        assert stream.status == 200
        alive: set[str] = set()
        most = 0
        try:
            while True:
                told: Any = next(stream)
                pod = told["object"]
                assert told["type"] != "ERROR", pod
                ended = pod["status"].get("phase") in _ENDED
                if told["type"] == "DELETED" or ended:
                    alive.discard(pod["metadata"]["uid"])
                else:
                    alive.add(pod["metadata"]["uid"])
                most = max(most, len(alive))
        except StopIteration:
            return most
        finally:
            stream.close()


@contextmanager
def scene(
    cluster: Cluster,
    labels: Mapping[str, str] | None = None,
    **script: Any,  # noqa: ANN401
) -> Iterator[Scene]:
    """Make a namespace and play its node; a launcher runs until it is told to end."""
    script = {"launcher_seconds": FOREVER, **script}
    with (
        cluster.namespace(**(labels or {})) as namespace,
        live.playing(cluster, namespace, **script) as played,
    ):
        listed = cluster.client.list(PODS, namespace)
        begin = str(listed["metadata"]["resourceVersion"])
        found = Scene(cluster, namespace, played, begin)
        yield found
        played.held, played.finishes = set(), True
        _leave(found)


def _leave(found: Scene) -> None:
    """Delete the jobs, and let the node end their Pods while somebody plays it."""
    for resource in (MPIJOBS, JOBS, PODS):
        for name in found.names(resource):
            with suppress(ApiError):  # it has gone with its owner
                found.delete(resource, name)
    found.eventually(lambda: not found.names(PODS), "no Pod is left")
