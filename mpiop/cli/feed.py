"""Watches one job at an API server, as any client would, and tells it as messages.

Each watch and each log has a thread; what they tell arrives in one queue, stamped
with this process's monotonic clock.
"""

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

import attrs
import orjson

from mpiop.k8s.errors import ApiError, from_reply
from mpiop.k8s.kinds import RESOURCES
from mpiop.k8s.transport import Call, Reply, Stream, Transport
from mpiop.reconcile import names
from mpiop.reconcile.actions import KindName
from mpiop.reconcile.mpijob import Json
from mpiop.reconcile.reading import text

_SILENCE: Final = 3600.0  # seconds; the server is on this machine
_RETRY: Final = 0.1
_REFUSED: Final = 300
_KNOWN: Final = frozenset({"ADDED", "MODIFIED", "DELETED"})


@attrs.frozen
class Seen:
    """An object as it is now; `gone` after its deletion."""

    at: float
    kind: KindName
    manifest: Json
    gone: bool


@attrs.frozen
class Line:
    """A line of a launcher's log, without its end."""

    text: str


@attrs.frozen
class LogEnded:
    """A Pod's log has been told to its end."""

    uid: str


@attrs.frozen
class Signalled:
    """The process was asked to end."""

    number: int


Message = Seen | Line | LogEnded | Signalled


class Feed:
    """What happens to one job; close() ends its threads."""

    def __init__(self, transport: Transport, inbox: "SimpleQueue[Message]") -> None:
        self._transport = transport
        self._inbox = inbox
        self._stop = threading.Event()
        self._streams: list[Stream] = []
        self._threads: list[threading.Thread] = []

    def create(self, manifest: Json) -> tuple[Json, tuple[str, ...]]:
        """Create the MPIJob; give it as stored, and the API server's warnings.

        Raises:
            ApiError: it is refused.
        """
        version = text(manifest, "apiVersion")
        resource = attrs.evolve(RESOURCES["MPIJob"], group_version=version)
        path = resource.path(text(manifest, "metadata", "namespace"))
        query = (("fieldValidation", "Warn"), ("fieldManager", "mpiop-run"))
        reply = self._transport.request(
            Call("POST", path, query, orjson.dumps(manifest))
        )
        if reply.status >= _REFUSED:
            raise from_reply(reply)
        return orjson.loads(reply.body), reply.warnings

    def watch(self, namespace: str, name: str, uid: str) -> None:
        """Tell of the job and its Pods from now on, beginning with what there is."""
        job = ("fieldSelector", f"metadata.name={name}")
        self._spawn(lambda: self._watch("MPIJob", namespace, job))
        pods = ("labelSelector", f"{names.JOB_UID}={uid}")
        self._spawn(lambda: self._watch("Pod", namespace, pods))

    def follow_log(self, namespace: str, pod: str, uid: str, container: str) -> None:
        """Tell the log of a container that has started, line by line."""
        path = f"{RESOURCES['Pod'].path(namespace, pod)}/log"
        query = (("container", container), ("follow", "true"))
        self._spawn(lambda: self._log(Call("GET", path, query), uid))

    def close(self) -> None:
        """End all threads."""
        self._stop.set()
        for stream in self._streams:
            stream.close()
        for thread in self._threads:
            thread.join()

    def _spawn(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _open(self, call: Call) -> Stream | None:
        try:
            answer = self._transport.watch(call, _SILENCE)
        except ApiError:
            return None
        if isinstance(answer, Reply):
            return None
        self._streams.append(answer)
        if self._stop.is_set():
            answer.close()
        return answer

    def _watch(self, kind: KindName, namespace: str, selector: tuple[str, str]) -> None:
        query = (("watch", "true"), selector)
        call = Call("GET", RESOURCES[kind].path(namespace), query)
        while not self._stop.is_set():
            stream = self._open(call)
            while stream is not None and (lines := stream.read()) is not None:
                for line in lines:
                    self._tell(kind, orjson.loads(line))
            self._stop.wait(_RETRY)

    def _tell(self, kind: KindName, event: dict[str, object]) -> None:
        manifest = event["object"]
        if isinstance(manifest, dict) and event["type"] in _KNOWN:
            gone = event["type"] == "DELETED"
            self._inbox.put(Seen(time.monotonic(), kind, manifest, gone))

    def _log(self, call: Call, uid: str) -> None:
        stream = self._open(call)
        while stream is not None and (lines := stream.read()) is not None:
            for line in lines:
                self._inbox.put(Line(line.decode(errors="replace")))
        self._inbox.put(LogEnded(uid))


def take(inbox: "SimpleQueue[Message]", timeout: float) -> Message | None:
    """Wait for a message, at most `timeout` seconds."""
    try:
        return inbox.get(timeout=max(timeout, 0.0))
    except Empty:
        return None
