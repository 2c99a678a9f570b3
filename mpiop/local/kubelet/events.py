"""Events of one Pod, as `kubectl describe` shows them."""

import asyncio
import contextlib
from typing import Final

from mpiop.local.kubelet.api import Api, ApiError
from mpiop.local.kubelet.objects import Json, timestamp

_MOST_MESSAGE: Final = 1024
_Event = tuple[str, str, str, str]
_LAST_SECONDS: Final = 1.0  # for what the Pod's end has to tell


class Recorder:
    """Writes Events in order and in the background; repeated ones are counted."""

    def __init__(self, api: Api, pod: Json) -> None:
        self._api = api
        self._pod = pod
        self._queue: asyncio.Queue[_Event] = asyncio.Queue()
        self._known: dict[_Event, tuple[str, int]] = {}
        self._task = asyncio.create_task(self._run())

    def add(self, kind: str, reason: str, message: str, field: str = "") -> None:
        """Record an Event of kind Normal or Warning, about the Pod or a field of it."""
        self._queue.put_nowait((kind, reason, message[:_MOST_MESSAGE], field))

    async def close(self) -> None:
        """Write what there is, and no more."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_SECONDS):
                await self._queue.join()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            event = await self._queue.get()
            with contextlib.suppress(ApiError):  # an Event lost is no harm
                await self._write(event)
            self._queue.task_done()

    async def _write(self, event: _Event) -> None:
        namespace = self._pod["metadata"]["namespace"]
        path = f"/api/v1/namespaces/{namespace}/events"
        now = timestamp()
        if event in self._known:
            name, count = self._known[event]
            body = {"count": count + 1, "lastTimestamp": now}
            await self._api.patch(f"{path}/{name}", body)
            self._known[event] = name, count + 1
            return
        metadata = self._pod["metadata"]
        number = len(self._known)
        name = f"{metadata['name']}.{metadata['uid'][:8]}{number:04x}"
        kind, reason, message, field = event
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "namespace": namespace,
                "name": metadata["name"],
                "uid": metadata["uid"],
                **({"fieldPath": field} if field else {}),
            },
            "type": kind,
            "reason": reason,
            "message": message,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": "kubelet", "host": "local"},
            "reportingComponent": "kubelet",
            "reportingInstance": "local",
        }
        await self._api.create(path, body)
        self._known[event] = name, 1
