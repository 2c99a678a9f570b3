"""JSON patch (RFC 6902), failing as the API server fails."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from .cloning import clone
from .errors import PatchError

_REJECTED: Final = "the server rejected our request due to an error in our request"
_NEEDS: Final = {
    "add": {"path", "value"},
    "remove": {"path"},
    "replace": {"path", "value"},
    "test": {"path"},
    "move": {"path", "from"},
    "copy": {"path", "from"},
}


def json_patch(document: Mapping[str, Any], patch: object) -> Any:  # noqa: ANN401
    """Apply operations in order to a copy, all or none.

    Raises:
        PatchError: 400 for what is no JSON patch; 422 Invalid for a failed test or a
            path that does not lead anywhere.
    """
    if not isinstance(patch, list):
        raise _malformed("not a list of operations")
    root = {"": clone(document)}
    for operation in patch:
        if not isinstance(operation, dict) or not isinstance(
            operation.get("path"), str
        ):
            raise _malformed("an operation needs `op` and `path`")
        name = operation.get("op")
        if name not in _NEEDS:
            raise _rejected(f"unexpected kind: {name}")
        if missing := _NEEDS[name] - operation.keys():
            raise _rejected(f"{name} needs {', '.join(sorted(missing))}")
        _APPLY[name](root, operation)
    return root[""]


def _malformed(why: str) -> PatchError:
    return PatchError(400, "BadRequest", f"error decoding patch: {why}")


def _rejected(why: str) -> PatchError:
    return PatchError(422, "Invalid", f"{_REJECTED}: {why}")


class _Place:
    """Where a JSON pointer leads: a container and the key in it."""

    def __init__(self, root: dict[str, Any], pointer: object) -> None:
        if not isinstance(pointer, str) or (pointer and not pointer.startswith("/")):
            raise _rejected(f"{pointer!r} is no JSON pointer")
        self.pointer = pointer
        tokens = [t.replace("~1", "/").replace("~0", "~") for t in pointer.split("/")]
        container: Any = root
        for token in tokens[:-1]:
            container = self._step(container, token)
        self.container = container
        self.token = tokens[-1]

    def _missing(self) -> PatchError:
        return _rejected(f"doc is missing path: {self.pointer}")

    def _step(self, container: object, token: str) -> Any:  # noqa: ANN401
        if isinstance(container, dict):
            if token not in container:
                raise self._missing()
            return container[token]
        if isinstance(container, list):
            return container[self._index(container, token, len(container))]
        raise self._missing()

    def _index(self, container: list[Any], token: str, bound: int) -> int:
        plain = token.isascii() and token.isdigit()
        if not plain or (token != "0" and token[0] == "0") or int(token) >= bound:
            raise _rejected(f"no index {token!r} of {len(container)}: {self.pointer}")
        return int(token)

    def get(self) -> Any:  # noqa: ANN401
        return self._step(self.container, self.token)

    def add(self, value: object) -> None:
        if isinstance(self.container, list):
            size = len(self.container)
            end = self.token == "-"
            at = size if end else self._index(self.container, self.token, size + 1)
            self.container.insert(at, value)
        elif isinstance(self.container, dict):
            self.container[self.token] = value
        else:
            raise self._missing()

    def replace(self, value: object) -> None:
        if isinstance(self.container, dict):
            # Real servers replace what is not there, too.
            self.container[self.token] = value
            return
        self.get()
        self.container[int(self.token)] = value

    def remove(self) -> Any:  # noqa: ANN401
        value = self.get()
        if isinstance(self.container, list):
            del self.container[int(self.token)]
        else:
            del self.container[self.token]
        return value


def _add(root: dict[str, Any], operation: dict[str, Any]) -> None:
    _Place(root, operation["path"]).add(clone(operation["value"]))


def _remove(root: dict[str, Any], operation: dict[str, Any]) -> None:
    _Place(root, operation["path"]).remove()


def _replace(root: dict[str, Any], operation: dict[str, Any]) -> None:
    _Place(root, operation["path"]).replace(clone(operation["value"]))


def _test(root: dict[str, Any], operation: dict[str, Any]) -> None:
    place, wanted = _Place(root, operation["path"]), operation.get("value")
    absent = isinstance(place.container, dict) and place.token not in place.container
    # The real server takes a null for an absent field.
    if not same(None if absent else place.get(), wanted):
        raise _rejected(f"testing value {place.pointer} failed")


def _move(root: dict[str, Any], operation: dict[str, Any]) -> None:
    source, target = operation["from"], operation["path"]
    if target.startswith(f"{source}/"):
        raise _rejected(f"cannot move {source} into itself")
    value = _Place(root, source).remove()
    _Place(root, target).add(value)


def _copy(root: dict[str, Any], operation: dict[str, Any]) -> None:
    value = clone(_Place(root, operation["from"]).get())
    _Place(root, operation["path"]).add(value)


_APPLY: Final[dict[str, Callable[[dict[str, Any], dict[str, Any]], None]]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "test": _test,
    "move": _move,
    "copy": _copy,
}


def same(left: object, right: object) -> bool:
    """Compare two JSON values; true is not 1, as it is in Python."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            same(value, right[key]) for key, value in left.items()
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return isinstance(left, bool) == isinstance(right, bool) and left == right
