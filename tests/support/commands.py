"""Runs `mpiop` as its users do, and sees that nothing is left of it."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import attrs
import orjson

from tests.support.machine import AS_NOBODY

ROOT: Final = Path(__file__).parents[2]
SAMPLES: Final = ROOT / "deploy" / "samples"
PATIENCE: Final = 10.0
PATIENCE_WITH_ONE: Final = 100.0  # seconds, on a machine that is very busy
_FORBID: Final = Path(__file__).with_name("without_namespaces.py")
_TERMINAL: Final = Path(__file__).with_name("with_terminal.py")
_BARE: Final = Path(__file__).with_name("bare_machine.py")


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
        bare: where no sshd was ever started and root is locked; only as root.
        terminal: whether its standard input is to be its controlling terminal.
    """

    options: tuple[str, ...] = ()
    nobody: bool = False
    forbidden: bool = False
    bare: bool = False
    terminal: bool = False

    def command(self, args: Sequence[str]) -> list[str]:
        """Write the command line."""
        before = [str(AS_NOBODY)] if self.nobody and os.geteuid() == 0 else []
        before += [str(_FORBID)] if self.forbidden else []
        before += [str(_BARE)] if self.bare else []
        before += [str(_TERMINAL)] if self.terminal else []
        return [sys.executable, *before, "-m", "mpiop", *args, *self.options]


@contextmanager
def popen(
    *args: str,
    way: Way | None = None,
    stdin: int | None = None,
    stdout: int | None = subprocess.PIPE,
    stderr: int | None = subprocess.PIPE,
    environment: Mapping[str, str] | None = None,
) -> Iterator["subprocess.Popen[str]"]:
    """Start `mpiop`; see at the end that it left no process and no file."""
    way = way or Way()
    with tempfile.TemporaryDirectory(prefix="run-") as folder:
        Path(folder).chmod(0o777)
        process = subprocess.Popen(
            way.command(args),
            text=True,
            env={**os.environ, "TMPDIR": folder, "PYTHONWARNINGS": "default"}
            | dict(environment or {}),
            cwd=ROOT,
            start_new_session=True,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )
        late = threading.Timer(PATIENCE_WITH_ONE, process.kill)
        late.start()
        try:
            yield process
        finally:
            late.cancel()
            if process.poll() is None:
                process.kill()
            process.communicate()
        assert_nothing_left(folder)


def mpiop(
    *args: str,
    way: Way | None = None,
    stdin: str = "",
    timeout: float = 90,
    environment: Mapping[str, str] | None = None,
) -> Ran:
    """Run `mpiop` to its end."""
    with popen(
        *args, way=way, stdin=subprocess.PIPE, environment=environment
    ) as process:
        try:
            out, err = process.communicate(stdin, timeout)
        except subprocess.TimeoutExpired as late:
            process.kill()
            said = "".join(process.communicate())
            raise AssertionError(f"no end in {timeout:g} s:\n{said}") from late
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
