"""The part of JSONPath that printer columns use."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, Final

_TOKEN: Final = re.compile(
    r"""\.(?P<field>(?:[^.\[\]\\]|\\.)+)
    | \[\?\(\s*@(?P<path>[^=!<>\s]*)\s*(?P<op>==|!=)\s*(?P<literal>[^)]*?)\s*\)\]
    | \[(?P<quote>['"])(?P<name>(?:(?!(?P=quote)).)*)(?P=quote)\]
    | \[(?P<all>\*)\] | \.(?P<star>\*)
    | \[(?P<from>-?\d*):(?P<to>-?\d*)\]
    | \[(?P<index>-?\d+)\]""",
    re.VERBOSE,
)

Step = Callable[[Any], Iterable[Any]]


def find(path: str, value: object) -> list[Any]:
    """Give all that a path such as `.status.conditions[?(@.type=="X")].status` meets.

    Raises:
        ValueError: the path is not understood.
    """
    found: Iterable[Any] = [value]
    for step in compile_path(path):
        found = [entry for one in found for entry in step(one)]
    return list(found)


@cache
def compile_path(path: str) -> tuple[Step, ...]:
    """Read a path once.

    Raises:
        ValueError: it is not understood.
    """
    steps, at = [], 0
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$")
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"unrecognized JSON path {path!r} at {text[at:]!r}")
        steps.append(_step(match))
        at = match.end()
    return tuple(steps)


def _step(match: re.Match[str]) -> Step:
    if match["op"]:
        return _filter(match["path"], match["op"], match["literal"])
    if match["all"] or match["star"] or match["field"] == "*":
        return _children
    if match["from"] is not None:
        span = slice(_bound(match["from"]), _bound(match["to"]))
        return lambda value: value[span] if isinstance(value, list) else ()
    if match["index"]:
        return _item(int(match["index"]))
    if match["name"] is not None:
        return _member(match["name"])
    return _member(re.sub(r"\\(.)", r"\1", match["field"]))


def _bound(text: str) -> int | None:
    return int(text) if text else None


def _member(name: str) -> Step:
    return lambda value: (
        [value[name]] if isinstance(value, dict) and name in value else []
    )


def _item(index: int) -> Step:
    def step(value: object) -> list[Any]:
        if isinstance(value, list) and -len(value) <= index < len(value):
            return [value[index]]
        return []

    return step


def _children(value: object) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _filter(path: str, op: str, literal: str) -> Step:
    inner = compile_path(path)
    wanted = literal[1:-1] if literal[:1] in {"'", '"'} else _literal(literal)

    def step(value: object) -> Iterator[Any]:
        for item in value if isinstance(value, list) else ():
            found: list[Any] = [item]
            for one in inner:
                found = [entry for each in found for entry in one(each)]
            if found and (found[0] == wanted) == (op == "=="):
                yield item

    return step


def _literal(text: str) -> object:
    if text in {"true", "false"}:
        return text == "true"
    try:
        return int(text)
    except ValueError:
        return text
