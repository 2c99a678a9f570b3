"""Tables for kubectl get."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from .custom import CustomKind
from .kinds import Gvk


def table(
    kind: Gvk | CustomKind,
    objects: Sequence[Mapping[str, Any]],
    now: datetime,
    include: Literal["Metadata", "Object", "None"] = "Metadata",
) -> dict[str, Any]:
    """Make a meta.k8s.io/v1 Table with the columns kubectl users know.

    The caller adds `metadata` (resourceVersion, continue) of the list. `include` is the
    query parameter includeObject.
    """
    raise NotImplementedError
