"""The garbage collector: what belongs to nobody any more goes.

An owner is its uid. One of the same name with another uid does not count, nor does one
in another namespace. An owner of a kind that is not served is no reason to delete.
"""

from collections.abc import Hashable, Iterator
from datetime import datetime
from typing import cast

from mpiop.local.client import Client, Deletion, Json, Resource

from .cache import Caches, Change
from .objects import FOREGROUND, ORPHAN, deleting, finalizers, owners, uid_of


class GarbageCollector:
    """Carries out background, foreground and orphaning deletion for every kind."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self._client = client
        self._caches = caches

    def keys(self, change: Change) -> Iterator[Hashable]:
        """The object, what depends on it once it goes, and owners that wait for it."""
        uid = uid_of(change.last)
        if change.new is None or (deleting(change.new) and finalizers(change.new)):
            yield from (uid_of(obj) for _, obj in self._caches.dependents(uid))
        if change.new is not None:
            yield uid
        before = owners(change.old) if change.old is not None else []
        if change.new is None or owners(change.new) != before:
            yield from (ref["uid"] for ref in before)

    def sync(self, key: Hashable, now: datetime) -> None:
        """Bring one object, by uid, in line with its owners and dependents."""
        del now
        found = self._caches.by_uid(cast(str, key))
        if found is None:
            return
        resource, obj = found
        if deleting(obj) and ORPHAN in finalizers(obj):
            self._let_go(resource, obj)
        elif deleting(obj) and FOREGROUND in finalizers(obj):
            self._finish_foreground(resource, obj)
        elif owners(obj):
            self._follow_owners(resource, obj)

    def _follow_owners(self, resource: Resource, obj: Json) -> None:
        """Delete an object that no living owner holds, or whose owner waits for it."""
        refs = owners(obj)
        states = [self._state(ref, obj) for ref in refs]
        if "solid" in states:
            kept = [
                ref for ref, state in zip(refs, states, strict=True) if state == "solid"
            ]
            if len(kept) < len(refs) and not deleting(obj):
                self._own(resource, obj, kept)
            return
        if deleting(obj):
            return
        policy = "Background"
        if ORPHAN in finalizers(obj):
            policy = "Orphan"
        elif FOREGROUND in finalizers(obj) or (
            "waiting" in states and any(self._caches.dependents(uid_of(obj)))
        ):
            policy = "Foreground"
        version = obj["metadata"]["resourceVersion"]
        deletion = Deletion(uid_of(obj), version, policy)
        self._client.delete(resource, obj, deletion)

    def _state(self, ref: Json, obj: Json) -> str:
        """Say of an owner: solid, waiting (for its dependents to go) or absent."""
        found = self._caches.by_uid(ref["uid"])
        if found is None:
            served = self._caches.served(ref["apiVersion"], ref["kind"])
            return "absent" if served else "solid"
        owner = found[1]
        home = owner["metadata"].get("namespace")
        if home is not None and home != obj["metadata"].get("namespace"):
            return "absent"
        if deleting(owner) and FOREGROUND in finalizers(owner):
            return "waiting"
        return "solid"

    def _finish_foreground(self, resource: Resource, owner: Json) -> None:
        """End the owner's wait once no dependent blocks it."""
        uid = uid_of(owner)
        blocked = any(
            ref["uid"] == uid and ref.get("blockOwnerDeletion")
            for _, dependent in self._caches.dependents(uid)
            for ref in owners(dependent)
        )
        if not blocked:
            self._drop(resource, owner, FOREGROUND)

    def _let_go(self, resource: Resource, owner: Json) -> None:
        """Take the owner out of its dependents, then let it go."""
        for kind, dependent in self._caches.dependents(uid_of(owner)):
            kept = [ref for ref in owners(dependent) if ref["uid"] != uid_of(owner)]
            self._own(kind, dependent, kept)
        self._drop(resource, owner, ORPHAN)

    def _own(self, resource: Resource, obj: Json, refs: list[Json]) -> None:
        self._patch(resource, obj, {"ownerReferences": refs or None})

    def _drop(self, resource: Resource, obj: Json, finalizer: str) -> None:
        kept = [item for item in finalizers(obj) if item != finalizer]
        self._patch(resource, obj, {"finalizers": kept or None})

    def _patch(self, resource: Resource, obj: Json, meta: dict[str, object]) -> None:
        meta = {**meta, "resourceVersion": obj["metadata"]["resourceVersion"]}
        self._client.patch(resource, obj, {"metadata": meta})
