"""The pages tell the truth: links lead somewhere, named tests and files exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
CODE = re.compile(r"`([^`\n]+)`")
PLACES = ("", "mpiop/", "mpiop/reconcile/")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link is a file or a folder."""
    links = LINK.findall(page.read_text(encoding="utf-8"))
    assert [one for one in links if not (page.parent / one).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_files_exist(page: Path) -> None:
    """Every Python file or test that a page names is there."""
    tests = "\n".join(
        file.read_text(encoding="utf-8") for file in ROOT.glob("tests/**/test_*.py")
    )
    missing = []
    for name in CODE.findall(page.read_text(encoding="utf-8")):
        path = name.split()[0]
        if path.startswith("test_") and not path.endswith(".py"):
            missing += [] if f"def {path}(" in tests else [name]
        elif re.fullmatch(r"[\w./]+\.py", path) and "/" in path:
            here = any((ROOT / place / path).is_file() for place in PLACES)
            missing += [] if here else [name]
    assert missing == []


def test_the_readmes_run_commands_are_commands() -> None:
    """Every `mpiop` line of the README is understood by the command line."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    said = re.findall(r"^ +(?:\.venv/bin/)?mpiop ([^#\n]+)", text, re.MULTILINE)
    assert said
    from mpiop.cli.main import cli

    for line in said:
        words = line.split()
        command = cli
        while words and words[0] in getattr(command, "commands", {}):
            command = getattr(command, "commands", {})[words.pop(0)]
        options = {name for one in command.params for name in one.opts}
        assert {word for word in words if word.startswith("-")} <= options, line
