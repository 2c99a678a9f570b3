"""Drives an operator by threads: one a reflector, some workers, an elector.

The order in which it ends is what a graceful end is: no new turn, no new write; the
writes that are on their way come back; then the lease is given back.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from mpiop.k8s.clock import Clock
from mpiop.k8s.errors import ApiError
from mpiop.k8s.executor import Executor
from mpiop.k8s.fence import Fence
from mpiop.k8s.kinds import RESOURCES
from mpiop.k8s.leader import Elector
from mpiop.k8s.pulse import Pulse
from mpiop.k8s.reflector import Reflector
from mpiop.k8s.rights import Rights
from mpiop.k8s.store import Key
from mpiop.k8s.workqueue import WorkQueue

STOP_SECONDS: Final = 3.0  # in which writes on their way may come back
SYNC_SECONDS: Final = 0.05
REFUSED_SECONDS: Final = 3.0  # a right that was granted just now may not show yet
SLACK_SECONDS: Final = 60.0
TURN_SECONDS: Final = 300.0  # in which a turn of a job makes one write, or ends
log = logging.getLogger(__name__)


@attrs.define
class Drive:
    """The threads of one operator.

    Attributes:
        turn: takes a key in hand and gives it back.
        has_synced: whether planning may begin.
        workers: threads that reconcile.
    """

    reflectors: Sequence[Reflector]
    elector: Elector | None
    executor: Executor
    queue: WorkQueue[Key]
    fence: Fence
    pulse: Pulse
    clock: Clock
    turn: Callable[[Key], None]
    rights: Rights
    has_synced: Callable[[], bool]
    workers: int
    _stop: threading.Event = attrs.field(factory=threading.Event)
    _crash: Exception | None = None

    def run(self, stop: threading.Event) -> None:
        """Work until told to stop; end within some seconds.

        Raises:
            ApiError: at the start, the API server refuses a list that is needed.
            Exception: a loop met a bug; what it looked after stands still.
        """
        self._stop = stop
        threads = [
            *(self._thread(one.name, self._reflect, one) for one in self.reflectors),
            *(
                self._thread(f"worker-{number}", self._work)
                for number in range(self.workers)
            ),
        ]
        threads.append(self._thread("rights", self._step, "rights", self.rights.step))
        leading = (
            []
            if self.elector is None
            else [self._thread("elector", self._step, "elector", self.elector.step)]
        )
        self.executor.beat = lambda: self.pulse.beat(
            threading.current_thread().name, TURN_SECONDS
        )
        for thread in [*threads, *leading]:
            thread.start()
        try:
            self._sync()
            stop.wait()
        finally:
            stop.set()
            self._close(threads, leading)
        if self._crash is not None:
            raise self._crash

    def _thread(
        self, name: str, target: Callable[..., None], *args: object
    ) -> threading.Thread:
        # A daemon: a call that hangs must not keep the process.
        return threading.Thread(target=target, args=args, name=name, daemon=True)

    def _sync(self) -> None:
        refused_since: float | None = None
        while not self.has_synced() and not self._stop.is_set():
            refusal, now = self._refusal(), self.clock.monotonic()
            if refusal is None:
                refused_since = None
            elif refused_since is None:
                refused_since = now
            elif now - refused_since > REFUSED_SECONDS:
                raise refusal
            self._stop.wait(SYNC_SECONDS)
        log.info("caches have synced")

    def _refusal(self) -> ApiError | None:
        refusals = (
            reflector.refusal
            for reflector in self.reflectors
            if not RESOURCES[reflector.kind].optional
        )
        return next((error for error in refusals if error is not None), None)

    def _close(
        self, threads: Sequence[threading.Thread], leading: Sequence[threading.Thread]
    ) -> None:
        end = self.clock.monotonic() + STOP_SECONDS
        self.queue.close()
        for reflector in self.reflectors:
            reflector.close()
        back = self.fence.shut(STOP_SECONDS)
        for thread in [*leading, *threads]:
            thread.join(max(0.0, end - self.clock.monotonic()))
        if self.elector is not None and not any(one.is_alive() for one in leading):
            if back:
                self.elector.release()
            else:
                log.warning("a write has not come back: the lease is not released")
        self.fence.close()

    def _guarded(self, name: str, loop: Callable[[], None]) -> None:
        """Run a loop; a bug in it ends the operator, said once."""
        try:
            loop()
        except Exception as error:
            log.exception("a loop failed", extra={"loop": name})
            self._crash = error
        finally:
            if not self._stop.is_set():
                self.pulse.stop(name)
                self._stop.set()

    def _reflect(self, reflector: Reflector) -> None:
        def loop() -> None:
            while not self._stop.is_set():
                self.pulse.beat(reflector.name, reflector.patience + SLACK_SECONDS)
                wait = reflector.step()
                self.pulse.beat(reflector.name, wait + SLACK_SECONDS)
                if wait > 0:
                    self._stop.wait(wait)

        try:
            self._guarded(reflector.name, loop)
        finally:
            reflector.close()

    def _step(self, name: str, step: Callable[[], float]) -> None:
        def loop() -> None:
            while not self._stop.is_set():
                self.pulse.beat(name, SLACK_SECONDS)
                wait = step()
                self.pulse.beat(name, wait + SLACK_SECONDS)
                self._stop.wait(wait)

        self._guarded(name, loop)

    def _work(self) -> None:
        name = threading.current_thread().name

        def loop() -> None:
            while not self.has_synced() and not self._stop.is_set():
                self._stop.wait(SYNC_SECONDS)
            while True:
                self.pulse.rest(name)
                key = self.queue.get(wait=None)
                if key is None:
                    return
                self.pulse.beat(name, TURN_SECONDS)
                try:
                    self.turn(key)
                except Exception:
                    # A bug that one job meets must not stop the others.
                    log.exception("reconcile failed", extra={"mpijob": str(key)})
                    self.queue.add_rate_limited(key)

        self._guarded(name, loop)
