"""The node's own namespaces: whom they know, what they mount."""

import os
from collections.abc import Callable
from pathlib import Path

from mpiop.local.kubelet import namespaces as ns

_ALL = ns.NEW_USER | ns.NEW_NS | ns.NEW_PID | ns.NEW_NET | ns.NEW_UTS | ns.NEW_IPC


def enter_namespaces() -> int | None:
    """Enter namespaces of our own; the next child is process 1 in them.

    Returns:
        None where all users of the machine exist in them; else the id of the one that
        does, who is root there.

    Raises:
        OSError: the machine forbids it.
    """
    uid, gid = os.getuid(), os.getgid()
    release = _mapper() if uid == 0 else None
    ns.unshare(_ALL)
    alone = None
    if release is None or not release():
        ns.map_single_user(0, 0, outer=(uid, gid))
        alone = uid
    ns.make_private()
    return alone


def _mapper() -> Callable[[], bool]:
    """Fork a helper that stays outside and may map all users into our namespace."""
    ours, theirs = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(theirs)
        os.read(ours, 1)
        try:
            ns.copy_user_maps(parent)
        except OSError:
            os._exit(1)
        os._exit(0)
    os.close(ours)

    def release() -> bool:
        os.write(theirs, b"x")
        os.close(theirs)
        return os.waitpid(child, 0)[1] == 0

    return release


def mount_scratch(state: Path) -> Path:
    """Mount /proc as the node sees it, and memory that can carry an overlay's top.

    The top of an overlay must not lie in what is below it, nor itself on an overlay.

    Raises:
        OSError: the machine forbids it.
    """
    ns.mount("proc", "/proc", "proc", ns.MS_NOSUID | ns.MS_NODEV | ns.MS_NOEXEC)
    scratch = state / "scratch"
    scratch.mkdir(exist_ok=True)
    ns.mount("tmpfs", scratch, "tmpfs", ns.MS_NOSUID | ns.MS_NODEV, "mode=755")
    return scratch


def prove_overlay(scratch: Path) -> None:
    """Mount an overlay for a moment.

    Raises:
        OSError: the machine cannot do that for us.
    """
    place = scratch / "proof"
    for name in ("top", "work", "all"):
        (place / name).mkdir(parents=True)
    data = f"lowerdir=/etc,upperdir={place}/top,workdir={place}/work,userxattr"
    ns.mount("overlay", place / "all", "overlay", 0, data)
    ns.unmount(place / "all")
