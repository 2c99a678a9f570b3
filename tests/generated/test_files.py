"""What is generated is current, and is made as it should be."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.generated.files import END, FILES, Generated


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.path))
def test_it_is_current(file: Generated) -> None:
    """`make docs` was run."""
    assert not file.stale()


def test_a_stale_part_is_found_and_made_anew(tmp_path: Path) -> None:
    """Only what stands between the two markers; the prose is kept."""
    page = Generated(tmp_path / "page.md", lambda: "new", "something")
    page.path.write_text(f"before\n{page.begin}\nold\n{END}\nafter\n")
    assert page.stale()
    page.write()
    assert not page.stale()
    text = page.path.read_text()
    assert text == f"before\n{page.begin}\n\nnew\n\n{END}\nafter\n"


@pytest.mark.parametrize("marker", ["begin", "end", "none"])
def test_a_page_without_markers_is_refused(tmp_path: Path, marker: str) -> None:
    """Nothing is written where the generated part has no place."""
    page = Generated(tmp_path / "page.md", lambda: "new", "something")
    text = {"begin": page.begin, "end": END, "none": "prose"}[marker]
    page.path.write_text(text)
    with pytest.raises(ValueError, match="needs the lines"):
        page.write()
    assert page.path.read_text() == text


def test_the_command_checks_all() -> None:
    """As `make check` runs it."""
    command = [sys.executable, "-m", "tests.generated", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
