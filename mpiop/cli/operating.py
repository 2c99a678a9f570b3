"""Runs an operator from settings: the same for a cluster far away and for ours."""

import gc
import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final, Self

from mpiop.cli.feed import Message, Signalled
from mpiop.cli.logs import log_to_stderr, log_uncaught
from mpiop.cli.signals import as_messages
from mpiop.k8s.credentials import in_cluster
from mpiop.k8s.errors import ApiError
from mpiop.k8s.monitoring import Monitoring, application
from mpiop.k8s.operator import Operator, connect
from mpiop.k8s.settings import Settings

LOOPBACK: Final = "127.0.0.1"
log = logging.getLogger(__name__)


class Background:
    """An operator on a thread; a context manager that ends it.

    Args:
        operator: what to run.
        failed: called on that thread with what ended it before it was told to end.
    """

    def __init__(
        self, operator: Operator, failed: Callable[[Exception], None] = lambda _: None
    ) -> None:
        self._operator = operator
        self._failed = failed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="operator")

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End it, and wait."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._operator.run(self._stop)
        except Exception as error:  # noqa: BLE001 (whoever waits is told)
            self._failed(error)


def imported() -> None:
    """Keep what is here out of the garbage collector's way, and let that work.

    It does not before (mpiop/__main__.py). To look through what has been imported again
    and again is a fifth of the imports, and a tenth of what a thousand workers cost.
    """
    gc.freeze()
    gc.enable()


def serve(settings: Settings) -> int:
    """Run an operator until a signal asks it to end; give the exit code.

    Raises:
        SettingsError: there are no credentials, or a port cannot be had.
    """
    log_to_stderr(settings.log_level, settings.log_format)
    log_uncaught()
    inbox: SimpleQueue[Message] = SimpleQueue()
    failures: list[Exception] = []

    def fail(error: Exception) -> None:
        failures.append(error)
        inbox.put(Signalled(0))

    operator = connect(settings)
    operator.metrics.measure_process()
    gc.collect()  # it lives long: what imports left behind is not kept
    imported()
    app = application(operator.metrics.registry, operator.probes)
    address = settings.bind_address or ("" if in_cluster() else LOOPBACK)
    with (
        as_messages(inbox),
        Monitoring(app, address, settings.ports),
        Background(operator, fail),
    ):
        inbox.get()
    for failure in failures:
        if isinstance(failure, ApiError):  # a bug has been logged where it was met
            log.error("the API server refuses", extra={"cause": str(failure)})
    log.info("ended", extra={"failed": bool(failures)})
    return 1 if failures else 0
