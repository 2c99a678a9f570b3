"""Processes beside a container's own, and how all of such a process is ended."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Final, Protocol

from mpiop.local.kubelet.spawn import Child, StartError

_MOST_OUTPUT: Final = 10_240  # bytes kept of a probe's output
_NOT_STARTED: Final = 126


class Execute(Protocol):
    """Starts a process in a container."""

    def __call__(
        self, argv: tuple[str, ...], stdio: tuple[int, int, int], *, terminal: bool
    ) -> Awaitable[Child]:
        """Start it; raises StartError."""


async def run_to_end(execute: Execute, argv: tuple[str, ...]) -> tuple[int, str]:
    """Run a program in a container; return exit code and output.

    Cancelling ends the program and all of its session.
    """
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    null = os.open(os.devnull, os.O_RDONLY)
    output = bytearray()

    def read() -> None:
        part = os.read(ours, 65536)
        output.extend(part[: max(0, _MOST_OUTPUT - len(output))])
        if not part:
            asyncio.get_running_loop().remove_reader(ours)

    try:
        try:
            child = await execute(argv, (null, theirs, theirs), terminal=False)
        finally:
            os.close(null)
            os.close(theirs)
        asyncio.get_running_loop().add_reader(ours, read)
        with ended_with_us(child):
            status = await asyncio.shield(child.exited)
        return os.waitstatus_to_exitcode(status), output.decode(errors="replace")
    except StartError as error:
        return _NOT_STARTED, str(error)
    finally:
        asyncio.get_running_loop().remove_reader(ours)
        os.close(ours)


@contextlib.contextmanager
def ended_with_us(child: Child) -> Iterator[None]:
    """Kill a process and its session if this block is left before it has ended."""
    try:
        yield
    finally:
        if not child.exited.done():
            signal_session(child.pid, signal.SIGKILL)


def signal_session(leader: int, number: int) -> None:
    """Send a signal to all processes of a session, whatever groups they made."""
    for pid in [leader, *_members(leader)]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _members(leader: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != leader:
            with contextlib.suppress(OSError):
                text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
                # The name may hold anything; fields after it: state, ppid, group,
                # session.
                if int(text.rpartition(")")[2].split()[3]) == leader:
                    yield int(entry.name)
