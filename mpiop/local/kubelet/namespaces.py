"""Linux namespaces, mounts and process controls that Python has no words for.

Thin calls into the C library; each raises OSError as the kernel answered. Nothing
here knows Pods.
"""

import contextlib
import ctypes
import os
import signal
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)

NEW_NS: Final = 0x0002_0000
NEW_UTS: Final = 0x0400_0000
NEW_IPC: Final = 0x0800_0000
NEW_USER: Final = 0x1000_0000
NEW_PID: Final = 0x2000_0000
NEW_NET: Final = 0x4000_0000

MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_NOEXEC: Final = 0x8
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x4_0000
_MNT_DETACH: Final = 0x2

_AT_FDCWD: Final = -100
_AT_RECURSIVE: Final = 0x8000
_MOUNT_ATTR_RDONLY: Final = 0x1
_SYS_MOUNT_SETATTR: Final = 442
_SYS_PIVOT_ROOT: Final = {"x86_64": 155}.get(os.uname().machine, 41)

_PR_SET_PDEATHSIG: Final = 1
_PR_CAPBSET_DROP: Final = 24
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38


def _check(result: int, path: str | None = None) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)


def _bytes(text: str | Path | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def unshare(flags: int) -> None:
    """Leave the shared namespaces of these kinds for new ones."""
    _check(_LIBC.unshare(flags))


def setns(fd: int, kind: int) -> None:
    """Join the namespace that an open file stands for."""
    _check(_LIBC.setns(fd, kind))


def open_namespace(kind: str, pid: int | str = "self") -> int:
    """Hold a process's namespace (``net``, ``mnt``, ...) open; close the answer."""
    return os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)


def mount(
    source: str | Path | None,
    target: str | Path,
    kind: str | None = None,
    flags: int = 0,
    data: str | None = None,
) -> None:
    """Mount a file system; the arguments are those of the system call."""
    code = _LIBC.mount(
        _bytes(source),
        _bytes(target),
        _bytes(kind),
        ctypes.c_ulong(flags),
        _bytes(data),
    )
    _check(code, str(target))


def bind(source: str | Path, target: str | Path) -> None:
    """Make a file or folder, and the mounts below it, appear at a second place."""
    mount(source, target, flags=MS_BIND | MS_REC)


def set_readonly(target: str | Path, *, recursive: bool = True) -> None:
    """Make a mount read-only, by default with the mounts below it.

    Other flags stay as they are: in a user namespace they are locked.
    """
    attributes = struct.pack("=QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    code = _LIBC.syscall(
        ctypes.c_long(_SYS_MOUNT_SETATTR),
        _AT_FDCWD,
        _bytes(target),
        _AT_RECURSIVE if recursive else 0,
        attributes,
        ctypes.c_size_t(len(attributes)),
    )
    _check(code, str(target))


def make_private() -> None:
    """Keep mounts of this mount namespace from spreading to others."""
    mount(None, "/", flags=MS_REC | MS_PRIVATE)


def unmount(target: str | Path) -> None:
    """Take a mount away, at once by name and really when it is no longer used."""
    _check(_LIBC.umount2(_bytes(target), _MNT_DETACH), str(target))


def change_root(root: Path) -> None:
    """Make a mount point the root, and let go of the former one."""
    os.chdir(root)
    _check(_LIBC.syscall(ctypes.c_long(_SYS_PIVOT_ROOT), b".", b"."), str(root))
    unmount(".")
    os.chdir("/")


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Get a signal when the parent process ends."""
    _check(_LIBC.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0))


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends."""
    _check(_LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


def forbid_new_privileges() -> None:
    """Let no program started from here gain rights by its file's set-uid bit."""
    _check(_LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def drop_capability(number: int) -> bool:
    """Take a capability out of reach for good; false where the kernel has none such."""
    return bool(_LIBC.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) == 0)


def map_single_user(uid: int, gid: int, *, outer: tuple[int, int]) -> None:
    """In a new user namespace, let one user of the parent be `uid` and `gid`."""
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {outer[0]} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {outer[1]} 1", encoding="ascii")


def copy_user_maps(pid: int) -> None:
    """Map in a child's new user namespace every user of ours to itself.

    Raises:
        OSError: we do not hold the right (CAP_SETUID) to do so.
    """
    for name in ("uid_map", "gid_map"):
        rows = Path(f"/proc/self/{name}").read_text(encoding="ascii").splitlines()
        ours = [(first, count) for first, _, count in (row.split() for row in rows)]
        text = "\n".join(f"{first} {first} {count}" for first, count in ours)
        Path(f"/proc/{pid}/{name}").write_text(text + "\n", encoding="ascii")


@contextlib.contextmanager
def new_pid_namespace() -> Iterator[None]:
    """Let a fork inside this block be process 1 of a new pid namespace."""
    with _own_pid_namespace_after():
        unshare(NEW_PID)
        yield


@contextlib.contextmanager
def joined_pid_namespace(member: int) -> Iterator[None]:
    """Let a fork inside this block be in the pid namespace of a process.

    Raises:
        OSError: the process has ended.
    """
    other = open_namespace("pid", member)
    try:
        with _own_pid_namespace_after():
            setns(other, NEW_PID)
            yield
    finally:
        os.close(other)


@contextlib.contextmanager
def _own_pid_namespace_after() -> Iterator[None]:
    own = open_namespace("pid")
    try:
        yield
    finally:
        setns(own, NEW_PID)
        os.close(own)
