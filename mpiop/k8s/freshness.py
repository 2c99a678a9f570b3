"""Keeps a job from being planned over writes that the cache does not show yet.

Without it a plan made on yesterday's cache would create, count or patch once more.
A write is waited for by resourceVersion; where its event does not come for a while,
the kind is listed anew, so that a lost event cannot stop a job for ever.
"""

import threading
from collections.abc import Callable
from typing import Final

import attrs

from mpiop.k8s.clock import Clock
from mpiop.k8s.store import Key, Store
from mpiop.reconcile.actions import KindName, Ref

PATIENCE_SECONDS: Final = 15.0


@attrs.frozen
class _Awaited:
    """A version to be reached, or a uid to be lost.

    Attributes:
        lists: how often the kind had been listed when patience ended; one list more
            tells the truth, whatever was awaited. None before.
    """

    version: int
    gone_uid: str
    deadline: float
    lists: int | None = None


class Freshness:
    """What each job's own writes must have become visible as. Thread safe."""

    def __init__(
        self, store: Store, clock: Clock, relist: Callable[[KindName, str], None]
    ) -> None:
        self._store = store
        self._clock = clock
        self._relist = relist
        self._lock = threading.Lock()
        self._awaited: dict[str, dict[tuple[KindName, Key], _Awaited]] = {}

    def expect(self, job_uid: str, ref: Ref, version: int) -> None:
        """Wait until the cache shows this object at `version` or later."""
        self._add(job_uid, ref, version, "")

    def expect_gone(self, job_uid: str, ref: Ref, uid: str) -> None:
        """Wait until the cache shows this object no more."""
        self._add(job_uid, ref, 0, uid)

    def forget(self, job_uid: str) -> None:
        """Wait for nothing more of this job."""
        with self._lock:
            self._awaited.pop(job_uid, None)

    def wait(self, job_uid: str) -> float:
        """Seconds after which to look again, 0 where the cache shows every own write.

        An event that shows one comes as a turn of the job by itself.
        """
        with self._lock:
            awaited = self._awaited.get(job_uid, {})
            while awaited:
                (kind, key), one = next(iter(awaited.items()))
                if not self._seen(kind, key, one):
                    break
                del awaited[kind, key]
            else:
                self._awaited.pop(job_uid, None)
                return 0.0
            now = self._clock.monotonic()
            if now < one.deadline:
                return one.deadline - now
            deadline = now + PATIENCE_SECONDS
            lists = self._store.lists(kind, key.namespace)
            awaited[kind, key] = attrs.evolve(one, deadline=deadline, lists=lists)
        self._relist(kind, key.namespace)
        return PATIENCE_SECONDS

    def _add(self, job_uid: str, ref: Ref, version: int, gone_uid: str) -> None:
        deadline = self._clock.monotonic() + PATIENCE_SECONDS
        place = (ref.kind, Key(ref.namespace, ref.name))
        with self._lock:
            awaited = self._awaited.setdefault(job_uid, {})
            awaited[place] = _Awaited(version, gone_uid, deadline)

    def _seen(self, kind: KindName, key: Key, one: _Awaited) -> bool:
        lists = self._store.lists(kind, key.namespace)
        if one.lists is not None and lists > one.lists:
            return True
        if one.gone_uid:
            return self._store.has_lost(kind, key, one.gone_uid)
        return self._store.has_reached(kind, key, one.version)
