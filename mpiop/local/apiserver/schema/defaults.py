"""Defaults as the API server fills them in."""

from typing import Any

from .custom import CustomKind
from .kinds import Gvk


def default(kind: Gvk | CustomKind, obj: dict[str, Any]) -> None:
    """Fill in, in place, what the API server fills in on every write."""
    raise NotImplementedError


def prepare_create(kind: Gvk | CustomKind, obj: dict[str, Any]) -> None:
    """Set what a server sets only on creation: first status, a Job's selector.

    Call it after metadata.uid is set and after `default`.
    """
    raise NotImplementedError
