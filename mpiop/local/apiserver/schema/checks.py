"""Semantic validation: the causes of a 422 answer."""

from collections.abc import Mapping
from typing import Any

from .custom import CustomKind
from .errors import FieldError
from .kinds import Gvk


def check(kind: Gvk | CustomKind, obj: Mapping[str, Any]) -> list[FieldError]:
    """Judge an object that is to be created, defaults already in."""
    raise NotImplementedError


def check_update(
    kind: Gvk | CustomKind, old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[FieldError]:
    """Judge the new state of an object: all of `check`, and what must not change."""
    raise NotImplementedError


def check_status_update(
    kind: Gvk | CustomKind, old: Mapping[str, Any], new: Mapping[str, Any]
) -> list[FieldError]:
    """Judge a write to the status subresource: metadata, a custom status schema."""
    raise NotImplementedError
