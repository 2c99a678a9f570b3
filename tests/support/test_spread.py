"""Which files go where; a shared cluster ends with the files that share it."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.spread import next_unit

ROOT: Final = Path(__file__).parents[2]
SESSION: Final = """
import pytest
from tests.support.spread import ClustersEnd, longest_first

def pytest_configure(config):
    config.pluginmanager.register(ClustersEnd())

def pytest_collection_modifyitems(items):
    longest_first(items)

@pytest.fixture(scope="session")
def bare_cluster():
    print("<up>")
    yield
    print("<down>")
"""
WITH: Final = 'def test_one(bare_cluster): print("<used>")\n'
WITHOUT: Final = 'def test_one(): print("<other>")\n'


def test_a_cluster_ends_with_its_files(tmp_path: Path) -> None:
    """Not with the first file of those that go together, nor with the session."""
    folder = tmp_path / "tests" / "e2e"
    folder.mkdir(parents=True)
    (tmp_path / "conftest.py").write_text(SESSION)
    for name, text in (
        ("test_seed.py", WITH),
        ("test_upgrade.py", WITH),
        ("test_versions.py", WITHOUT),
    ):
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-sq", "-p", "no:cacheprovider"]
    command += [f"--rootdir={tmp_path}", f"-c{tmp_path}/pytest.ini", str(folder)]
    (tmp_path / "pytest.ini").write_text(f"[pytest]\npythonpath = {ROOT}\n")
    told = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    words = [word for word in told.stdout.replace(".", "").split() if word[0] == "<"]
    assert words == ["<up>", "<used>", "<used>", "<down>", "<other>"], told.stdout


@pytest.mark.parametrize(
    ("queue", "waiting", "chosen"),
    [
        (["tests/e2e/a.py", "tests/k8s/b.py"], True, "tests/e2e/a.py"),
        (["tests/e2e/a.py", "tests/k8s/b.py"], False, "tests/k8s/b.py"),
        (["tests/k8s/b.py", "tests/k8s/c.py"], True, "tests/k8s/b.py"),
        (["tests/e2e/a.py", "tests/e2e/d.py"], False, "tests/e2e/a.py"),
    ],
)
def test_a_process_begins_its_own_kind_first(
    queue: list[str], *, waiting: bool, chosen: str
) -> None:
    """Then whatever is left: none is idle while there is work."""
    assert next_unit(queue, waiting=waiting) == chosen
