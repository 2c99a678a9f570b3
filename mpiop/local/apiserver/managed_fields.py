"""metadata.managedFields: who wrote which fields, in which version.

Lists count as one field here; real servers look into those with keys. Nothing is
decided by this record, since server-side apply is not served: it tells versions and
writers.
"""

from collections.abc import Mapping
from typing import Any, Final

from .context import Call, Object

_SYSTEM: Final = frozenset(
    {
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "name",
        "namespace",
        "resourceVersion",
        "uid",
    }
)
Fields = dict[str, Any]


def _view(obj: Mapping[str, Any]) -> Object:
    meta = {k: v for k, v in obj.get("metadata", {}).items() if k not in _SYSTEM}
    rest = {k: v for k, v in obj.items() if k not in {"apiVersion", "kind", "metadata"}}
    return ({"metadata": meta} if meta else {}) | rest


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Fields:
    fields: Fields = {}
    for key, value in new.items():
        before = old.get(key)
        if value == before:
            continue
        if isinstance(value, dict):
            inner = _changed(before if isinstance(before, dict) else {}, value)
            fields[f"f:{key}"] = inner
        else:
            fields[f"f:{key}"] = {}
    return fields


def _without(fields: Fields, taken: Fields) -> Fields:
    left: Fields = {}
    for key, inner in fields.items():
        if key not in taken:
            left[key] = inner
        elif inner and (rest := _without(inner, taken[key])):
            left[key] = rest
    return left


def _joined(one: Fields, other: Fields) -> Fields:
    both = {**one, **other}
    for key in one.keys() & other.keys():
        both[key] = _joined(one[key], other[key])
    return both


def record_writer(old: Mapping[str, Any], new: Object, call: Call, now: str) -> None:
    """Note in `new` that this call's sender wrote what differs from `old`."""
    meta = new["metadata"]
    entries = list(old.get("metadata", {}).get("managedFields", ()))
    fields = _changed(_view(old), _view(new))
    if fields:
        request = call.request
        agent = request.headers.get("user-agent", "unknown").partition("/")[0]
        identity = {
            "manager": request.param("fieldManager") or agent,
            "operation": "Update",
            "apiVersion": call.resource.group_version,
        }
        if call.subresource:
            identity["subresource"] = call.subresource
        entries = _merged(entries, identity, fields, now)
    meta.pop("managedFields", None)
    if entries:
        meta["managedFields"] = entries


def _merged(
    entries: list[Object], identity: dict[str, str], fields: Fields, now: str
) -> list[Object]:
    kept: list[Object] = []
    owned = fields
    for entry in entries:
        known = {key: entry[key] for key in entry if key in _IDENTITY}
        if known == identity:
            owned = _joined(entry["fieldsV1"], fields)
        elif left := _without(entry["fieldsV1"], fields):
            kept.append({**entry, "fieldsV1": left})
    mine = {"time": now, "fieldsType": "FieldsV1", "fieldsV1": owned}
    return [*kept, {**identity, **mine}]


_IDENTITY: Final = frozenset({"manager", "operation", "apiVersion", "subresource"})
