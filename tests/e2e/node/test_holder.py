"""`up` and `down` find who holds the node, and never anybody else."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.node.__main__ import LOCK, main
from tests.e2e.node.holder import Holder
from tests.support.commands import ROOT

HOLD = """
import sys, pathlib
from tests.e2e.node.holder import Holder
with Holder(pathlib.Path(sys.argv[1])).held() as mine:
    print(mine, flush=True)
    sys.stdin.read()
"""


@contextmanager
def holding(file: Path) -> Iterator["subprocess.Popen[str]"]:
    """Have a process that holds a file."""
    command = [sys.executable, "-c", HOLD, str(file)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "True\n"
        try:
            yield process
        finally:
            process.kill()


def test_one_at_a_time_holds(tmp_path: Path) -> None:
    """Whoever comes second is told so, and who comes after the end is not."""
    holder = Holder(tmp_path / "new" / "lock")
    with holding(holder.file) as process:
        with holder.held() as mine:
            assert not mine
        assert holder.process() == process.pid
    with holder.held() as mine:
        assert mine


def test_the_holder_has_ended_when_the_end_returns(tmp_path: Path) -> None:
    """Nothing is left to be waited for."""
    holder = Holder(tmp_path / "lock")
    with holding(holder.file) as process:
        assert holder.end()
        assert process.wait(0) != 0


def test_where_nobody_holds_nobody_is_ended(tmp_path: Path) -> None:
    """A holder that was killed could tell nobody; its id may be another one's."""
    holder = Holder(tmp_path / "lock")
    assert not holder.end()
    with holding(holder.file) as process:
        process.kill()
        process.wait()
    holder.file.write_text(str(os.getpid()))  # whatever stands in it

    assert not holder.end()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], int]:
    """What runs the command, with a cache folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def run(word: str) -> int:
        monkeypatch.setattr(sys, "argv", ["node", word])
        return main()

    return run


def test_up_succeeds_where_a_node_is_up(
    run: Callable[[str], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so, and where the kubeconfig is."""
    with holding(tmp_path / "mpiop" / LOCK):
        assert run("up") == 0

    config = tmp_path / "mpiop" / "node" / "kubeconfig"
    assert capsys.readouterr().out == (
        f"a node is up already\nexport KUBECONFIG={config}\n"
    )


def test_down_succeeds_where_no_node_is_up(
    run: Callable[[str], int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a holder's end, too, whose files are gone then."""
    left = tmp_path / "mpiop" / "node" / "log"
    with holding(tmp_path / "mpiop" / LOCK) as process:
        left.parent.mkdir()
        left.touch()
        assert run("down") == 0
        assert process.wait(0) != 0
    assert capsys.readouterr().out == ""

    assert run("down") == 0
    assert capsys.readouterr().out == "no node is up\n"
    assert not left.parent.exists()
