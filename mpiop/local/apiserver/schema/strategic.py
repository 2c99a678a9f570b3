"""Strategic merge patch: JSON merge that knows which lists are maps by a key."""

from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, Final

from .cloning import clone
from .errors import PatchError
from .structure import Node

_DIRECTIVE: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_ORDER: Final = "$setElementOrder/"
_DELETE: Final = "$deleteFromPrimitiveList/"
_UNKNOWN: Final = Node("any", "interface {}")


def strategic_merge(
    node: Node, target: Mapping[str, Any], patch: Mapping[str, Any]
) -> dict[str, Any]:
    """Merge a patch into a copy of an object of the given shape.

    Raises:
        PatchError: 400; a directive is malformed, or a list item lacks its merge key.
    """
    return _object(node, clone(target), clone(patch))


def _bad(why: str) -> PatchError:
    return PatchError(400, "BadRequest", why)


def _expect(where: str, value: object, wanted: type | UnionType) -> None:
    if not isinstance(value, wanted):
        raise _bad(f"{where}: {value!r} is not what the patch needs there")


def _object(
    node: Node, target: dict[str, Any], patch: dict[str, Any]
) -> dict[str, Any]:
    match patch.pop(_DIRECTIVE, "merge"):
        case "replace":
            return patch
        case "delete":
            return {}
        case "merge":
            pass
        case other:
            raise _bad(f"Unrecognized directive in patch: {other}")
    target, orders = _directives(target, patch)
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            order = orders.pop(name, None)
            child = node.fields.get(name) or node.item or _UNKNOWN
            target[name] = _value(child, target.get(name), value, order)
    for name, order in orders.items():
        if isinstance(target.get(name), list) and name in node.fields:
            target[name] = _value(node.fields[name], target[name], [], order)
    return target


def _directives(
    target: dict[str, Any], patch: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, list[Any]]]:
    """Take the directives out of a patch; give the target after them, and orders."""
    if (retain := patch.pop(_RETAIN, None)) is not None:
        _expect(_RETAIN, retain, list)
        target = {key: value for key, value in target.items() if key in retain}
    orders: dict[str, list[Any]] = {}
    for key in list(patch):
        if key.startswith(_DELETE):
            gone, name = patch.pop(key), key.removeprefix(_DELETE)
            _expect(key, gone, list)
            if name in target:
                target[name] = [item for item in target[name] if item not in gone]
        elif key.startswith(_ORDER):
            _expect(key, patch[key], list)
            orders[key.removeprefix(_ORDER)] = patch.pop(key)
    return target, orders


def _value(node: Node, target: Any, patch: Any, order: list[Any] | None) -> Any:  # noqa: ANN401
    if isinstance(patch, dict):
        return _object(node, target if isinstance(target, dict) else {}, patch)
    if isinstance(patch, list) and "merge" in node.strategy:
        live = target if isinstance(target, list) else []
        if node.merge_key:
            return _keyed(node, live, patch, order)
        for item in (*patch, *(order or ())):
            _expect("list of plain values", item, str | int | float)
        return _ordered([*live, *patch], live, order or patch, lambda item: item)
    return patch


def _keyed(
    node: Node, live: list[Any], patch: list[Any], order: list[Any] | None
) -> list[Any]:
    item_node, key = node.item or _UNKNOWN, node.merge_key
    for item in (*patch, *(order or ())):
        _expect(f"list of objects by {key}", item, dict)
        _expect(key, item.get(key, ""), str | int)
    if any(item.get(_DIRECTIVE) == "replace" for item in patch):
        return [item for item in patch if _DIRECTIVE not in item]
    merged = {item.get(key): item for item in live}
    for item in patch:
        if key not in item:
            raise _bad(f"map: {item} does not contain declared merge key: {key}")
        if item.get(_DIRECTIVE) == "delete":
            merged.pop(item[key], None)
        else:
            merged[item[key]] = _object(item_node, merged.get(item[key], {}), item)
    wanted = [item.get(key) for item in (order if order is not None else patch)]

    def identity(item: dict[str, Any]) -> object:
        return item.get(key)

    return _ordered(list(merged.values()), live, wanted, identity)


def _ordered(
    items: list[Any],
    live: list[Any],
    wanted: list[Any],
    identity: Callable[[Any], object],
) -> list[Any]:
    """Put items in the wanted order; others keep their place by `live`."""
    unique = {identity(item): item for item in items}
    was = {identity(item): at for at, item in enumerate(live)}
    result = [unique[key] for key in dict.fromkeys(wanted) if key in unique]
    place = 0
    for key, item in unique.items():
        if key in wanted:
            continue
        while place < len(result) and not (
            was.get(identity(result[place]), -1) > was.get(key, len(was))
        ):
            place += 1
        result.insert(place, item)
        place += 1
    return result
