"""What the controllers know of the cluster: every kind, listed once, then watched.

All caches are brought up to date together, between syncs and never within one, so what
they show is one moment of the server: an owner that none of them knows is gone.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import attrs
import orjson

from mpiop.local.apiserver.wire import Watch
from mpiop.local.client import CRDS, ApiError, Client, Json, Kind, Resource

from .objects import key_of, owners, uid_of

_GONE: Final = 410
_UNWATCHED: Final = frozenset({"events"})


@attrs.frozen
class Change:
    """An object as it was and as it is; one of them is None at its ends."""

    resource: Resource
    old: Json | None
    new: Json | None

    @property
    def last(self) -> Json:
        """The object as last seen."""
        seen = self.new if self.new is not None else self.old
        assert seen is not None
        return seen


class Cache:
    """The objects of one kind."""

    def __init__(
        self, client: Client, resource: Resource, on_ready: Callable[[], None]
    ) -> None:
        self._client = client
        self._resource = resource
        self._on_ready = on_ready
        self._watch: Watch | None = None
        self._version = ""
        self._told = False
        self.objects: dict[tuple[str, str], Json] = {}

    @property
    def has_news(self) -> bool:
        """Whether an update may give anything."""
        return self._watch is None or self._told

    def update(self) -> Iterator[Change]:
        """Take in all that the server has to tell now."""
        self._told = False
        while True:
            try:
                if self._watch is None:
                    if not self._version:
                        yield from self._relist()
                    self._open()
                assert self._watch is not None
                closed = self._watch.closed
                for line in self._watch.drain():
                    yield from self._take(orjson.loads(line))
            except ApiError as error:
                if error.status != _GONE:
                    raise
                self._version = ""
                closed = True
            if not closed:
                return
            self.close()

    def close(self) -> None:
        """End the watch; the next update opens another."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def _open(self) -> None:
        self._watch = self._client.watch(self._resource, resource_version=self._version)
        self._watch.on_ready(self._ready)

    def _ready(self) -> None:
        self._told = True
        self._on_ready()

    def _relist(self) -> Iterator[Change]:
        listed = self._client.list(self._resource)
        now = {key_of(item): item for item in listed.get("items") or ()}
        for key in [key for key in self.objects if key not in now]:
            yield Change(self._resource, self.objects.pop(key), None)
        for key, item in now.items():
            yield from self._put(key, item)
        self._version = listed["metadata"]["resourceVersion"]

    def _take(self, event: dict[str, Any]) -> Iterator[Change]:
        kind, obj = event["type"], event["object"]
        if kind == "ERROR":
            raise ApiError(obj.get("code", 0), obj.get("reason", ""), obj["message"])
        self._version = obj["metadata"]["resourceVersion"]
        if kind == "DELETED":
            self.objects.pop(key_of(obj), None)
            yield Change(self._resource, obj, None)
        elif kind != "BOOKMARK":
            yield from self._put(key_of(obj), obj)

    def _put(self, key: tuple[str, str], obj: Json) -> Iterator[Change]:
        old = self.objects.get(key)
        if old is not None and uid_of(old) != uid_of(obj):
            yield Change(self._resource, old, None)
            old = None
        self.objects[key] = obj
        yield Change(self._resource, old, obj)


class Caches:
    """One cache per kind that can be watched, and indexes over all of them."""

    def __init__(self, client: Client, on_ready: Callable[[], None]) -> None:
        self._client = client
        self._on_ready = on_ready
        self._caches = {CRDS: Cache(client, CRDS, on_ready)}
        self._by_uid: dict[str, tuple[Resource, Json]] = {}
        self._dependents: dict[str, dict[str, None]] = {}
        self.kinds: tuple[Kind, ...] = ()

    def update(self) -> list[Change]:
        """Bring every cache up to date; the changes in the order of the kinds."""
        changes = list(self._caches[CRDS].update())
        if changes or not self.kinds:
            changes += self._rediscover()
        for resource, cache in self._caches.items():
            if resource != CRDS and cache.has_news:
                changes += cache.update()
        for change in changes:
            self._index(change)
        return changes

    def get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """An object by name."""
        return self._caches[resource].objects.get((namespace, name))

    def all(self, resource: Resource) -> Iterator[Json]:
        """Every object of a kind."""
        return iter(self._caches[resource].objects.values())

    def by_uid(self, uid: str) -> tuple[Resource, Json] | None:
        """The living object of that uid, of whatever kind."""
        return self._by_uid.get(uid)

    def dependents(self, uid: str) -> Iterator[tuple[Resource, Json]]:
        """The objects of any kind that name this uid as an owner."""
        for dependent in tuple(self._dependents.get(uid, ())):
            yield self._by_uid[dependent]

    def served(self, group_version: str, kind: str) -> bool:
        """Whether the caches would know an object of that kind (in any version)."""
        group = Resource(group_version, "").group
        return any(
            known.kind == kind and known.resource.group == group
            for known in self.kinds
            if known.resource in self._caches
        )

    def _rediscover(self) -> list[Change]:
        self.kinds = self._client.discover()
        wanted = {
            kind.resource
            for kind in self.kinds
            if {"list", "watch"} <= kind.verbs
            and kind.resource.plural not in _UNWATCHED
        }
        lost: list[Change] = []
        for resource in [r for r in self._caches if r not in wanted and r != CRDS]:
            cache = self._caches.pop(resource)
            cache.close()
            lost += [Change(resource, obj, None) for obj in cache.objects.values()]
        for kind in self.kinds:
            if kind.resource in wanted and kind.resource not in self._caches:
                self._caches[kind.resource] = Cache(
                    self._client, kind.resource, self._on_ready
                )
        return lost

    def _index(self, change: Change) -> None:
        uid = uid_of(change.last)
        known = self._by_uid.pop(uid, None)
        for ref in owners(known[1]) if known else ():
            siblings = self._dependents.get(ref["uid"], {})
            siblings.pop(uid, None)
            if not siblings:
                self._dependents.pop(ref["uid"], None)
        if change.new is not None:
            self._by_uid[uid] = (change.resource, change.new)
            for ref in owners(change.new):
                self._dependents.setdefault(ref["uid"], {})[uid] = None
