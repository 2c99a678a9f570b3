"""The decoder of built-in kinds."""

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from .errors import DecodeError
from .kinds import Gvk
from .quantity import canonical_quantity
from .structure import Node, structure

_ABSENT: Final = object()
_MICRO: Final = re.compile(r":\d\d\.\d{6}\D")
_RFC3339: Final = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)"
)


def decode_builtin(gvk: Gvk, obj: dict[str, Any]) -> list[str]:
    """Prune a built-in kind in place; see `schema.decode`."""
    walker = Walker()
    try:
        clean = walker.value(structure(gvk), obj, "")
    except DecodeError as error:
        prefix = f'{gvk.kind} in version "{gvk.version}" cannot be handled as a'
        raise DecodeError(f"{prefix} {gvk.kind}: {error}") from error
    obj.clear()
    obj.update(clean)
    return walker.unknown


@attrs.define
class Walker:
    """Builds the clean value and collects what it left out.

    Lists and maps that are empty go too, as they do when the real server encodes an
    object: an optional list has no other way to be empty than to be absent.
    """

    unknown: list[str] = attrs.field(factory=list)
    _struct: str = ""

    def value(self, node: Node, value: Any, path: str) -> Any:  # noqa: ANN401
        """Decode any JSON value of the given type."""
        form = node.form
        if form == "struct":
            return self._fields(node, value, path)
        if form == "list":
            return self._list(node, value, path)
        if form == "map":
            return self._map(node, value, path)
        if value is None:
            return None
        wanted, convert = _SCALARS[form]
        # bool is an int to Python, not to JSON
        if not isinstance(value, wanted) or (
            isinstance(value, bool) and form not in {"bool", "any"}
        ):
            raise self._mismatch(node, value, path)
        if convert is None:
            return value
        try:
            return convert(value)
        except ValueError as error:
            raise DecodeError(f"{error} (at {path})") from error

    def _fields(self, node: Node, value: Any, path: str) -> dict[str, Any]:  # noqa: ANN401
        if not isinstance(value, dict):
            raise self._mismatch(node, value, path)
        outer, self._struct = self._struct, node.struct
        clean: dict[str, Any] = {}
        for key, entry in value.items():
            where = f"{path}.{key}" if path else key
            field = node.fields.get(key)
            if field is None:
                self.unknown.append(f'unknown field "{where}"')
            elif entry is not None:
                decoded = self.value(field, entry, where)
                if decoded or key in node.required or not _omitted(field):
                    clean[key] = decoded
        self._struct = outer
        return clean

    def _list(self, node: Node, value: Any, path: str) -> list[Any]:  # noqa: ANN401
        if not isinstance(value, list):
            raise self._mismatch(node, value, path)
        item = node.item or _ANY
        return [
            _zero(item) if entry is None else self.value(item, entry, f"{path}[{i}]")
            for i, entry in enumerate(value)
        ]

    def _map(self, node: Node, value: Any, path: str) -> dict[str, Any]:  # noqa: ANN401
        if not isinstance(value, dict):
            raise self._mismatch(node, value, path)
        item = node.item or _ANY
        return {
            key: _zero(item)
            if entry is None
            else self.value(item, entry, f"{path}.{key}")
            for key, entry in value.items()
        }

    def _mismatch(self, node: Node, value: object, path: str) -> DecodeError:
        seen = _json_type(value)
        if not path:
            return DecodeError(
                f"json: cannot unmarshal {seen} into Go value of type {node.go}"
            )
        plain = re.sub(r"\[\d+\]", "", path)
        return DecodeError(
            f"json: cannot unmarshal {seen} into Go struct field "
            f"{self._struct}.{plain} of type {node.go}"
        )


def _omitted(field: Node) -> bool:
    return field.form in {"list", "map"}


def _zero(node: Node) -> Any:  # noqa: ANN401
    zeros = {"struct": {}, "map": {}, "list": [], "int": 0, "float": 0, "bool": False}
    return zeros.get(node.form, None if node.form == "any" else "")


def _json_type(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, float):
        return f"number {value}"
    names = {str: "string", int: "number", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _base64(text: str) -> str:
    try:
        raw = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"illegal base64 data: {error}") from error
    return base64.b64encode(raw).decode()


def _instant(text: str) -> datetime:
    if _RFC3339.fullmatch(text) is None:
        wanted = "2006-01-02T15:04:05Z07:00"
        raise ValueError(f'parsing time "{text}" as "{wanted}": not of that form')
    return datetime.fromisoformat(text.upper()).astimezone(UTC)


def _time(text: str) -> str:
    return _instant(text).strftime("%Y-%m-%dT%H:%M:%SZ")


def _microtime(text: str) -> str:
    if _MICRO.search(text) is None:  # any other number of digits is refused
        wanted = "2006-01-02T15:04:05.000000Z07:00"
        raise ValueError(f'parsing time "{text}" as "{wanted}": not of that form')
    return _instant(text).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _quantity(value: float | str) -> str:
    return canonical_quantity(str(value))


_ANY: Final = Node("any", "interface {}")
_SCALARS: Final[
    dict[str, tuple[type | tuple[type, ...], Callable[[Any], object] | None]]
] = {
    "string": (str, None),
    "byte": (str, _base64),
    "int": (int, None),
    "float": ((int, float), None),
    "bool": (bool, None),
    "int-or-string": ((int, str), None),
    "quantity": ((int, float, str), _quantity),
    "time": (str, _time),
    "microtime": (str, _microtime),
    "any": (object, None),
}
