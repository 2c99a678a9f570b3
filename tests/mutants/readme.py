"""The table of mutants as tests/property/README.md shows it."""

from pathlib import Path
from typing import Final

from tests.mutants.table import MUTANTS, Mutant

HEAD: Final = """# What the tests can notice

A property is kept only if a stated mutant dies by it. `make mutants` applies each in a
temporary copy of the tree, runs the test beside it, and expects a failure. The table is
made from `tests/mutants/table.py` by `make docs`.

| property | mutant | killed by |
|---|---|---|
"""


def page() -> str:
    """Render the page."""
    return HEAD + "".join(_row(mutant) for mutant in MUTANTS)


def _row(mutant: Mutant) -> str:
    change = f"{_code(mutant.old)} becomes {_code(mutant.new)}"
    file, name = mutant.test
    where = f"`{mutant.file}`: {change}"
    return f"| {mutant.property} | {where} | `{Path(file).name}::{name}` |\n"


def _code(text: str) -> str:
    words = " ".join(text.split())
    return f"`{words}`" if words else "nothing"
