"""One `kubectl exec`: a process in a container, its streams over a WebSocket.

The protocol is Kubernetes' own: each binary frame starts with a channel's number. In
version 5 the client can close its standard input alone. The process and all of its
session end when the stream does.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import struct
import termios
from typing import Any, Final

import attrs
from aiohttp import WSMsgType, web

from mpiop.local.kubelet.execution import Execute, signal_session
from mpiop.local.kubelet.spawn import Child, StartError

PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_STDIN: Final = 0
_STDOUT: Final = 1
_STDERR: Final = 2
_ERROR: Final = 3
_RESIZE: Final = 4
_CLOSE: Final = 255
_PATIENCE: Final = 1.0  # seconds between asking a session to end and killing it


@attrs.frozen
class Wish:
    """What a client asks to be run."""

    argv: tuple[str, ...]
    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False


class Session:
    """Connects one process with one WebSocket."""

    def __init__(self, socket: web.WebSocketResponse, wish: Wish) -> None:
        self._socket = socket
        self._wish = wish
        self._sources: dict[int, int] = {}  # channel -> file
        self._input: int | None = None
        self._terminal: int | None = None

    async def run(self, execute: Execute) -> None:
        """Run the process to its end, or to that of the stream."""
        with contextlib.ExitStack() as ours:
            try:
                with contextlib.ExitStack() as theirs:
                    stdio = self._open(ours, theirs)
                    child = await execute(
                        self._wish.argv, stdio, terminal=self._wish.tty
                    )
            except StartError as error:
                await self._send(_ERROR, json.dumps(_not_started(error)).encode())
                await self._socket.close()
                return
            await self._attend(child)

    async def _attend(self, child: Child) -> None:
        reader = asyncio.create_task(self._read_socket())
        printed = asyncio.gather(
            *(self._pump(channel, fd) for channel, fd in self._sources.items())
        )
        try:
            await _first(child.exited, reader)
            if not child.exited.done():
                await _end(child)
                return
            # What it has printed comes first; a process that it left behind may hold
            # its output open, then the stream stays as long.
            await _first(printed, reader)
            status = _exit_status(os.waitstatus_to_exitcode(child.exited.result()))
            await self._send(_ERROR, json.dumps(status).encode())
            await self._socket.close()
        finally:
            for task in (reader, printed):
                task.cancel()
            await asyncio.gather(reader, printed, return_exceptions=True)

    def _open(
        self, ours: contextlib.ExitStack, theirs: contextlib.ExitStack
    ) -> tuple[int, int, int]:
        if self._wish.tty:
            master, slave = os.openpty()
            ours.callback(os.close, master)
            theirs.callback(os.close, slave)
            self._terminal = self._input = master
            self._sources[_STDOUT] = master
            os.set_blocking(master, False)
            return slave, slave, slave
        null = os.open(os.devnull, os.O_RDWR)
        theirs.callback(os.close, null)
        stdio = [null, null, null]
        for channel in (_STDIN, _STDOUT, _STDERR):
            if not (self._wish.stdin, self._wish.stdout, self._wish.stderr)[channel]:
                continue
            reading, writing = os.pipe2(os.O_CLOEXEC)
            own, given = (reading, writing) if channel else (writing, reading)
            theirs.callback(os.close, given)
            stdio[channel] = given
            os.set_blocking(own, False)
            if channel:
                ours.callback(os.close, own)
                self._sources[channel] = own
            else:
                self._input = own
                ours.callback(self._close_input)
        return stdio[0], stdio[1], stdio[2]

    async def _pump(self, channel: int, fd: int) -> None:
        """Send a stream of the process to the client, at the client's pace."""
        while True:
            await _ready(fd)
            try:
                part = os.read(fd, 65536)
            except BlockingIOError:
                continue
            except OSError:  # a terminal whose last user has gone
                return
            if not part:
                return
            await self._send(channel, part)

    async def _read_socket(self) -> None:
        """Take what the client sends until it goes."""
        async for message in self._socket:
            if message.type is not WSMsgType.BINARY or not message.data:
                continue
            channel, data = message.data[0], message.data[1:]
            if channel == _STDIN:
                await self._feed(data)
            elif channel == _RESIZE and self._terminal is not None:
                size = json.loads(data)
                packed = struct.pack("HHHH", size["Height"], size["Width"], 0, 0)
                fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, packed)
            elif channel == _CLOSE and data[:1] == bytes([_STDIN]):
                self._close_input()

    async def _feed(self, data: bytes) -> None:
        while data and self._input is not None:
            try:
                data = data[os.write(self._input, data) :]
            except BlockingIOError:
                await _ready(self._input, writing=True)
            except BrokenPipeError:
                self._close_input()

    def _close_input(self) -> None:
        if self._input is not None and self._terminal is None:
            os.close(self._input)
        self._input = None

    async def _send(self, channel: int, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            await self._socket.send_bytes(bytes([channel]) + data)


async def _first(*things: "asyncio.Future[Any]") -> None:
    await asyncio.wait(things, return_when=asyncio.FIRST_COMPLETED)


async def _ready(fd: int, *, writing: bool = False) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()

    def done() -> None:
        if not ready.done():
            ready.set_result(None)

    (loop.add_writer if writing else loop.add_reader)(fd, done)
    try:
        await ready
    finally:
        (loop.remove_writer if writing else loop.remove_reader)(fd)


async def _end(child: Child) -> None:
    """End a process whose client has gone: first so that it can end its own."""
    signal_session(child.pid, signal.SIGTERM)
    await asyncio.wait([child.exited], timeout=_PATIENCE)
    signal_session(child.pid, signal.SIGKILL)


def _exit_status(code: int) -> dict[str, object]:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    code = 128 - code if code < 0 else code
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit code {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _not_started(error: StartError) -> dict[str, object]:
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "InternalError",
        "code": 500,
        "message": f"Internal error occurred: {error}",
        "details": {"causes": [{"message": str(error)}]},
    }
