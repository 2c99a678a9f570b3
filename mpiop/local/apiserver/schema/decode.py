"""Decoding: JSON types, unknown fields and their removal."""

from typing import Any

from .custom import CustomKind
from .kinds import Gvk


def decode(kind: Gvk | CustomKind, obj: dict[str, Any]) -> list[str]:
    """Drop unknown fields of `obj` in place and name them as the server's decoder does.

    Returns:
        `unknown field "spec.containers[0].resources.request"`, one each.

    Raises:
        DecodeError: a value has the wrong JSON type; 400 BadRequest.
    """
    raise NotImplementedError
