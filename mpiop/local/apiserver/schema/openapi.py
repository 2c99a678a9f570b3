"""OpenAPI documents, as much of them as kubectl reads."""

from collections.abc import Iterable
from typing import Any

from .custom import CustomKind
from .kinds import Builtin


def openapi_v3_index(kinds: Iterable[Builtin | CustomKind]) -> dict[str, Any]:
    """Answer GET /openapi/v3: one document per group and version."""
    raise NotImplementedError


def openapi_v3_document(
    group_version: str, kinds: Iterable[Builtin | CustomKind]
) -> dict[str, Any]:
    """Answer GET /openapi/v3/api/v1 or /openapi/v3/apis/<group>/<version>."""
    raise NotImplementedError


def openapi_v2() -> bytes | None:
    """Answer GET /openapi/v2; None: answer 404, kubectl does without."""
    raise NotImplementedError
