"""The compatibility page: made from the tests, whole, and about things that exist."""

from pathlib import Path

import pytest

from tests.compatibility.catalogue import known
from tests.compatibility.markers import KINDS, TESTS, Place, shown
from tests.compatibility.page import BEGIN, END, page

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


def test_a_page_keeps_its_prose() -> None:
    """Only what stands between the two marks is made."""
    text = page(f"before\n{BEGIN}\nfrom before\n{END}\nafter\n")
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "from before" not in text
    assert page(text) == text
    with pytest.raises(ValueError, match="needs the lines"):
        page("no marks")
