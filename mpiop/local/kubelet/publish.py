"""Writes one Pod's status whenever it has changed, the latest state only."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from mpiop.local.kubelet.api import Api, ApiError
from mpiop.local.kubelet.objects import Json

_LOST: Final = frozenset({404, 409})  # the Pod is gone, or another has its name
_RETRY: Final = 0.2  # seconds


class Publisher:
    """Patches the status of one Pod."""

    def __init__(
        self, api: Api, pod: Json, status: Callable[[], Mapping[str, object]]
    ) -> None:
        self.pod = pod
        self._api = api
        self._status = status
        self._dirty = asyncio.Event()
        self._clean = asyncio.Event()
        self._sent: Mapping[str, object] | None = None
        self._task = asyncio.create_task(self._run())

    def poke(self) -> None:
        """Have the status computed and written soon."""
        self._dirty.set()
        self._clean.clear()

    async def flush(self) -> None:
        """Wait until the server has the latest status, or has lost the Pod."""
        finished = asyncio.create_task(self._clean.wait())
        await asyncio.wait([finished, self._task], return_when=asyncio.FIRST_COMPLETED)
        finished.cancel()

    async def close(self) -> None:
        """Write no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        metadata = self.pod["metadata"]
        path = (
            f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status"
        )
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            status = self._status()
            if status != self._sent:
                body = {"metadata": {"uid": metadata["uid"]}, "status": status}
                try:
                    self.pod = await self._api.patch(path, body)
                except ApiError as error:
                    if error.status in _LOST:
                        return
                    await asyncio.sleep(_RETRY)
                    self._dirty.set()
                    continue
                self._sent = status
            if not self._dirty.is_set():
                self._clean.set()
