"""Decoding: JSON types, unknown fields and their removal."""

from typing import Any

from .custom import CustomKind
from .kinds import Gvk
from .walker import decode_builtin


def decode(kind: Gvk | CustomKind, obj: dict[str, Any]) -> list[str]:
    """Drop unknown fields of `obj` in place and name them as the server's decoder does.

    Built-in kinds also lose nulls and empty optional lists and maps, and get canonical
    quantities and times, as they do when the real server encodes them again.

    Returns:
        `unknown field "spec.containers[0].resources.request"`, one each.

    Raises:
        DecodeError: a value has the wrong JSON type, or is no quantity, time or base64
            where one is due; 400 BadRequest.
    """
    if isinstance(kind, CustomKind):
        return kind.decode(obj)
    return decode_builtin(kind, obj)
