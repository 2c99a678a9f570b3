"""Read values out of JSON that may hold anything: absent and odd read as nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from mpiop.reconcile.mpijob import Json


def parse_time(value: object) -> datetime | None:
    """Read an RFC 3339 time as the API writes it; None where there is none."""
    return datetime.fromisoformat(value) if isinstance(value, str) and value else None


def dig(value: object, *path: str) -> object:
    """Follow keys into JSON; None where the way ends."""
    for key in path:
        # JSON is made of dicts: asking whether one is a mapping costs far more.
        if type(value) is not dict and not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def text(value: object, *path: str) -> str:
    """Read a string at a path; empty where there is none."""
    found = dig(value, *path)
    return found if isinstance(found, str) else ""


def items(value: object, *path: str) -> Sequence[Json]:
    """Read a list of objects at a path; empty where there is none."""
    found = dig(value, *path)
    return cast("Sequence[Json]", found) if isinstance(found, list) else ()


def integer(value: object, *path: str) -> int:
    """Read a number at a path; 0 where there is none."""
    found = dig(value, *path)
    return found if isinstance(found, int) else 0
