"""One kind's objects as the API server has them: list, then watch, for ever."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import attrs

from mpiop.local.kubelet.api import Api, ApiError
from mpiop.local.kubelet.objects import Json, key

_GONE: Final = 410
_BACKOFF: Final = (0.1, 0.2, 0.5, 1.0, 2.0)  # seconds; the server is on this machine

Key = tuple[str, str]


@attrs.define
class Informer:
    """Keeps `objects` current and tells each change once.

    `changed(key, object)` gets None for an object that is gone.
    """

    api: Api
    path: str
    changed: Callable[[Key, Json | None], None]
    query: Mapping[str, str] = attrs.field(factory=dict)
    objects: dict[Key, Json] = attrs.field(factory=dict)
    _version: str = attrs.field(default="", init=False)

    async def run(self) -> None:
        """Follow the server until cancelled, backing off while it is away."""
        failures = 0
        while True:
            try:
                if not self._version:
                    await self._list()
                failures = 0
                await self._follow()
            except ApiError as error:
                if error.status:
                    self._version = (
                        ""  # 410, or anything else that a fresh list may heal
                    )
                await asyncio.sleep(_BACKOFF[min(failures, len(_BACKOFF) - 1)])
                failures += 1

    async def _list(self) -> None:
        answer = await self.api.get(self.path, self.query)
        listed = {key(item): item for item in answer.get("items") or ()}
        for gone in self.objects.keys() - listed.keys():
            self._set(gone, None)
        for name, item in listed.items():
            if self.objects.get(name) != item:
                self._set(name, item)
        self._version = answer["metadata"]["resourceVersion"]

    async def _follow(self) -> None:
        query = {**self.query, "resourceVersion": self._version}
        async for event in self.api.watch(self.path, query):
            obj = event["object"]
            if event["type"] == "ERROR":
                raise ApiError(obj.get("code") or _GONE, obj.get("message", ""))
            self._version = obj["metadata"]["resourceVersion"]
            if event["type"] == "DELETED":
                self._set(key(obj), None)
            elif event["type"] != "BOOKMARK":
                self._set(key(obj), obj)

    def _set(self, name: Key, obj: Json | None) -> None:
        if obj is None:
            self.objects.pop(name, None)
        else:
            self.objects[name] = obj
        self.changed(name, obj)
