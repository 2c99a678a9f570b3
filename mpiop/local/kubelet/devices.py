"""A container's /dev: terminals, shared memory, harmless devices and accelerators.

The machine's own /dev stays out: seen with root's uid its disks could be written.
"""

import contextlib
from pathlib import Path
from typing import Final

from mpiop.local.kubelet import namespaces as ns

_HARMLESS: Final = ("null", "zero", "full", "random", "urandom", "tty")
_ACCELERATORS: Final = ("nvidia*", "dri", "infiniband", "kfd", "dxg")
_LINKS: Final = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}


def mount(place: Path, shared_memory: Path) -> None:
    """Fill an empty folder with the devices of a container.

    Raises:
        OSError: one of those that every program expects cannot be had.
    """
    ns.mount("tmpfs", place, "tmpfs", ns.MS_NOSUID, "mode=755,size=64k")
    machine = Path("/dev")
    for name in _HARMLESS:
        (place / name).touch()
        ns.bind(machine / name, place / name)
    for pattern in _ACCELERATORS:
        for device in machine.glob(pattern):
            _lend(device, place / device.name)
    for name, target in _LINKS.items():
        (place / name).symlink_to(target)
    for name in ("pts", "shm"):
        (place / name).mkdir()
    options = "newinstance,ptmxmode=0666,mode=620"
    ns.mount("devpts", place / "pts", "devpts", ns.MS_NOSUID | ns.MS_NOEXEC, options)
    ns.bind(shared_memory, place / "shm")


def _lend(device: Path, place: Path) -> None:
    if device.is_dir():
        place.mkdir()
    else:
        place.touch()
    with contextlib.suppress(OSError):
        ns.bind(device, place)
