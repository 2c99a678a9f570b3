"""Wires the shell together and drives it: by `step` in a test, by threads for real."""

import logging
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Final

from mpiop.k8s.api import Api
from mpiop.k8s.clock import Clock
from mpiop.k8s.controller import Controller, Planner
from mpiop.k8s.credentials import load
from mpiop.k8s.driving import Drive
from mpiop.k8s.executor import Executor, KeyMaker
from mpiop.k8s.fence import Fence
from mpiop.k8s.freshness import Freshness
from mpiop.k8s.http import HttpTransport
from mpiop.k8s.keys import make_keys
from mpiop.k8s.kinds import watched
from mpiop.k8s.leader import Elector, Lock
from mpiop.k8s.lessons import Lessons
from mpiop.k8s.limits import Paced, TokenBucket
from mpiop.k8s.metrics import Metrics
from mpiop.k8s.probes import Probes
from mpiop.k8s.pulse import Pulse
from mpiop.k8s.reflector import Reflector
from mpiop.k8s.rights import Rights
from mpiop.k8s.settings import Settings
from mpiop.k8s.store import Key, Store
from mpiop.k8s.transport import Transport
from mpiop.k8s.workqueue import WorkQueue
from mpiop.reconcile.actions import KindName
from mpiop.reconcile.plan import plan

BURST_FACTOR: Final = 2.0
# Whose absence is judged: a new leader looks at these anew.
JUDGED: Final[frozenset[KindName]] = frozenset({"MPIJob", "Pod", "Job"})
log = logging.getLogger(__name__)


class Operator:
    """One operator: a cache, a queue and hands.

    Args:
        settings: what it was told from outside.
        transport: the way to the API server.
        clock: time and chance.
        plan: the core.
        make_keys: makes the data of a job's ssh Secret.
        identity: who it is in the election; "" where it works without one.
    """

    def __init__(  # noqa: PLR0913 (the composition root names every part once)
        self,
        settings: Settings,
        transport: Transport,
        *,
        clock: Clock,
        plan: Planner,
        make_keys: KeyMaker,
        identity: str = "",
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._leading = threading.RLock()  # reflectors tell of lists, it of the Lease
        self._awaited: Mapping[tuple[KindName, str], int] | None = None
        self.metrics = Metrics()
        self.pulse = Pulse(clock)
        self.store = Store(settings.namespaces)
        self.queue: WorkQueue[Key] = WorkQueue(clock, _retries(settings, clock))
        self.elector = self._elector(transport, identity) if identity else None
        self.rights = Rights(transport, clock, settings, self.metrics.request)
        self.probes = Probes(
            self.pulse, self.rights, self.elector, self.unlisted, self.unserved
        )
        self.metrics.watch(
            self.store,
            lambda: len(self.queue),
            lambda: self.queue.age,
            self.may_write,
        )
        self._fence = Fence(transport, self.may_write)
        api = Api(_paced(self._fence, settings, clock), clock, self.metrics.request)
        self.reflectors = {
            (kind, namespace): Reflector(
                kind,
                api,
                self.store,
                clock,
                changed=self.queue.add,
                namespace=namespace,
                relist_seconds=settings.relist_seconds,
                on_restart=self.metrics.restart,
                on_list=self._listed,
            )
            for kind, namespace in product(
                watched(settings.install), settings.namespaces
            )
        }
        freshness = Freshness(self.store, clock, self._relist)
        lessons = Lessons(clock)
        self._executor = Executor(
            api,
            clock,
            freshness,
            lessons,
            count=self.metrics.count,
            make_keys=make_keys,
        )
        self._controller = Controller(
            api,
            self.store,
            self.queue,
            self._executor,
            lessons,
            freshness,
            self.metrics,
            clock,
            plan,
            settings.install,
            settings.resync_seconds,
        )

    @property
    def has_synced(self) -> bool:
        """Whether everything has been listed once; before, nothing is planned."""
        return not any(self.unlisted())

    def unlisted(self) -> Iterator[str]:
        """Name what has not been listed yet."""
        for place, reflector in self.reflectors.items():
            if not self.store.has_listed(*place):
                yield reflector.name

    def unserved(self) -> Iterator[str]:
        """Name the kinds that the API server does not know."""
        found = map(self.store.unserved, self._settings.namespaces)
        yield from frozenset[str]().union(*found)

    def may_write(self) -> bool:
        """Whether this replica is the one that writes, now."""
        return self.elector is None or self.elector.leading

    def step(self) -> float:
        """Do all that is due now, on this thread.

        Returns:
            Seconds until something is due again by itself.
        """
        while True:
            waits = [reflector.step() for reflector in self.reflectors.values()]
            if self.elector is not None:
                waits.append(self.elector.step())
            if min(waits) <= 0:
                continue
            if not (self.has_synced and self.may_write()):
                return min(waits)
            key = self.queue.get()
            if key is None:
                due = self.queue.next_in()
                return min([*waits, *([] if due is None else [due])])
            self._turn(key)

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop, on threads of its own; end within some seconds.

        Raises:
            ApiError: at the start, the API server refuses a list that is needed.
            Exception: a loop met a bug; what it looked after stands still.
        """
        Drive(
            tuple(self.reflectors.values()),
            self.elector,
            self._executor,
            self.queue,
            self._fence,
            self.pulse,
            self._clock,
            self._turn,
            rights=self.rights,
            has_synced=lambda: self.has_synced,
            workers=self._settings.workers,
        ).run(stop)

    def close(self) -> None:
        """Give back what is open, where `run` was not or is over."""
        for reflector in self.reflectors.values():
            reflector.close()
        self._fence.close()

    def _elector(self, transport: Transport, identity: str) -> Elector:
        told = self._settings
        lock = Lock(
            told.lock_namespace,
            told.lock_name,
            identity,
            told.lease_seconds,
            told.renew_seconds,
            told.retry_seconds,
        )
        elector = Elector(transport, self._clock, lock, self.metrics.request)
        elector.on_change = self._led
        self.queue.hold()
        return elector

    def _led(self, leading: bool) -> None:  # noqa: FBT001 (the elector's own word)
        """Work while leading, from when the children are known as they are now.

        A standby's watch may have died unnoticed. What it does not show would be taken
        for lost, while the job, seen by another watch, is up to date.
        """
        with self._leading:
            self._awaited = None
            if not leading:
                self.queue.hold()
                return
            judged = [place for place in self.reflectors if place[0] in JUDGED]
            lists = {place: self.store.lists(*place) for place in judged}
            renewed = [place for place in judged if self.reflectors[place].renew()]
            self._awaited = {place: lists[place] for place in renewed}
            self._listed()

    def _listed(self) -> None:
        """Look at every job, whatever happened meanwhile, once nothing is awaited."""
        with self._leading:
            awaited = self._awaited
            if awaited is None:
                return
            if any(self.store.lists(*one) <= seen for one, seen in awaited.items()):
                return
            self._awaited = None
            for key in self.store.keys():  # noqa: SIM118 (its own method)
                self.queue.add(key)
            self.queue.go()

    def _relist(self, kind: KindName, namespace: str) -> None:
        log.warning("an own write is not seen: listing anew", extra={"kind": kind})
        found = self.reflectors.get((kind, ""))
        (found or self.reflectors[kind, namespace]).relist()

    def _turn(self, key: Key) -> None:
        cost = 0.0
        try:
            cost = self._controller.reconcile(key)
        finally:
            self.queue.done(key, cost)


def connect(settings: Settings) -> Operator:
    """Wire an operator to the API server that its settings lead to.

    Raises:
        SettingsError: there are no credentials, or they cannot be read.
    """
    clock = Clock.system()
    transport = HttpTransport(lambda: load(settings), clock, settings.writers)
    identity = f"{socket.gethostname()}_{uuid.uuid4()}" if settings.leader_elect else ""
    return Operator(
        settings,
        transport,
        clock=clock,
        plan=plan,
        make_keys=make_keys,
        identity=identity,
    )


def _retries(settings: Settings, clock: Clock) -> TokenBucket | None:
    rate = settings.controller_queue_rate_limit
    return TokenBucket(clock, rate, settings.controller_queue_burst) if rate else None


def _paced(transport: Transport, settings: Settings, clock: Clock) -> Transport:
    rate = settings.kube_api_qps
    if not rate:
        return transport
    burst = settings.kube_api_burst or BURST_FACTOR * rate
    return Paced(transport, clock, TokenBucket(clock, rate, burst))
