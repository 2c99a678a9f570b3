"""Who holds the node of `up`: the process that has a lock on a file.

The kernel takes a lock from whoever ends, in whatever way, and tells who has it. So
nobody is ever taken for the holder who was once, or who got its process id.
"""

import contextlib
import fcntl
import os
import select
import signal
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

_FLOCK: Final = struct.Struct("@hhqqi")  # type, whence, start, length, process


@attrs.frozen
class Holder:
    """A lock's file, which stays: another one of its name would be another lock."""

    file: Path

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Hold it, where nobody else does; give whether that is so."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a") as file:
            mine = False
            with contextlib.suppress(BlockingIOError, PermissionError):
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine = True
            yield mine

    def process(self) -> int:
        """Name the other process that holds it; 0 where none does."""
        if not self.file.exists():
            return 0
        asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        with self.file.open() as file:
            told = fcntl.fcntl(file, fcntl.F_GETLK, asked)
        kind, *_, process = _FLOCK.unpack(told)
        return 0 if kind == fcntl.F_UNLCK else int(process)

    def end(self) -> bool:
        """Let the holder end, and wait until it has; give whether there was one."""
        process = self.process()
        if not process:
            return False
        with contextlib.suppress(ProcessLookupError), _handle(process) as handle:
            # The handle is of what has the id: of the holder, if that still holds.
            if self.process() == process:
                signal.pidfd_send_signal(handle, signal.SIGTERM)
                select.select([handle], [], [])
        return True


@contextmanager
def _handle(process: int) -> Iterator[int]:
    """Have what names a process also when its id is another one's."""
    handle = os.pidfd_open(process)
    try:
        yield handle
    finally:
        os.close(handle)
