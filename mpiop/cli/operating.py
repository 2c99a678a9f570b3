"""Runs an operator from settings: the same for a cluster far away and for ours."""

import logging
import sys
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final, Self

from mpiop.cli.feed import Message, Signalled
from mpiop.cli.signals import as_messages
from mpiop.k8s import credentials, keys
from mpiop.k8s.clock import Clock
from mpiop.k8s.errors import ApiError
from mpiop.k8s.http import HttpTransport
from mpiop.k8s.operator import Operator
from mpiop.k8s.settings import Settings
from mpiop.reconcile.plan import plan

log = logging.getLogger(__name__)
_PLAIN: Final = frozenset(
    logging.LogRecord("", 0, "", 0, "", (), None).__dict__
) | frozenset({"message", "asctime", "taskName"})


def build(settings: Settings) -> tuple[Operator, HttpTransport]:
    """Make an operator that speaks to the API server of the settings.

    Raises:
        SettingsError: no credentials are found.
    """
    clock = Clock.system()
    transport = HttpTransport(lambda: credentials.load(settings), clock)
    operator = Operator(
        settings, transport, clock=clock, plan=plan, make_keys=keys.make_keys
    )
    return operator, transport


class Background:
    """An operator on a thread; a context manager that ends it.

    Args:
        settings: of the operator.
        failed: called on that thread with what the API server refuses at the start.
    """

    def __init__(
        self, settings: Settings, failed: Callable[[ApiError], None] = lambda _: None
    ) -> None:
        self._operator, self._transport = build(settings)
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
        self._transport.close()

    def _run(self) -> None:
        try:
            self._operator.run(self._stop)
        except ApiError as error:
            self._failed(error)


def serve(settings: Settings) -> int:
    """Run an operator until a signal asks it to end; give the exit code.

    Raises:
        SettingsError: there are no credentials.
    """
    log_to_stderr(logging.INFO)
    inbox: SimpleQueue[Message] = SimpleQueue()
    refused: list[ApiError] = []

    def fail(error: ApiError) -> None:
        refused.append(error)
        inbox.put(Signalled(0))

    with as_messages(inbox), Background(settings, fail):
        inbox.get()
    if refused:
        log.error("the API server refuses", extra={"cause": str(refused[0])})
    return 1 if refused else 0


class _Formatter(logging.Formatter):
    """A constant message, then its context as key=value."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            key: value
            for key, value in record.__dict__.items()
            if key not in _PLAIN and value not in {"", None}
        }
        extra = "".join(f" {key}={value!s}" for key, value in told.items())
        return super().format(record) + extra


def log_to_stderr(level: int) -> None:
    """Send this process's log to stderr, from `level` on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger("mpiop")
    root.handlers[:] = [handler]
    root.setLevel(level)
    root.propagate = False
