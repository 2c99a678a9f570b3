"""Render the tables of docs/compatibility.md."""

from collections.abc import Iterable
from itertools import groupby
from typing import Final

from tests.compatibility.catalogue import CHECKLIST, DEFECTS, RULES, WITHOUT
from tests.compatibility.markers import Shown, shown

MOST: Final = 4  # tests named in a cell


def render() -> str:
    """Render all of them."""
    return "\n\n".join((*rules(), *checklist(), *defects()))


def rules() -> Iterable[str]:
    """Show fields and rules: upstream's, ours, and the test."""
    yield "## Fields and rules"
    tests = shown("compat")
    for section, members in groupby(RULES, key=lambda rule: rule.section):
        yield f"### {section}"
        yield _table(
            ("field or rule", "upstream", "mpiop", "shown by"),
            (
                (
                    f"`{one.id}`",
                    one.upstream,
                    one.ours,
                    _cell(tests, one.id),
                )
                for one in members
            ),
        )


def checklist() -> Iterable[str]:
    """Show which of our tests covers what upstream's own tests cover."""
    yield "## What upstream's tests cover"
    tests = shown("checklist")
    for suite, lines in CHECKLIST.items():
        yield f"### {suite}"
        yield _table(
            ("id", "what it covers", "our counterpart"),
            ((one, what, _cell(tests, one)) for one, what in lines.items()),
        )


def defects() -> Iterable[str]:
    """Show the defects of the systems replaced, and the test that ours has not."""
    yield "## Defects of the systems replaced"
    tests = shown("defect")
    yield _table(
        ("id", "defect", "regression test"),
        ((one, what, _cell(tests, one)) for one, what in DEFECTS.items()),
    )


def _cell(tests: Shown, one: str) -> str:
    if one in WITHOUT:
        return f"none: {WITHOUT[one]}"
    found = tests.get(one, ())
    more = len(found) - MOST
    words = [test.link for test in found[:MOST]]
    return ", ".join([*words, *([f"and {more} more"] if more > 0 else [])])


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [titles, tuple("---" for _ in titles), *rows]
    return "\n".join(f"| {' | '.join(map(_escaped, line))} |" for line in lines)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
