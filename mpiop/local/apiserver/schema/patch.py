"""Patches: strategic merge, JSON merge (RFC 7386) and JSON patch (RFC 6902)."""

from collections.abc import Mapping
from typing import Any

from .custom import CustomKind
from .kinds import Gvk


def apply_patch(
    content_type: str, kind: Gvk | CustomKind, old: Mapping[str, Any], patch: object
) -> dict[str, Any]:
    """Apply a decoded patch to an object; neither argument is changed.

    Args:
        content_type: the media type, parameters allowed.
        kind: decides merge keys; a CustomKind takes no strategic merge.
        old: the object as stored.
        patch: the decoded body.

    Raises:
        PatchError: 400 for a malformed patch, 415 for a type that is not served here
            (apply-patch included), 422 for a JSON patch that does not fit.
    """
    raise NotImplementedError
