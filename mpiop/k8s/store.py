"""What the watches have shown so far: a read-only cache, by key and by job uid.

Children are kept as views (some hundred bytes), MPIJobs as JSON without the bulk of
managedFields. Guarantees: an object never goes back to an older resourceVersion, and
one that was seen deleted does not come back by a late repetition.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import attrs

from mpiop.k8s.kinds import CACHED
from mpiop.reconcile import names
from mpiop.reconcile.actions import KindName
from mpiop.reconcile.mpijob import Json
from mpiop.reconcile.reading import text
from mpiop.reconcile.views import (
    ChildView,
    JobView,
    PodView,
    child_view,
    job_view,
    pod_view,
)

REMEMBERED_DELETIONS: Final = 2000
BLIND: Final = 1 << 63  # "listed" where a list is refused: no write is waited for

View = PodView | JobView | ChildView


class Key(NamedTuple):
    """Namespace and name: of a job where nothing else is said."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Read as kubectl prints it."""
        return f"{self.namespace}/{self.name}"


@attrs.frozen
class Entry:
    """One object as cached.

    Attributes:
        job_uid: uid of the job that it is (MPIJob) or belongs to by label.
    """

    key: Key
    uid: str
    version: int
    job_uid: str
    content: View | Json = attrs.field(repr=False)


@attrs.define
class _Shelf:
    """All of one kind in one scope.

    Attributes:
        gone: versions of the newest deletions.
        listed: version of the last list, -1 before the first.
        lists: how often it was listed.
        served: whether the API server knows the kind.
    """

    entries: dict[Key, Entry] = attrs.field(factory=dict)
    gone: dict[Key, int] = attrs.field(factory=dict)
    listed: int = -1
    lists: int = 0
    served: bool = True


def version(text_: str) -> int:
    """Read a resourceVersion, which API servers compare as a number; 0 for none."""
    return int(text_) if text_.isdecimal() else 0


def entry(kind: KindName, manifest: dict[str, Any]) -> Entry:
    """Project an object to what the cache keeps of it; takes the manifest over."""
    meta = manifest["metadata"]
    uid = text(meta, "uid")
    content: View | Json
    match kind:
        case "MPIJob":
            _slim(meta)
            content, job_uid = manifest, uid
        case "Pod":
            content, job_uid = pod_view(manifest), text(meta, "labels", names.JOB_UID)
        case "Job":
            content, job_uid = job_view(manifest), text(meta, "labels", names.JOB_UID)
        case _:
            content = child_view(kind, manifest)
            job_uid = text(meta, "labels", names.JOB_UID)
    key = Key(text(meta, "namespace"), text(meta, "name"))
    return Entry(key, uid, version(text(meta, "resourceVersion")), job_uid, content)


def _slim(meta: dict[str, Any]) -> None:
    """Keep of managedFields only who wrote when through which version."""
    fields = meta.get("managedFields")
    if fields:
        meta["managedFields"] = [
            {k: one[k] for k in ("apiVersion", "manager", "time") if k in one}
            for one in fields
        ]


class Store:
    """The cache; reflectors write to it, everybody reads. Thread safe.

    Args:
        namespaces: what is listed by itself: some namespaces, or "" for all at once.
    """

    def __init__(self, namespaces: Sequence[str] = ("",)) -> None:
        self._lock = threading.Lock()
        self._shelves: dict[tuple[KindName, str], _Shelf] = {
            (kind, namespace): _Shelf() for kind in CACHED for namespace in namespaces
        }
        self._by_job: dict[tuple[str, str], dict[tuple[KindName, str], View]] = {}
        self._keys: dict[tuple[str, str], Key] = {}

    def has_listed(self, kind: KindName, namespace: str = "") -> bool:
        """Whether the kind has been listed once where an object there belongs."""
        return self._shelf(kind, namespace).listed >= 0

    def lists(self, kind: KindName, namespace: str = "") -> int:
        """How often it has been listed there."""
        return self._shelf(kind, namespace).lists

    def sizes(self) -> Mapping[KindName, int]:
        """Count the objects of each kind."""
        with self._lock:
            found: Counter[KindName] = Counter()
            for (kind, _), shelf in self._shelves.items():
                found[kind] += len(shelf.entries)
            return found

    def keys(self) -> tuple[Key, ...]:
        """List the jobs."""
        with self._lock:
            return tuple(self._keys.values())

    def unserved(self, namespace: str) -> frozenset[KindName]:
        """Name the kinds that the API server does not know there."""
        with self._lock:
            return frozenset(
                kind
                for (kind, where), shelf in self._shelves.items()
                if not shelf.served and where in {"", namespace}
            )

    def job(self, key: Key) -> Json | None:
        """Give an MPIJob; nobody changes what it gives."""
        with self._lock:
            found = self._shelf("MPIJob", key.namespace).entries.get(key)
            return None if found is None else found.content  # type: ignore[return-value] # MPIJobs are kept as JSON

    def children(self, namespace: str, job_uid: str) -> tuple[View, ...]:
        """List what carries the job's uid in its label."""
        with self._lock:
            return tuple(self._by_job.get((namespace, job_uid), {}).values())

    def has_reached(self, kind: KindName, key: Key, wanted: int) -> bool:
        """Whether the cache shows this object's state at `wanted` or a later one."""
        with self._lock:
            shelf = self._shelf(kind, key.namespace)
            found = shelf.entries.get(key)
            seen = found.version if found else shelf.gone.get(key, -1)
            return max(seen, shelf.listed) >= wanted

    def has_lost(self, kind: KindName, key: Key, uid: str) -> bool:
        """Whether the object with this uid is not there (any more)."""
        with self._lock:
            found = self._shelf(kind, key.namespace).entries.get(key)
            return found is None or found.uid != uid

    def put(self, kind: KindName, new: Entry) -> Key | None:
        """Take in an object that was added or changed; give the job to look at."""
        with self._lock:
            shelf = self._shelf(kind, new.key.namespace)
            old = shelf.entries.get(new.key)
            known = old.version if old else shelf.gone.get(new.key, -1)
            if new.version <= known:
                return None  # a repetition, or overtaken on its way
            if old is not None:
                self._unlink(kind, old)
            self._link(kind, new)
            return self._job_of(new)

    def remove(self, kind: KindName, last: Entry) -> Key | None:
        """Take out an object that is gone; give the job to look at."""
        with self._lock:
            shelf = self._shelf(kind, last.key.namespace)
            old = shelf.entries.get(last.key)
            if old is not None and old.version > last.version:
                return None
            shelf.gone[last.key] = max(last.version, shelf.gone.get(last.key, -1))
            if len(shelf.gone) > REMEMBERED_DELETIONS:
                del shelf.gone[next(iter(shelf.gone))]
            if old is None:
                return None
            key = self._job_of(old)
            self._unlink(kind, old)
            return key

    def replace(
        self, kind: KindName, entries: Iterable[Entry], listed: int, namespace: str = ""
    ) -> set[Key]:
        """Take in a whole list, as of version `listed`; give the jobs to look at."""
        with self._lock:
            shelf = self._shelf(kind, namespace)
            touched: set[Key | None] = set()
            fresh = {new.key: new for new in entries}
            for key, old in list(shelf.entries.items()):
                new = fresh.get(key)
                if new is None or new.version != old.version:
                    touched.add(self._job_of(old))
                self._unlink(kind, old)
            for new in fresh.values():
                self._link(kind, new)
                touched.add(self._job_of(new))
            shelf.gone.clear()
            shelf.listed = listed
            shelf.lists += 1
            if not shelf.served:
                shelf.served = True
                touched |= {*self._keys.values()}
            return {key for key in touched if key is not None}

    def withdraw(self, kind: KindName, namespace: str = "") -> set[Key]:
        """Note that the API server knows no such kind; give the jobs to look at."""
        touched = self.replace(kind, (), BLIND, namespace)
        with self._lock:
            self._shelf(kind, namespace).served = False
            return touched | {*self._keys.values()}

    def _shelf(self, kind: KindName, namespace: str) -> _Shelf:
        return self._shelves.get((kind, "")) or self._shelves[kind, namespace]

    def _job_of(self, one: Entry) -> Key | None:
        return self._keys.get((one.key.namespace, one.job_uid))

    def _link(self, kind: KindName, new: Entry) -> None:
        shelf = self._shelf(kind, new.key.namespace)
        shelf.entries[new.key] = new
        shelf.gone.pop(new.key, None)
        place = (new.key.namespace, new.job_uid)
        if kind == "MPIJob":
            self._keys[place] = new.key
        elif new.job_uid:
            siblings = self._by_job.setdefault(place, {})
            siblings[kind, new.key.name] = new.content  # type: ignore[assignment] # children are kept as views

    def _unlink(self, kind: KindName, old: Entry) -> None:
        del self._shelf(kind, old.key.namespace).entries[old.key]
        place = (old.key.namespace, old.job_uid)
        if kind == "MPIJob":
            self._keys.pop(place, None)
            return
        siblings = self._by_job.get(place, {})
        siblings.pop((kind, old.key.name), None)
        if not siblings:
            self._by_job.pop(place, None)
