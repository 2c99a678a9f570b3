"""Keeps the cache of one kind current by list and watch, as a small machine.

    Empty ──listed──▶ Listed ──watch opened──▶ Watching
      ▲                 ▲                         │
      └── 410 ──────────┼──── 410 ────────────────┤
                        └── closed, silent, error ┘

`step` does one thing and says how long to wait. Back-off is beside the machine: it
grows with every failure and ends only when a watch has proved itself, so that neither
a refusal nor a server that closes every watch at once is asked in a hot loop.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Final, assert_never, cast

import attrs

from mpiop.k8s.api import Api, Query
from mpiop.k8s.clock import Clock
from mpiop.k8s.decoding import event
from mpiop.k8s.errors import (
    ApiError,
    Forbidden,
    Gone,
    NotFound,
    Unauthorized,
    from_status,
)
from mpiop.k8s.kinds import RESOURCES
from mpiop.k8s.store import BLIND, Entry, Key, Store, entry, version
from mpiop.k8s.transport import Stream
from mpiop.reconcile.actions import KindName
from mpiop.reconcile.reading import text

PAGE: Final = 500
WATCH_SECONDS: Final = 300
SLACK_SECONDS: Final = 10.0
FIRST_SECONDS: Final = 0.8
LONGEST_SECONDS: Final = 30.0
REFUSED_SECONDS: Final = 300.0  # an optional kind that is not granted
LIST_SECONDS: Final = 600.0  # a list of many pages from a slow server
PROVEN_SECONDS: Final = 10.0  # a watch that lived so long is a good one
FRESH_SECONDS: Final = 10.0  # what was listed since then need not be listed anew

log = logging.getLogger(__name__)


@attrs.frozen
class Empty:
    """Nothing is known, or what is known is too old to go on from."""


@attrs.frozen
class Listed:
    """The cache is as of this resourceVersion; no watch is open."""

    resource_version: str


@attrs.define
class Watching:
    """A watch is open since `opened`, last heard of at `heard`.

    How far it has come is written into it: an event costs no copy.

    Attributes:
        silence: seconds without an event after which it counts as dead.
    """

    resource_version: str
    stream: Stream
    opened: float
    heard: float
    silence: float


State = Empty | Listed | Watching


@attrs.define
class Reflector:
    """One kind's machine. One thread calls `step`; `relist` and `close` any.

    Attributes:
        namespace: where it looks, "" for the whole cluster.
        changed: told every job that something has changed for.
        relist_seconds: after so long a watch gives way to a list, which heals what a
            watch may have lost.
        on_list: told once a list has been taken in.
        refusal: the 401 or 403 that stands in the way, None where there is none.
    """

    kind: KindName
    api: Api
    store: Store
    clock: Clock
    changed: Callable[[Key], None]
    namespace: str = ""
    relist_seconds: float = 3600.0
    on_restart: Callable[[KindName], None] = lambda _kind: None
    on_list: Callable[[], None] = lambda: None
    state: State = attrs.field(factory=Empty)
    failures: int = 0
    refusal: ApiError | None = None
    _due: float = 0.0
    _listed_at: float = 0.0
    _stale: bool = False
    _closed: bool = False

    @property
    def name(self) -> str:
        """What it is called in logs and by its thread."""
        return f"{self.kind} in {self.namespace}" if self.namespace else self.kind

    @property
    def patience(self) -> float:
        """Seconds within which a step ends, whatever the server does."""
        state = self.state
        return state.silence if isinstance(state, Watching) else LIST_SECONDS

    def step(self) -> float:
        """Do one thing: list, open the watch, or read from it.

        Returns:
            Seconds until there is something to do, 0 for at once.
        """
        now = self.clock.monotonic()
        if now < self._due:
            return self._due - now
        try:
            match self.state:
                case Empty():
                    self._list()
                case Listed() as state:
                    self._watch(state)
                case Watching() as state:
                    return self._read(state)
                case _:
                    assert_never(self.state)
        except Gone:
            self._leave()
            self.state = Empty()
            return self._back_off()
        except ApiError as error:
            self._leave()
            if isinstance(error, NotFound) and RESOURCES[self.kind].addon:
                self._withdraw()
            else:
                self._report(error)
            return self._back_off(error.retry_after)
        return 0.0

    def relist(self) -> None:
        """List anew, because the watch seems to have lost something."""
        self._stale = True
        self._hang_up()

    def renew(self) -> bool:
        """List anew where it watches for long: the watch may be dead unnoticed."""
        age = self.clock.monotonic() - self._listed_at
        if not isinstance(self.state, Watching) or age < FRESH_SECONDS:
            return False
        self.relist()
        return True

    def close(self) -> None:
        """End for good; a `step` that waits on its watch returns."""
        self._closed = True
        self._hang_up()

    def _list(self) -> None:
        self._stale = False
        query: Query = (*self._selector(), ("limit", str(PAGE)))
        entries: list[Entry] = []
        page = self.api.list_page(self.kind, self.namespace, query)
        entries += [entry(self.kind, one) for one in page.items]
        while page.more:
            page = self.api.list_page(self.kind, self.namespace, query, page.more)
            entries += [entry(self.kind, one) for one in page.items]
        found = page.resource_version
        touched = self.store.replace(self.kind, entries, version(found), self.namespace)
        for key in touched:
            self.changed(key)
        self.refusal = None
        self._listed_at = self.clock.monotonic()
        self.state = Listed(found)
        self.on_list()

    def _watch(self, state: Listed) -> None:
        seconds = int(self.clock.jitter(WATCH_SECONDS))
        query: Query = (
            *self._selector(),
            ("resourceVersion", state.resource_version),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", str(seconds)),
        )
        silence = seconds + SLACK_SECONDS
        stream = self.api.watch(self.kind, self.namespace, query, silence)
        now = self.clock.monotonic()
        self.state = Watching(state.resource_version, stream, now, now, silence)
        self.refusal = None
        if self._closed:  # meanwhile, by another thread
            stream.close()

    def _read(self, state: Watching) -> float:
        lines = state.stream.read()
        now = self.clock.monotonic()
        if lines:
            for line in lines:
                self._event(state, event(self.kind, line))
            self.failures = 0
            state.heard = now
            return 0.0
        left = state.silence - (now - state.heard)
        if lines is not None and left > 0 and not self._stale:
            return left
        return self._reopen(state, now)

    def _reopen(self, state: Watching, now: float) -> float:
        """Leave a watch that has ended or that nothing is heard of any more."""
        state.stream.close()
        self.on_restart(self.kind)
        old = now - self._listed_at >= self.relist_seconds
        anew = self._stale or old
        self.state = Empty() if anew else Listed(state.resource_version)
        if now - state.opened < PROVEN_SECONDS:
            return self._back_off()
        self.failures = 0
        return 0.0

    def _event(self, state: Watching, told: Mapping[str, object]) -> None:
        manifest = cast("dict[str, object]", told["object"])
        match told["type"]:
            case "ERROR":
                raise from_status(manifest)
            case "BOOKMARK":
                key = None
            case "DELETED":
                key = self.store.remove(self.kind, entry(self.kind, manifest))
            case _:
                key = self.store.put(self.kind, entry(self.kind, manifest))
        found = text(manifest, "metadata", "resourceVersion")
        if version(found) > version(state.resource_version):
            state.resource_version = found
        if key is not None:
            self.changed(key)

    def _selector(self) -> Query:
        selector = RESOURCES[self.kind].selector
        return (("labelSelector", selector),) if selector else ()

    def _hang_up(self) -> None:
        state = self.state
        if isinstance(state, Watching):
            state.stream.close()

    def _leave(self) -> None:
        """Step back from a watch that failed to the version it had reached."""
        self._hang_up()
        if isinstance(self.state, Watching):
            self.state = Listed(self.state.resource_version)

    def _back_off(self, told: float | None = None) -> float:
        pause = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(self.failures, 30))
        if self.refusal is not None and RESOURCES[self.kind].optional:
            pause = REFUSED_SECONDS
        self.failures += 1
        pause = max(self.clock.jitter(pause, 1.0), told or 0.0)
        self._due = self.clock.monotonic() + pause
        return pause

    def _withdraw(self) -> None:
        """Go on without a kind that nobody has defined (yet); say so once."""
        self.state = Empty()
        if self.kind in self.store.unserved(self.namespace):
            return
        context = {"kind": self.kind, "namespace": self.namespace}
        log.warning("the API server does not know the kind", extra=context)
        for key in self.store.withdraw(self.kind, self.namespace):
            self.changed(key)

    def _report(self, error: ApiError) -> None:
        """Log a refusal once; go on without an optional kind that is refused."""
        context = {
            "kind": self.kind,
            "namespace": self.namespace,
            "error": str(error),
        }
        if not isinstance(error, Forbidden | Unauthorized):
            log.warning("list or watch failed", extra=context)
            return
        optional = RESOURCES[self.kind].optional
        if self.refusal is None:
            level = logging.INFO if optional else logging.ERROR
            log.log(level, "list or watch refused", extra=context)
        self.refusal = error
        if optional and not self.store.has_listed(self.kind, self.namespace):
            self.store.replace(self.kind, (), BLIND, self.namespace)
