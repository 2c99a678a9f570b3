"""What the tests' markers name: rules, lines of the checklist, defects."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import attrs
import yaml

FOLDER: Final = Path(__file__).parent


@attrs.frozen
class Rule:
    """One field or rule.

    Attributes:
        upstream: what mpi-operator v2beta1 does, and v1 where it differs.
        ours: what mpiop does.
    """

    section: str
    id: str
    upstream: str
    ours: str = "the same"


def _read(name: str) -> dict[str, Any]:
    text = (FOLDER / name).read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.load(text, yaml.CSafeLoader)
    return found


RULES: Final = tuple(
    Rule(section, one, **words)
    for section, rows in _read("rules.yaml").items()
    for one, words in rows.items()
)
_LINES: Final = _read("checklist.yaml")
_DEFECTS: Final = _read("defects.yaml")
CHECKLIST: Final[Mapping[str, Mapping[str, str]]] = _LINES["lines"]
DEFECTS: Final[Mapping[str, str]] = _DEFECTS["defects"]
WITHOUT: Final[Mapping[str, str]] = {
    **_LINES["without a test"],
    **_DEFECTS["without a test"],
}


def known(kind: str) -> frozenset[str]:
    """Give all ids of a kind."""
    match kind:
        case "compat":
            return frozenset(rule.id for rule in RULES)
        case "checklist":
            return frozenset(one for lines in CHECKLIST.values() for one in lines)
        case _:
            return frozenset(DEFECTS)
