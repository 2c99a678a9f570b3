"""The page about the states is made from the table."""

from pathlib import Path

import pytest

from mpiop.states import diagram


def test_the_page_in_docs_is_current() -> None:
    """docs/states.md equals what the table generates."""
    page = Path("docs/states.md")

    assert diagram.main(["--check", str(page)]) == 0


def test_a_stale_page_is_found_and_mended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` fails on a stale page; without it the page is rewritten."""
    page = tmp_path / "states.md"
    page.write_text(f"prose\n{diagram.BEGIN}\nold\n{diagram.END}\nmore\n")

    assert diagram.main(["--check", str(page)]) == 1
    assert "make docs" in capsys.readouterr().err
    assert diagram.main([str(page)]) == 0
    assert diagram.main(["--check", str(page)]) == 0
    assert page.read_text().startswith("prose\n")
    assert page.read_text().endswith("more\n")


def test_a_page_without_markers_is_refused(tmp_path: Path) -> None:
    """Nothing is written where the generated part has no place."""
    page = tmp_path / "states.md"
    page.write_text("prose")

    with pytest.raises(ValueError, match="needs the lines"):
        diagram.main([str(page)])
