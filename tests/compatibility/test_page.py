"""The compatibility page: made from the tests, whole, and about things that exist."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compatibility.catalogue import DEFECTS, WITHOUT, known
from tests.compatibility.markers import KINDS, TESTS, Place, shown
from tests.support.deployed import definition

CRD = definition()
SOURCE = """
import pytest

@pytest.mark.defect("D1", "D2")
@pytest.mark.parametrize("x", [1])
def test_one(x): ...

class TestMore:
    @pytest.mark.defect("D2")
    @pytest.mark.compat("spec")
    async def test_two(self): ...
"""


def test_markers_are_read_from_the_source(tmp_path: Path) -> None:
    """Whatever else decorates a test, and wherever it stands."""
    folder = TESTS / "compatibility"
    assert Place("tests/compatibility/test_page.py", "test_one") not in [
        test for tests in shown("defect", folder).values() for test in tests
    ]
    (tmp_path / "test_x.py").write_text(SOURCE, encoding="utf-8")
    found = shown("defect", tmp_path, root=tmp_path)
    one, two = Place("test_x.py", "test_one"), Place("test_x.py", "test_two")
    assert found == {"D1": (one,), "D2": (one, two)}
    assert one.link == "[one](../test_x.py)"


@pytest.mark.parametrize("kind", KINDS)
def test_every_marker_names_something(kind: str) -> None:
    """A slip in an id would show nothing."""
    assert shown(kind).keys() - known(kind) == set()


@pytest.mark.parametrize("kind", KINDS)
def test_everything_has_a_test_or_a_reason(kind: str) -> None:
    """A rule, a line or a defect without a test is none that we keep, or is listed."""
    assert known(kind) - shown(kind).keys() == WITHOUT.keys() & known(kind)


def test_all_defects_and_all_fields_are_listed() -> None:
    """D1 to D44, E1 to E21, and every field of the definition."""
    numbers = [f"D{n}" for n in range(1, 45)] + [f"E{n}" for n in range(1, 22)]
    assert list(DEFECTS) == numbers
    declared = CRD["spec"]["versions"][1]["schema"]["openAPIV3Schema"]["properties"]
    fields = {
        path for name in ("spec", "status") for path in paths(declared[name], name)
    }
    assert fields - known("compat") == set()
    listed = {one for one in known("compat") if one.startswith(("spec", "status"))}
    assert listed - fields == set()


def paths(node: dict[str, Any], path: str) -> Iterator[str]:
    """Name a field and those below it; templates and lists of quantities are one."""
    yield path
    if path.endswith((".template", ".minResources", ".conditions")):
        return
    named = dict(node.get("properties", {}))
    if isinstance(node.get("additionalProperties"), dict):
        named["*"] = node["additionalProperties"]
    for key, child in named.items():
        yield from paths(child, f"{path}.{key}")
