"""Writes what is made from deploy/: the one-file install, and the table of rights."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import yaml

from tests.support.deployed import DEPLOY, rendered

HEADER: Final = (
    "# Generated from deploy/v1 by `make docs`; change the folders it names.\n"
)
ROLES: Final = (
    "base/roles.yaml",
    "base/leader_election.yaml",
    "components/kubectl-exec/roles.yaml",
    "components/gang/roles.yaml",
)
_REASON: Final = re.compile(r"  # (.+)")
_RULE: Final = "  - apiGroups:"


def one_file() -> str:
    """Give the whole install as one file."""
    return HEADER + rendered("v1")


def table() -> str:
    """Render who may do what, and what for."""
    rows = [row for name in ROLES for row in _rows(DEPLOY / name)]
    return "\n".join(["| role | may | what for |", "|---|---|---|", *rows])


def _rows(path: Path) -> Iterator[str]:
    for document in path.read_text(encoding="utf-8").split("---\n"):
        obj = yaml.safe_load(document)
        if "rules" not in obj:
            continue
        reasons = _reasons(document)
        for rule, reason in zip(obj["rules"], reasons, strict=True):
            may = f"{', '.join(rule['verbs'])}: {', '.join(rule['resources'])}"
            for name in rule.get("resourceNames", ()):
                may += f" named {name}"
            yield f"| `{obj['metadata']['name']}` | {may} | {reason} |"


def _reasons(document: str) -> Iterator[str]:
    """Give the comment above each rule.

    Raises:
        ValueError: a rule has none.
    """
    lines = document.splitlines()
    for before, line in pairwise(lines):
        if line.startswith(_RULE):
            found = _REASON.fullmatch(before)
            if found is None:
                raise ValueError(f"what for? {line}")
            yield found[1]
