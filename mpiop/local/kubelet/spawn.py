"""Start a process: fork, enter its surroundings, take its user, become its program.

Forking straight from the kubelet takes 1 to 2 ms where starting a helper would take
ten times that; it is sound because the kubelet has one thread.
"""

import asyncio
import json
import os
import posixpath
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Final, Never

import attrs

from mpiop.local.kubelet import namespaces as ns

DEFAULT_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class StartError(Exception):
    """A program could not be started; the text is for the user."""


@attrs.frozen
class User:
    """Whom a process runs as."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    everyone: bool = True  # else only one user is mapped, and becomes this one


@attrs.frozen
class Process:
    """A program to run, and how."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    stdio: tuple[int, int, int]
    prepare: Callable[[], None] = lambda: None  # enters its surroundings
    user: User | None = None  # None: as the kubelet
    user_namespace_of: int | None = None  # pid of whom has become that user already
    capabilities: frozenset[int] | None = None  # to keep; None: all
    no_new_privileges: bool = False
    terminal: bool = False  # standard input is a terminal, to be the controlling one
    moment: AbstractContextManager[None] = attrs.field(factory=nullcontext)  # at fork


@attrs.frozen
class Child:
    """A process of ours; `exited` gets its wait status."""

    pid: int
    exited: asyncio.Future[int]

    def signal(self, number: int) -> None:
        """Send a signal, unless the process has ended: its pid may be another's."""
        if not self.exited.done():
            os.kill(self.pid, number)


class Reaper:
    """Collects every child that ends, our own and adopted ones."""

    def __init__(self) -> None:
        self._children: dict[int, asyncio.Future[int]] = {}

    def install(self) -> None:
        """Start collecting, in the running loop."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self.collect)

    def expect(self, pid: int) -> Child:
        """Tell of a child right after its fork."""
        future = asyncio.get_running_loop().create_future()
        self._children[pid] = future
        return Child(pid, future)

    def collect(self) -> None:
        """Take the status of all children that have ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            future = self._children.pop(pid, None)
            if future is not None and not future.done():
                future.set_result(status)


async def start(process: Process, reaper: Reaper) -> Child:
    """Start a process and return once its program runs.

    Raises:
        StartError: it cannot be started; the process is gone (but not yet reaped).
    """
    ours, theirs = os.pipe2(os.O_CLOEXEC)
    try:
        with process.moment:
            pid = os.fork()
            if pid == 0:
                _become(process, theirs)
            child = reaper.expect(pid)
    except OSError as error:
        os.close(ours)
        raise StartError(f"cannot start a process: {error}") from error
    finally:
        os.close(theirs)
    complaint = await _read_all(ours)
    if complaint:
        raise StartError(str(json.loads(complaint)))
    return child


async def _read_all(fd: int) -> bytes:
    """Read a pipe to its end without holding up the loop; closes it."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()
    parts: list[bytes] = []

    def read() -> None:
        part = os.read(fd, 65536)
        parts.append(part)
        if not part and not done.done():
            done.set_result(None)

    loop.add_reader(fd, read)
    try:
        await done
    finally:
        loop.remove_reader(fd)
        os.close(fd)
    return b"".join(parts)


def _become(process: Process, complaints: int) -> Never:
    """In the child: never return."""
    try:
        _enter(process)
        _execute(process)
    except (OSError, StartError) as error:
        os.write(complaints, json.dumps(str(error)).encode())
    except BaseException as error:  # noqa: BLE001  nothing may get back into the loop
        sys.excepthook(type(error), error, error.__traceback__)
        os.write(complaints, json.dumps(repr(error)).encode())
    finally:
        os._exit(128)


def _enter(process: Process) -> None:
    known = process.user_namespace_of
    users = None if known is None else ns.open_namespace("user", known)
    os.setsid()
    os.umask(0o022)
    for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    process.prepare()
    for target, fd in enumerate(process.stdio):
        os.dup2(fd, target)
    if process.terminal:
        import fcntl
        import termios

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    _change_user(process, users)
    _change_folder(process.cwd)


def _change_user(process: Process, users: int | None) -> None:
    if process.capabilities is not None:
        number = 0
        while number in process.capabilities or ns.drop_capability(number):
            number += 1
    if process.no_new_privileges:
        ns.forbid_new_privileges()
    user = process.user
    if user is None:
        return
    if user.everyone:
        os.setgroups(user.groups)
        os.setgid(user.gid)
        os.setuid(user.uid)
    elif users is not None:
        ns.setns(users, ns.NEW_USER)
    elif user.uid:
        outer = os.getuid(), os.getgid()
        ns.unshare(ns.NEW_USER)
        ns.map_single_user(user.uid, user.gid, outer=outer)


def _change_folder(path: str) -> None:
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
        os.chdir(path)
    except OSError as error:
        raise StartError(f'working directory "{path}": {error.strerror}') from error


def _execute(process: Process) -> None:
    """Run the program; comes back only with an error, worded as runc words it."""
    program, env = process.argv[0], dict(process.env)
    if "/" in program:
        try:
            os.execve(program, process.argv, env)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StartError(f'exec: "{program}": {reason}') from error
    denied = False
    for folder in env.get("PATH", DEFAULT_PATH).split(":"):
        try:
            os.execve(posixpath.join(folder or ".", program), process.argv, env)
        except PermissionError:
            denied = True
        except OSError:
            continue
    reason = "permission denied" if denied else "executable file not found in $PATH"
    raise StartError(f'exec: "{program}": {reason}')
