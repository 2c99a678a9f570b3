"""Runs `mpiop` as its users do, and sees that nothing is left of it."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import orjson

from tests.support.machine import NOBODY

ROOT: Final = Path(__file__).parents[2]
SAMPLES: Final = ROOT / "deploy" / "samples"
PATIENCE: Final = 10.0
_FORBID: Final = Path(__file__).with_name("without_namespaces.py")


@attrs.frozen
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on stdout."""
        found: dict[str, Any] = orjson.loads(self.out)
        return found


@attrs.frozen
class Way:
    """As whom and how isolated a command runs.

    Attributes:
        nobody: as an unprivileged user (as ourselves, where we are not root).
        forbidden: where no namespace can be made.
    """

    options: tuple[str, ...] = ()
    nobody: bool = False
    forbidden: bool = False

    def command(self, args: Sequence[str]) -> list[str]:
        """Write the command line."""
        before = [str(_FORBID)] if self.forbidden else []
        return [sys.executable, *before, "-m", "mpiop", *args, *self.options]

    @property
    def identity(self) -> dict[str, Any]:
        """Give the user as subprocess takes it."""
        if not self.nobody or os.geteuid() != 0:
            return {}
        return {"user": NOBODY, "group": NOBODY, "extra_groups": ()}


@contextmanager
def popen(
    *args: str, way: Way | None = None, **given: Any
) -> Iterator["subprocess.Popen[str]"]:
    """Start `mpiop`; see at the end that it left no process and no file."""
    way = way or Way()
    with tempfile.TemporaryDirectory(prefix="run-") as folder:
        Path(folder).chmod(0o777)
        process = subprocess.Popen(
            way.command(args),
            text=True,
            env={**os.environ, "TMPDIR": folder, "PYTHONWARNINGS": "default"},
            cwd=ROOT,
            start_new_session=True,
            **way.identity,
            **given,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()
        assert_nothing_left(folder)


def mpiop(
    *args: str, way: Way | None = None, stdin: str = "", timeout: float = 240
) -> Ran:
    """Run `mpiop` to its end."""
    pipe = subprocess.PIPE
    with popen(*args, way=way, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        out, err = process.communicate(stdin, timeout)
    return Ran(process.returncode, out, err)


def assert_nothing_left(folder: str) -> None:
    """Wait until no file is in a folder and no process carries its name."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and (left(folder)):
        time.sleep(0.05)
    assert left(folder) == []


def left(folder: str) -> list[str]:
    """List files in a folder, mounts below it and processes that carry its name."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    found = [f"file {path}" for path in Path(folder).iterdir()]
    found += [f"mount {line.split()[4]}" for line in mounts if folder in line]
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                carried = (entry / "environ").read_bytes()
                words = (entry / "cmdline").read_bytes()
            except OSError:  # it has ended, or is another user's
                continue
            if folder.encode() in carried + words:
                found.append(f"process {entry.name} {words!r}")
    return found
