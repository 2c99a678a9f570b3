"""Wires the shell together and drives it: by `step` in a test, by threads for real."""

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from mpiop.k8s.api import Api
from mpiop.k8s.clock import Clock
from mpiop.k8s.controller import Controller, Planner
from mpiop.k8s.credentials import load
from mpiop.k8s.errors import ApiError
from mpiop.k8s.executor import Executor, KeyMaker, Result, one_by_one
from mpiop.k8s.freshness import Freshness
from mpiop.k8s.http import HttpTransport
from mpiop.k8s.keys import make_keys
from mpiop.k8s.kinds import RESOURCES, watched
from mpiop.k8s.lessons import Lessons
from mpiop.k8s.metrics import Metrics
from mpiop.k8s.reflector import Reflector
from mpiop.k8s.settings import Settings
from mpiop.k8s.store import Key, Store
from mpiop.k8s.transport import Transport
from mpiop.k8s.workqueue import WorkQueue
from mpiop.reconcile.actions import KindName
from mpiop.reconcile.plan import plan

STOP_SECONDS: Final = 2.0
SYNC_SECONDS: Final = 0.05
log = logging.getLogger(__name__)


class Operator:
    """One operator: a cache, a queue and hands.

    Args:
        settings: what it was told from outside.
        transport: the way to the API server.
        clock: time and chance.
        plan: the core.
        make_keys: makes the data of a job's ssh Secret.
        may_write: asked before every write, e.g. whether the lease is held.
    """

    def __init__(  # noqa: PLR0913 (the composition root names every part once)
        self,
        settings: Settings,
        transport: Transport,
        *,
        clock: Clock,
        plan: Planner,
        make_keys: KeyMaker,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._crash: Exception | None = None
        self.metrics = Metrics()
        self.store = Store()
        self.queue: WorkQueue[Key] = WorkQueue(clock)
        self.metrics.queue_depth.set_function(lambda: len(self.queue))
        api = Api(transport, clock, may_write, self.metrics.request)
        self.reflectors = {
            kind: Reflector(
                kind,
                api,
                self.store,
                clock,
                changed=self.queue.add,
                namespace=settings.namespace,
                relist_seconds=settings.relist_seconds,
                on_restart=self.metrics.restart,
            )
            for kind in watched(settings.install)
        }
        freshness = Freshness(self.store, clock, self._relist)
        lessons = Lessons(clock)
        self._executor = Executor(
            api,
            clock,
            freshness,
            lessons,
            spawn=one_by_one,
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
        self._clock = clock

    @property
    def has_synced(self) -> bool:
        """Whether every kind has been listed once; before, nothing is planned."""
        return all(self.store.has_synced(kind) for kind in self.reflectors)

    def step(self) -> float:
        """Do all that is due now, on this thread.

        Returns:
            Seconds until something is due again by itself.
        """
        while True:
            waits = [reflector.step() for reflector in self.reflectors.values()]
            if min(waits) <= 0:
                continue
            if not self.has_synced:
                return min(waits)
            key = self.queue.get()
            if key is None:
                due = self.queue.next_in()
                return min([*waits, *([] if due is None else [due])])
            self._turn(key)

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop, on threads of its own; end within two seconds.

        Raises:
            ApiError: at the start, the API server refuses a list that is needed.
            Exception: a reflector met a bug; its cache stands still.
        """
        threads = [
            threading.Thread(target=self._reflect, args=(one, stop), name=kind)
            for kind, one in self.reflectors.items()
        ]
        threads += [
            threading.Thread(target=self._work, args=(stop,), name=f"worker-{number}")
            for number in range(self._settings.workers)
        ]
        with ThreadPoolExecutor(self._settings.writers, "writer") as pool:
            self._executor.spawn = lambda calls: _side_by_side(pool, calls)
            for thread in threads:
                thread.daemon = True  # a call that hangs must not keep the process
                thread.start()
            try:
                self._sync(stop)
                stop.wait()
            finally:
                stop.set()
                self._close(threads)
                pool.shutdown(wait=False, cancel_futures=True)
        if self._crash is not None:
            raise self._crash

    def close(self) -> None:
        """Give back what is open, where `run` was not or is over."""
        for reflector in self.reflectors.values():
            reflector.close()
        self._transport.close()

    def _sync(self, stop: threading.Event) -> None:
        while not self.has_synced and not stop.is_set():
            refusal = self._refusal()
            if refusal is not None:
                raise refusal
            stop.wait(SYNC_SECONDS)
        log.info("caches have synced")

    def _refusal(self) -> ApiError | None:
        refusals = (
            reflector.refusal
            for kind, reflector in self.reflectors.items()
            if not RESOURCES[kind].optional
        )
        return next((error for error in refusals if error is not None), None)

    def _close(self, threads: Sequence[threading.Thread]) -> None:
        self.queue.close()
        self.close()
        end = self._clock.monotonic() + STOP_SECONDS
        for thread in threads:
            thread.join(max(0.0, end - self._clock.monotonic()))

    def _relist(self, kind: KindName) -> None:
        log.warning("an own write is not seen: listing anew", extra={"kind": kind})
        self.reflectors[kind].relist()

    def _reflect(self, reflector: Reflector, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                stop.wait(reflector.step())
        except Exception as error:
            log.exception("reflector failed", extra={"kind": reflector.kind})
            self._crash = error  # a cache that stands still must not be planned on
            stop.set()
        finally:
            reflector.close()

    def _work(self, stop: threading.Event) -> None:
        while not self.has_synced and not stop.is_set():
            stop.wait(SYNC_SECONDS)
        while (key := self.queue.get(wait=None)) is not None:
            try:
                self._turn(key)
            except Exception:
                # A bug that one job meets must not stop the others.
                log.exception("reconcile failed", extra={"mpijob": str(key)})
                self.queue.add_rate_limited(key)

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
    transport = HttpTransport(lambda: load(settings), clock)
    return Operator(settings, transport, clock=clock, plan=plan, make_keys=make_keys)


def _side_by_side(
    pool: ThreadPoolExecutor, calls: Sequence[Callable[[], Result]]
) -> Sequence[Result]:
    futures = [pool.submit(call) for call in calls]
    return [future.result() for future in futures]
