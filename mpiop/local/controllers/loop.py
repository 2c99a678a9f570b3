"""The loop over all controllers, driven from outside, on whatever clock it is given."""

import logging
from collections.abc import Callable, Hashable, Iterable
from datetime import datetime, timedelta
from typing import Final, Protocol

from mpiop.local.client import ApiError, Client

from .cache import Caches, Change
from .endpoints import EndpointController
from .garbage import GarbageCollector
from .job import JobController
from .namespaces import NamespaceController
from .pod_garbage import PodGarbageCollector
from .queue import Queue
from .recorder import Recorder
from .scheduler import Scheduler

_LOG: Final = logging.getLogger(__name__)
_ROUNDS: Final = 100
_STALE: Final = frozenset({404, 409})


class Controller(Protocol):
    """One concern: says which keys a change touches, and brings one key in order."""

    def keys(self, change: Change) -> Iterable[Hashable]:
        """Say which keys to look at because of a change."""
        ...

    def sync(self, key: Hashable, now: datetime) -> timedelta | None:
        """Bring a key in order; say when to look again. Raises ApiError."""
        ...


class Controllers:
    """All controllers of the embedded cluster, in one thread."""

    def __init__(
        self, client: Client, clock: Callable[[], datetime], ca_pem: str = ""
    ) -> None:
        self._clock = clock
        self._wake: Callable[[], None] = lambda: None
        caches = self._caches = Caches(client, self._ready)
        events = Recorder(client, clock)
        controllers: tuple[Controller, ...] = (
            NamespaceController(client, caches, ca_pem),
            Scheduler(client, caches, events),
            JobController(client, caches, events),
            EndpointController(client, caches),
            PodGarbageCollector(client, caches),
            GarbageCollector(client, caches),
        )
        self._queues = [(controller, Queue()) for controller in controllers]

    def on_ready(self, callback: Callable[[], None]) -> None:
        """Call back whenever a step may have something to do before its timer."""
        self._wake = callback

    def step(self) -> float | None:
        """Do all that is due until the cluster is quiet.

        Returns:
            Seconds until the next timer, None if there is none. 0 means that it did
            not become quiet in a hundred rounds and gave others a turn.
        """
        for _ in range(_ROUNDS):
            for change in self._caches.update():
                for controller, queue in self._queues:
                    for key in controller.keys(change):
                        queue.add(key)
            if not sum(self._run(*each) for each in self._queues):
                return self._seconds_to_next()
        _LOG.warning("controllers did not become quiet")
        return 0.0

    def _ready(self) -> None:
        self._wake()

    def _run(self, controller: Controller, queue: Queue) -> int:
        now = self._clock()
        due = queue.take(now)
        for key in due:
            try:
                delay = controller.sync(key, now)
            except ApiError as error:
                _LOG.debug("sync refused", extra={"key": key, "error": error.message})
                queue.retry(key, now, stale=error.status in _STALE)
            else:
                queue.settle(key)
                if delay is not None:
                    queue.add_at(key, now + delay)
        return len(due)

    def _seconds_to_next(self) -> float | None:
        times = [when for _, queue in self._queues if (when := queue.next())]
        if not times:
            return None
        return max((min(times) - self._clock()).total_seconds(), 0.0)
