"""How this process logs: a constant message and its context, as text or as JSON."""

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final

_PLAIN: Final = frozenset(
    logging.LogRecord("", 0, "", 0, "", (), None).__dict__
) | frozenset({"message", "asctime", "taskName"})
log = logging.getLogger(__name__)


def log_to_stderr(level: str, style: str = "text") -> None:
    """Send this process's log to stderr, from `level` on, as `text` or `json`."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger("mpiop")
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    root.propagate = False


def log_uncaught() -> None:
    """Log what nobody catches, in any thread, once and in the log's own format."""

    def tell(
        kind: type[BaseException],
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and not issubclass(kind, KeyboardInterrupt):
            log.critical("uncaught", exc_info=(kind, error, trace))

    sys.excepthook = tell
    threading.excepthook = lambda args: tell(
        args.exc_type, args.exc_value, args.exc_traceback
    )


class TextFormatter(logging.Formatter):
    """A line: time, level, message, then the context as key=value."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's)
        """Put the context behind the message, before any traceback."""
        told = (f" {key}={_quoted(value)}" for key, value in context(record).items())
        return super().formatMessage(record) + "".join(told)


class JsonFormatter(logging.Formatter):
    """A JSON object on a line: time, level, logger, message, context, traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        when = datetime.fromtimestamp(record.created, UTC)
        told: dict[str, Any] = {
            "time": when.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **context(record),
        }
        if record.exc_info:
            told["traceback"] = self.formatException(record.exc_info)
        return json.dumps(told, default=str, ensure_ascii=False)


def context(record: logging.LogRecord) -> dict[str, Any]:
    """Give what was logged beside the message."""
    return {
        key: value
        for key, value in record.__dict__.items()
        if key not in _PLAIN and value is not None and value != ""
    }


def _quoted(value: object) -> str:
    """Write a value so that a line stays a line and a pair a pair."""
    text = str(value)
    plain = text.isprintable() and not any(sign in text for sign in ' "=')
    return text if plain else json.dumps(text, ensure_ascii=False)
