"""Validation of custom resources by their schema, in a real server's words."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from .errors import (
    FieldError,
    duplicate,
    invalid,
    not_supported,
    required,
    shown,
    too_long,
    too_many,
    type_invalid,
)
from .json_patch import same
from .structural import Schema, child

_ABSENT: Final = object()
_DATE_TIME: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)"
)
_TYPES: Final[dict[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}


def check_schema(
    schema: Schema,
    value: Any,  # noqa: ANN401
    path: str,
    old: Any = _ABSENT,  # noqa: ANN401
) -> Iterator[FieldError]:
    """Find what the schema does not allow; unchanged parts of `old` are let through.

    A value that is as it was is not judged again (ratcheting), so that an object can be
    changed though its definition has become stricter since.
    """
    if old is not _ABSENT and same(old, value):
        return
    if (error := _type_error(schema, value, path)) is not None:
        yield error
        return
    if value is None:
        return
    if "enum" in schema and not any(same(value, one) for one in schema["enum"]):
        yield not_supported(path, value, schema["enum"])
    if isinstance(value, str):
        yield from _string(schema, value, path)
    elif isinstance(value, dict):
        yield from _object(schema, value, path, old)
    elif isinstance(value, list):
        yield from _array(schema, value, path, old)
    elif not isinstance(value, bool):
        yield from _number(schema, value, path)
    yield from _combined(schema, value, path)


def _type_error(schema: Schema, value: object, path: str) -> FieldError | None:
    if value is None and schema.get("nullable"):
        return None
    wanted = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        allowed = {"integer", "string"}
    elif wanted is None:
        return None
    else:
        allowed = {wanted} | ({"integer"} if wanted == "number" else set())
    seen = _TYPES.get(type(value), "null")
    if seen == "number" and isinstance(value, float) and value.is_integer():
        seen = "integer"
    if seen in allowed:
        return None
    name = wanted or "integer,string"
    return type_invalid(path, seen, f'{path} in body must be of type {name}: "{seen}"')


def _string(schema: Schema, value: str, path: str) -> Iterator[FieldError]:
    if len(value) < schema.get("minLength", 0):
        low = schema["minLength"]
        text = f"{path} in body should be at least {low} chars long"
        yield invalid(path, value, text)
    if len(value) > schema.get("maxLength", len(value)):
        yield too_long(path, schema["maxLength"])
    pattern = schema.get("pattern")
    if pattern and not compiled(pattern).search(value):
        yield invalid(path, value, f"{path} in body should match '{pattern}'")
    if schema.get("format") in {"date-time", "datetime"} and not _is_time(value):
        text = f"{path} in body must be of type date-time: {shown(value)}"
        yield type_invalid(path, value, text)


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of a schema; `$` is the very end there, also before a newline.

    Raises:
        re.error: not a regular expression.
    """
    end = pattern.endswith("$") and not pattern.endswith(r"\$")
    return re.compile(pattern[:-1] + r"\Z" if end else pattern)


def _is_time(text: str) -> bool:
    if _DATE_TIME.fullmatch(text) is None:
        return False
    try:
        datetime.fromisoformat(text.upper())
    except ValueError:
        return False
    return True


def _number(schema: Schema, value: float, path: str) -> Iterator[FieldError]:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if low is not None and (value < low or (above and value == low)):
        words = "greater than" if above else "greater than or equal to"
        yield invalid(path, value, f"{path} in body should be {words} {low}")
    if high is not None and (value > high or (below and value == high)):
        words = "less than" if below else "less than or equal to"
        yield invalid(path, value, f"{path} in body should be {words} {high}")
    if (step := schema.get("multipleOf")) and value % step:
        text = f"{path} in body should be a multiple of {step}"
        yield invalid(path, value, text)


def _object(
    schema: Schema, value: dict[str, Any], path: str, old: object
) -> Iterator[FieldError]:
    count = len(value)
    if count < (low := schema.get("minProperties", 0)):
        text = f"{path} in body should have at least {low} properties"
        yield invalid(path, count, text)
    if count > (high := schema.get("maxProperties", count)):
        yield too_many(path, count, high)
    for key in schema.get("required", ()):
        if key not in value:
            yield required(f"{path}.{key}" if path else key)
    before = old if isinstance(old, dict) else {}
    for key, entry in value.items():
        known = child(schema, key)
        if known is not None:
            where = f"{path}.{key}" if path else key
            yield from check_schema(known, entry, where, before.get(key, _ABSENT))


def _array(
    schema: Schema, value: list[Any], path: str, old: object
) -> Iterator[FieldError]:
    count = len(value)
    if count < (low := schema.get("minItems", 0)):
        text = f"{path} in body should have at least {low} items"
        yield invalid(path, count, text)
    if count > (high := schema.get("maxItems", count)):
        yield too_many(path, count, high)
    for index, item in enumerate(value):
        before = correlate(schema, item, old)
        where = f"{path}[{index}]"
        yield from check_schema(
            schema.get("items", {}),
            item,
            where,
            _ABSENT if before is None else before,
        )
    yield from _unique(schema, value, path)


def correlate(schema: Schema, item: object, old: object) -> Any:  # noqa: ANN401
    """Find the item of an old map-like list that a new one succeeds; else None."""
    keys = schema.get("x-kubernetes-list-map-keys", ())
    if not keys or not isinstance(old, list) or not isinstance(item, Mapping):
        return None
    for one in old:
        if isinstance(one, Mapping) and all(one.get(k) == item.get(k) for k in keys):
            return one
    return None


def _unique(schema: Schema, value: Sequence[Any], path: str) -> Iterator[FieldError]:
    keys: Sequence[str] = schema.get("x-kubernetes-list-map-keys", ())
    kind = schema.get("x-kubernetes-list-type")
    if kind not in {"map", "set"} and not schema.get("uniqueItems"):
        return
    seen: list[object] = []
    for index, item in enumerate(value):
        identity = item
        if kind == "map" and isinstance(item, dict):
            identity = {key: item.get(key) for key in keys}
        if any(same(identity, one) for one in seen):
            yield duplicate(f"{path}[{index}]", identity)
        seen.append(identity)


def _combined(schema: Schema, value: object, path: str) -> Iterator[FieldError]:
    def fits(part: Schema) -> bool:
        return next(check_schema(part, value, path), None) is None

    for part in schema.get("allOf", ()):
        yield from check_schema(part, value, path)
    if "anyOf" in schema and not any(map(fits, schema["anyOf"])):
        text = f"{path} in body must validate at least one schema (anyOf)"
        yield invalid(path, value, text)
    if "oneOf" in schema and sum(map(fits, schema["oneOf"])) != 1:
        text = f"{path} in body must validate one and only one schema (oneOf)"
        yield invalid(path, value, text)
    if "not" in schema and fits(schema["not"]):
        text = f"{path} in body must not validate the schema (not)"
        yield invalid(path, value, text)
