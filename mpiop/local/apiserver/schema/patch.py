"""Patches: strategic merge, JSON merge (RFC 7386) and JSON patch (RFC 6902)."""

from collections.abc import Mapping
from typing import Any, Final

from .cloning import clone
from .custom import CustomKind
from .errors import PatchError
from .json_patch import json_patch
from .kinds import Gvk
from .strategic import strategic_merge
from .structure import structure

JSON: Final = "application/json-patch+json"
MERGE: Final = "application/merge-patch+json"
STRATEGIC: Final = "application/strategic-merge-patch+json"


def apply_patch(
    content_type: str, kind: Gvk | CustomKind, old: Mapping[str, Any], patch: object
) -> dict[str, Any]:
    """Apply a decoded patch to an object; neither argument is changed.

    The answer is to be decoded, defaulted and checked like the body of an update.

    Args:
        content_type: the media type, parameters allowed.
        kind: decides merge keys; a CustomKind takes no strategic merge.
        old: the object as stored.
        patch: the decoded body.

    Raises:
        PatchError: 400 for a malformed patch, 415 for a type that is not served here
            (apply-patch included), 422 for a JSON patch that does not fit.
    """
    media = content_type.partition(";")[0].strip().lower()
    served = [JSON, MERGE] + ([] if isinstance(kind, CustomKind) else [STRATEGIC])
    if media not in served:
        raise PatchError(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types "
            f"include: {', '.join(served)}",
        )
    result: object
    if media == JSON:
        result = json_patch(old, patch)
    else:
        if not isinstance(patch, dict):
            raise PatchError(400, "BadRequest", "error decoding patch: not an object")
        if media == MERGE or isinstance(kind, CustomKind):
            result = merge_patch(old, patch)
        else:
            result = strategic_merge(structure(kind), old, patch)
    if not isinstance(result, dict):
        raise PatchError(400, "BadRequest", "the patch leaves no object")
    return result


def merge_patch(target: object, patch: object) -> Any:  # noqa: ANN401
    """Apply RFC 7386 to any JSON value."""
    return clone(_merged(target, patch))


def _merged(target: object, patch: object) -> object:
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merged(result.get(key), value)
    return result
