"""Objects, their one sequence of resource versions, and the history of each kind."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, Literal

import attrs
import orjson

from .registry import Resource, StorageKey

ObjectKey = tuple[str, str]
"""Namespace (empty for cluster-scoped kinds) and name."""


@attrs.frozen(eq=False)
class Record:
    """One state of one object; `obj` is never changed and never handed out.

    Attributes:
        partial: `obj` has what a real server fills in where it reads; what it stores
            lacks that, so that the next write stores a new state even with no change.
    """

    obj: dict[str, Any]
    revision: int
    partial: bool = False
    _encoded: dict[str, bytes] = attrs.field(factory=dict, init=False)

    def encoded(self, resource: Resource) -> bytes:
        """Give the object's JSON in the version of `resource`, made once."""
        version = resource.group_version
        if version not in self._encoded:
            self._encoded[version] = orjson.dumps(resource.present(self.obj))
        return self._encoded[version]

    def copy(self, resource: Resource) -> dict[str, Any]:
        """Give the object in the version of `resource`, the caller's to change."""
        copied: dict[str, Any] = orjson.loads(self.encoded(resource))
        return copied


@attrs.frozen
class Change:
    """One write: an object came (old is None), changed or went."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    old: Record | None
    new: Record

    @property
    def revision(self) -> int:
        """The write's place in the sequence."""
        return self.new.revision


def _revision(change: Change) -> int:
    return change.revision


class _Shelf:
    """What is kept of one resource."""

    def __init__(self) -> None:
        self.records: dict[ObjectKey, Record] = {}
        self.changes: list[Change] = []
        self.compacted = 0
        self.listeners: set[Callable[[], None]] = set()


class Store:
    """All objects of a cluster; `history` bounds what a watch can start from."""

    def __init__(self, *, history: int) -> None:
        self.revision = 1
        self._history = history
        self._shelves: dict[StorageKey, _Shelf] = {}

    def get(self, storage: StorageKey, key: ObjectKey) -> Record | None:
        """Find one object."""
        return self._shelf(storage).records.get(key)

    def select(self, storage: StorageKey, namespace: str = "") -> list[Record]:
        """Give objects by namespace and name; an empty namespace means all."""
        records = self._shelf(storage).records
        keys = (key for key in records if not namespace or key[0] == namespace)
        return [records[key] for key in sorted(keys)]

    def storages(self) -> Iterator[StorageKey]:
        """Name the resources that were ever used."""
        return iter(self._shelves)

    def put(
        self,
        storage: StorageKey,
        key: ObjectKey,
        obj: dict[str, Any],
        *,
        partial: bool = False,
    ) -> Record:
        """Keep a new state of an object, which gets the next resourceVersion."""
        shelf = self._shelf(storage)
        old = shelf.records.get(key)
        new = shelf.records[key] = self._next(obj, partial=partial)
        self._log(shelf, Change("MODIFIED" if old else "ADDED", old, new))
        return new

    def remove(self, storage: StorageKey, key: ObjectKey) -> Record:
        """Drop an object; its last state carries the revision of the removal.

        Raises:
            KeyError: there is no such object.
        """
        shelf = self._shelf(storage)
        old = shelf.records.pop(key)
        last = self._next(old.obj)
        self._log(shelf, Change("DELETED", old, last))
        return last

    def changes(self, storage: StorageKey, after: int) -> list[Change] | None:
        """Give what happened after a revision; None: no longer known."""
        shelf = self._shelf(storage)
        if after < shelf.compacted:
            return None
        return shelf.changes[bisect_right(shelf.changes, after, key=_revision) :]

    def compact(self, keep: int = 0) -> None:
        """Forget all but the newest changes of each resource."""
        for shelf in self._shelves.values():
            _trim(shelf, keep)

    def subscribe(
        self, storage: StorageKey, listener: Callable[[], None]
    ) -> Callable[[], None]:
        """Call `listener` after each change; the answer ends it."""
        listeners = self._shelf(storage).listeners
        listeners.add(listener)
        return lambda: listeners.discard(listener)

    def _shelf(self, storage: StorageKey) -> _Shelf:
        return self._shelves.setdefault(storage, _Shelf())

    def _next(self, obj: dict[str, Any], *, partial: bool = False) -> Record:
        self.revision += 1
        meta = {**obj["metadata"], "resourceVersion": str(self.revision)}
        return Record({**obj, "metadata": meta}, self.revision, partial)

    def _log(self, shelf: _Shelf, change: Change) -> None:
        shelf.changes.append(change)
        if len(shelf.changes) > 2 * self._history:
            _trim(shelf, self._history)
        for listener in tuple(shelf.listeners):
            listener()


def _trim(shelf: _Shelf, keep: int) -> None:
    cut = max(len(shelf.changes) - keep, 0)
    if cut:
        shelf.compacted = shelf.changes[cut - 1].revision
        del shelf.changes[:cut]
