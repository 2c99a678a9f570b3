"""Find and end processes by a mark in their environment, for want of namespaces.

Every process of a Pod inherits the mark; one that makes itself a daemon keeps it.
"""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MARK: Final = "MPIOP_MARK"


def marked(prefix: str) -> Iterator[int]:
    """List processes of ours whose mark is `prefix` or below it."""
    wanted = f"{MARK}={prefix}".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            for item in (entry / "environ").read_bytes().split(b"\0"):
                if item == wanted or item.startswith(wanted + b"/"):
                    yield int(entry.name)


def kill_marked(prefix: str) -> None:
    """Kill them all, also those that are being forked meanwhile."""
    for _ in range(100):
        found = [pid for pid in marked(prefix) if not _is_zombie(pid)]
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _is_zombie(pid: int) -> bool:
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return text.rpartition(")")[2].split()[0] in {"Z", "X"}
    return True
