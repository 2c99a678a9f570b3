"""Tables for kubectl get."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import orjson

from .ages import since
from .custom import CustomKind
from .json_path import find
from .kinds import Gvk
from .rows import NAME_AGE, ROWS

_NUMBERS: Final = {"Count", "Value"}


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
    if isinstance(kind, CustomKind):
        columns = _custom_columns(kind)
        cells = [_custom_cells(kind, obj, now) for obj in objects]
    else:
        names, row = ROWS.get(kind, NAME_AGE)
        columns = [_column(name) for name in names.split()]
        cells = [row(obj, now) for obj in objects]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": columns,
        "rows": [
            {"cells": row_cells, **_included(obj, include)}
            for row_cells, obj in zip(cells, objects, strict=True)
        ],
    }


def _included(obj: Mapping[str, Any], include: str) -> dict[str, Any]:
    if include == "None":
        return {}
    if include == "Object":
        return {"object": obj}
    return {
        "object": {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": obj["metadata"],
        }
    }


def _column(mark: str) -> dict[str, Any]:
    name = mark.removeprefix("*").replace("_", " ")
    return {
        "name": name,
        "type": "integer" if name in _NUMBERS else "string",
        "format": "name" if name == "Name" else "",
        "description": "",
        "priority": int(mark.startswith("*")),
    }


_AGE: Final = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def _custom_columns(kind: CustomKind) -> list[dict[str, Any]]:
    return [_column("Name")] + [
        {
            "name": column["name"],
            "type": column["type"],
            "format": column.get("format", ""),
            "description": column.get("description", ""),
            "priority": column.get("priority", 0),
        }
        for column in kind.columns or (_AGE,)
    ]


def _custom_cells(
    kind: CustomKind, obj: Mapping[str, Any], now: datetime
) -> list[object]:
    return [obj["metadata"]["name"]] + [
        _custom_cell(column, find(column["jsonPath"], obj), now)
        for column in kind.columns or (_AGE,)
    ]


def _custom_cell(column: Mapping[str, Any], found: list[Any], now: datetime) -> object:
    if not found or found[0] is None:
        return None
    value = found[0]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match column["type"]:
        case "date":
            return since(value, now) if isinstance(value, str) else "<invalid>"
        case "integer":
            return int(value) if number else None
        case "number":
            return value if number else None
        case "boolean":
            return value if isinstance(value, bool) else None
        case _:
            return " ".join(map(_text, found))


def _text(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
