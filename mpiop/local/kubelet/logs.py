"""What containers print, kept with time and stream, and read back as kubectl asks.

A file per container instance, one line each: time, stream, F (full) or P (partial),
text. Lines are told apart as they arrive; nothing is rotated.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

import attrs

_PARTIAL_AFTER: Final = 16384  # bytes without a line's end
_POLL: Final = 0.1  # seconds between looks at a file that is followed


class LogWriter:
    """Writes one container instance's output to its file."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        self._open = 0
        self._closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def pipe(self, stream: str) -> int:
        """Return an end for a process to write to; the caller closes its copy."""
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(ours, False)
        rest = bytearray()
        self._open += 1

        def read() -> None:
            try:
                part = os.read(ours, 65536)
            except BlockingIOError:
                return
            rest.extend(part)
            self._write(stream, rest, flush=not part)
            if not part:
                self._end(ours)

        asyncio.get_running_loop().add_reader(ours, read)
        return theirs

    async def drain(self, patience: float) -> None:
        """Wait until all writers are gone, at most `patience` seconds."""
        await asyncio.wait([self._closed], timeout=patience)

    def _end(self, fd: int) -> None:
        asyncio.get_running_loop().remove_reader(fd)
        os.close(fd)
        self._open -= 1
        if not self._open:
            self._file.close()
            if not self._closed.done():
                self._closed.set_result(None)

    def _write(self, stream: str, rest: bytearray, *, flush: bool) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        head = f"{now} {stream} ".encode()
        *lines, tail = bytes(rest).split(b"\n")
        out = [head + b"F " + line + b"\n" for line in lines]
        if tail and (flush or len(tail) >= _PARTIAL_AFTER):
            out.append(head + b"P " + tail + b"\n")
            tail = b""
        rest[:] = tail
        if out:
            self._file.write(b"".join(out))


@attrs.frozen
class LogQuery:
    """What a reader asks for, named as the API names it."""

    follow: bool = False
    timestamps: bool = False
    tail_lines: int | None = None
    limit_bytes: int | None = None
    since: datetime | None = None

    def render(self, entry: bytes) -> bytes:
        """Return what a reader sees of a stored line; empty where it is too old."""
        parts = entry.split(b" ", 3)
        if len(parts) != 4:  # noqa: PLR2004  not of ours
            return b""
        when, _, kind, text = parts
        if self.since and _time(when) < self.since:
            return b""
        if kind == b"P":
            text = text.removesuffix(b"\n")
        return when + b" " + text if self.timestamps else text


def since_seconds(seconds: int) -> datetime:
    """Return the time that was so many seconds ago."""
    return datetime.now(UTC) - timedelta(seconds=seconds)


def since_time(text: str) -> datetime:
    """Read a time as the API writes it.

    Raises:
        ValueError: it is none.
    """
    return datetime.fromisoformat(text)


async def read(
    path: Path, query: LogQuery, ended: asyncio.Event
) -> AsyncIterator[bytes]:
    """Yield what has been written, and go on where the reader follows.

    Args:
        path: the file of one instance.
        query: what is wanted of it.
        ended: is set once the instance has ended and all is written.
    """
    left = query.limit_bytes
    with path.open("rb") as file:
        if query.tail_lines is not None:
            file.seek(_tail(path, query.tail_lines))
        while True:
            over = ended.is_set()
            text = b"".join(query.render(line) for line in _whole_lines(file))
            if left is not None:
                text = text[:left]
                left -= len(text)
            if text:
                yield text
            if left == 0 or not query.follow or over:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL):
                    await ended.wait()


def last_lines(path: Path, lines: int, size: int) -> str:
    """Return the end of a log as text, at most so many lines and bytes."""
    try:
        entries = path.read_bytes().splitlines(keepends=True)[-lines:]
    except FileNotFoundError:
        return ""
    query = LogQuery()
    text = b"".join(query.render(entry) for entry in entries)
    return text[-size:].decode(errors="replace")


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Read on to the end, but never half of an entry that is being written."""
    for line in file:
        if not line.endswith(b"\n"):
            file.seek(-len(line), os.SEEK_CUR)
            return
        yield line


def _tail(path: Path, lines: int) -> int:
    """Return the offset at which the last so many lines start."""
    text = path.read_bytes()
    offset = len(text)
    for _ in range(lines):
        offset = text.rfind(b"\n", 0, max(offset - 1, 0)) + 1
        if offset == 0:
            break
    return offset


def _time(text: bytes) -> datetime:
    return datetime.fromisoformat(text[:26].decode()).replace(tzinfo=UTC)
