"""Watches: a lazy view on the store's history through a selection."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

import attrs
import orjson

from .errors import expired
from .negotiation import Presentation
from .registry import Resource
from .selectors import Match
from .store import Change, Record, Store
from .wire import Watch

_BOOKMARK_INTERVAL: Final = timedelta(minutes=1)
_NO_POD: Final = {"spec": {"containers": None}}
# The object of a bookmark is an empty one, with what its type in Go cannot leave out.
_EMPTY: Final[Mapping[tuple[str, str], Mapping[str, object]]] = {
    ("v1", "Pod"): {**_NO_POD, "status": {}},
    ("batch/v1", "Job"): {
        "spec": {"template": {"metadata": {}, **_NO_POD}},
        "status": {},
    },
}
_INITIAL_END: Final = "k8s.io/initial-events-end"


@attrs.frozen
class Selection:
    """Which objects a list or a watch is about."""

    resource: Resource
    namespace: str
    matches: Match

    def covers(self, record: Record | None) -> bool:
        """Whether the object, in this state, is selected."""
        if record is None:
            return False
        namespace = record.obj["metadata"].get("namespace", "")
        return (not self.namespace or namespace == self.namespace) and self.matches(
            record.obj
        )


@attrs.frozen
class WatchOptions:
    """What a client asked for: how long, with bookmarks, with the initial state."""

    until: datetime | None
    bookmarks: bool
    initial: bool
    end_mark: bool


class Feed(Watch):
    """Events after a revision, read from the store's history when drained."""

    def __init__(
        self,
        store: Store,
        selection: Selection,
        presentation: Presentation,
        options: WatchOptions,
        revision: int,
    ) -> None:
        self._store = store
        self._selection = selection
        self._present = presentation.for_watch()
        self._options = options
        self._revision = revision
        self._pending: list[bytes] = []
        self._callbacks: list[Callable[[], None]] = []
        self._closed = False
        self._next_bookmark: datetime | None = None
        self._unsubscribe = store.subscribe(selection.resource.storage, self._notify)
        if options.initial:
            self._add_initial()

    @property
    def closed(self) -> bool:
        """Whether nothing more comes than what drain() still gives."""
        return self._closed

    def drain(self) -> list[bytes]:
        """Take the events that are ready, each one line of JSON."""
        lines, self._pending = self._pending, []
        if self._closed or self._revision == self._store.revision:
            return lines
        storage = self._selection.resource.storage
        changes = self._store.changes(storage, self._revision)
        if changes is None:
            old = f"too old resource version: {self._revision} ({self._store.revision})"
            lines.append(_line("ERROR", orjson.dumps(expired(old).status())))
            self.close()
            return lines
        for change in changes:
            if (event := self._event(change)) is not None:
                lines.append(event)
        self._revision = max(self._store.revision, self._revision)
        return lines

    def on_ready(self, callback: Callable[[], None]) -> None:
        """Have `callback` called on news; at once if there may be some already."""
        self._callbacks.append(callback)
        callback()

    def close(self) -> None:
        """End the watch; events not drained yet are lost, but for initial ones."""
        if not self._closed:
            self._closed = True
            self._unsubscribe()
            self._notify()

    def tick(self, now: datetime) -> None:
        """End the watch when its time is over, bookmark it now and then."""
        if self._closed:
            return
        if self._options.until is not None and now >= self._options.until:
            self._pending = self.drain()
            self.close()
        elif self._options.bookmarks:
            self._bookmark_if_due(now)

    def _bookmark_if_due(self, now: datetime) -> None:
        if self._next_bookmark is not None and now >= self._next_bookmark:
            self._pending = self.drain()
            self._pending.append(self._bookmark({}))
            self._notify()
        elif self._next_bookmark is not None:
            return
        self._next_bookmark = now + _BOOKMARK_INTERVAL

    def _notify(self) -> None:
        for callback in tuple(self._callbacks):
            callback()

    def _add_initial(self) -> None:
        selection = self._selection
        storage = selection.resource.storage
        for record in self._store.select(storage, selection.namespace):
            if selection.covers(record):
                self._pending.append(_line("ADDED", self._present(record)))
        self._revision = self._store.revision
        if self._options.end_mark:
            self._pending.append(self._bookmark({_INITIAL_END: "true"}))

    def _bookmark(self, annotations: dict[str, str]) -> bytes:
        resource = self._selection.resource
        meta: dict[str, object] = {"resourceVersion": str(self._revision)}
        if annotations:
            meta["annotations"] = annotations
        body = {
            "kind": resource.kind_name,
            "apiVersion": resource.group_version,
            "metadata": {**meta, "creationTimestamp": None},
            **_EMPTY.get((resource.group_version, resource.kind_name), {}),
        }
        return _line("BOOKMARK", orjson.dumps(body))

    def _event(self, change: Change) -> bytes | None:
        """Translate a change into what it is to this selection."""
        was = self._selection.covers(change.old)
        if change.type == "DELETED":
            return _line("DELETED", self._present(change.new)) if was else None
        now = self._selection.covers(change.new)
        if was and not now:
            assert change.old is not None
            return _line("DELETED", self._present(_moved(change.old, change.new)))
        if not now:
            return None
        return _line("MODIFIED" if was else "ADDED", self._present(change.new))


def _moved(old: Record, new: Record) -> Record:
    meta = {**old.obj["metadata"], "resourceVersion": str(new.revision)}
    return Record({**old.obj, "metadata": meta}, new.revision)


def _line(type_: str, obj: bytes) -> bytes:
    return b'{"type":"%b","object":%b}\n' % (type_.encode(), obj)
