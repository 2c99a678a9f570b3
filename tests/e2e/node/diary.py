"""What a namespace's MPIJobs and Pods were seen to be, each with its moment.

with watching(cluster, namespace) as diary:
    ...
    diary.jobs("pi"), diary.most_launchers("pi")
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import attrs
from urllib3.exceptions import HTTPError

from mpiop.local.apiserver.wire import Request
from mpiop.local.client import PODS, Json, Resource
from mpiop.reconcile import names
from tests.support.cluster import MPIJOBS, Cluster

_SECONDS: Final = "5"  # of one watch: so soon is it seen that nobody wants more
_ENDED: Final = frozenset({"Succeeded", "Failed"})
_STOPPING: Final = 70.0


@attrs.frozen
class Entry:
    """One thing that was told.

    Attributes:
        at: the moment, by the monotonic clock.
        kind: ADDED, MODIFIED or DELETED.
    """

    at: float
    kind: str
    obj: Json

    @property
    def name(self) -> str:
        """The object's name."""
        return str(self.obj["metadata"]["name"])

    @property
    def status(self) -> Json:
        """The object's status, empty where it has none."""
        found: Json = self.obj.get("status") or {}
        return found

    @property
    def said(self) -> str:
        """All words of an MPIJob's status."""
        conditions = self.status.get("conditions", ())
        told = [f"{one['reason']} {one['message']}" for one in conditions]
        return " ".join([str(self.status.get("message", "")), *told])

    @property
    def lost(self) -> bool:
        """Whether a Pod is no more, or has no container that runs."""
        states = self.status.get("containerStatuses", ())
        return (
            self.kind == "DELETED"
            or self.status.get("phase") in _ENDED
            or self.obj["metadata"].get("deletionTimestamp") is not None
            or any("terminated" in state.get("state", {}) for state in states)
        )


@attrs.define
class Diary:
    """All that was told so far, in order."""

    _jobs: list[Entry] = attrs.field(factory=list)
    _pods: list[Entry] = attrs.field(factory=list)

    def jobs(self, name: str) -> list[Entry]:
        """Give what was told of one MPIJob."""
        return [entry for entry in list(self._jobs) if entry.name == name]

    def pods(self, job: str, role: str) -> list[Entry]:
        """Give what was told of the Pods of an MPIJob in one role."""
        return [
            entry
            for entry in list(self._pods)
            if entry.obj["metadata"].get("labels", {}).get(names.JOB_NAME) == job
            and entry.obj["metadata"]["labels"].get(names.JOB_ROLE) == role
        ]

    def most_launchers(self, job: str) -> int:
        """Count how many launcher Pods of a job lived at once at most."""
        alive: set[str] = set()
        most = 0
        for entry in self.pods(job, names.LAUNCHER):
            uid = str(entry.obj["metadata"]["uid"])
            if entry.kind == "DELETED" or entry.status.get("phase") in _ENDED:
                alive.discard(uid)
            else:
                alive.add(uid)
            most = max(most, len(alive))
        return most

    def launchers(self, job: str) -> dict[str, int]:
        """Count the launcher Pods that each attempt of a job has had."""
        found = {
            str(meta["uid"]): str(meta["labels"][names.ATTEMPT])
            for meta in (
                entry.obj["metadata"] for entry in self.pods(job, names.LAUNCHER)
            )
        }
        attempts = sorted(found.values())
        return {attempt: attempts.count(attempt) for attempt in attempts}


@contextmanager
def watching(cluster: Cluster, namespace: str) -> Iterator[Diary]:
    """Keep a diary of a namespace."""
    diary = Diary()
    stop = threading.Event()
    with ExitStack() as threads:
        threads.callback(stop.set)
        for resource, entries in ((MPIJOBS, diary._jobs), (PODS, diary._pods)):
            listed = cluster.client.list(resource, namespace)
            since = str(listed["metadata"]["resourceVersion"])
            follow = _Follow(cluster, resource, namespace, entries, stop.is_set)
            thread = threading.Thread(target=follow.run, args=(since,))
            thread.start()
            threads.callback(thread.join, _STOPPING)
            threads.callback(stop.set)
        yield diary


@attrs.frozen
class _Follow:
    cluster: Cluster
    resource: Resource
    namespace: str
    entries: list[Entry]
    stopped: Callable[[], bool]

    def run(self, since: str) -> None:
        """Watch again and again, each time from where the last watch ended."""
        while not self.stopped():
            try:
                since = self._once(since)
            except HTTPError:  # the way there was cut: go on from where we were
                time.sleep(0.2)

    def _once(self, since: str) -> str:
        query = (
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", since),
            ("timeoutSeconds", _SECONDS),
        )
        path = self.resource.path(self.namespace)
        stream = self.cluster.http.stream(Request("GET", path, query))
        try:
            while True:
                told: Any = next(stream)
                kind, obj = told["type"], told["object"]
                assert kind != "ERROR", obj
                since = str(obj["metadata"]["resourceVersion"])
                if kind != "BOOKMARK":
                    self.entries.append(Entry(time.monotonic(), kind, obj))
        except StopIteration:
            return since
        finally:
            stream.close()
