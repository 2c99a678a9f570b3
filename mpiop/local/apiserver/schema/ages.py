"""Times as kubectl prints them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400
_YEAR: Final = 365 * _DAY

_STEPS: Final = (
    # below (seconds): unit, its letter, and the smaller unit shown beside it, or none
    (2 * _MINUTE, 1, "s", 0, ""),
    (10 * _MINUTE, _MINUTE, "m", 1, "s"),
    (3 * _HOUR, _MINUTE, "m", 0, ""),
    (8 * _HOUR, _HOUR, "h", _MINUTE, "m"),
    (2 * _DAY, _HOUR, "h", 0, ""),
    (8 * _DAY, _DAY, "d", _HOUR, "h"),
    (2 * _YEAR, _DAY, "d", 0, ""),
    (8 * _YEAR, _YEAR, "y", _DAY, "d"),
)


def human_duration(duration: timedelta) -> str:
    """Write a duration in at most two units: `95s`, `3m5s`, `4h`, `2d3h`."""
    if duration < timedelta(seconds=-1):
        return "<invalid>"
    seconds = max(0, int(duration.total_seconds()))
    for below, unit, letter, part, part_letter in _STEPS:
        if seconds < below:
            rest = seconds % unit // part if part else 0
            return f"{seconds // unit}{letter}" + (
                f"{rest}{part_letter}" if rest else ""
            )
    return f"{seconds // _YEAR}y"


def parse_time(text: object) -> datetime | None:
    """Read a time as the API writes it; None for anything else."""
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else None


def since(text: object, now: datetime) -> str:
    """Write how long ago a time was; `<unknown>` without one."""
    then = parse_time(text)
    return human_duration(now - then) if then else "<unknown>"


def age(obj: Mapping[str, Any], now: datetime) -> str:
    """Write the AGE column of an object."""
    return since(obj["metadata"].get("creationTimestamp"), now)
