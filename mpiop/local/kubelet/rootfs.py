"""A container's file system: the machine's own, under layers that keep it safe.

Each folder of `/` becomes an overlay of the image's folder over the machine's, with
what the container writes on top in memory. An overlay of `/` as a whole is refused
without root, since other mounts lie below it; so is one of any folder with a mount
below. Such a folder is made anew, its entries are laid out one by one.

Runs in the container's first process, before it becomes the program.
"""

import contextlib
import os
import shutil
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

from mpiop.local.kubelet import devices
from mpiop.local.kubelet import namespaces as ns
from mpiop.local.kubelet.paths import below, resolve

_MACHINE: Final = Path("/")
_OURS: Final = frozenset({"/proc", "/sys", "/dev"})  # made for each container
_PRIVATE: Final = frozenset({"/run", "/tmp"})  # the machine's stay out of sight
_MADE_AT_BOOT: Final = ("/run/lock", "/run/sshd")  # sshd insists on its own
_WRITABLE_KERNEL: Final = ("bus", "fs", "irq", "sys", "sysrq-trigger")


@attrs.frozen
class Mount:
    """A file or folder of the node that a container sees at a path of its own."""

    source: Path
    target: str
    read_only: bool = False


@attrs.frozen
class RootPlan:
    """All that makes one container's file system."""

    scratch: Path  # an empty folder, on a file system that can carry an overlay's top
    image: Path | None
    mounts: tuple[Mount, ...]
    machine_mounts: frozenset[str]  # mount points of the machine
    shared_memory: Path  # /dev/shm, of all containers of the Pod
    read_only: bool = False

    @property
    def layers(self) -> tuple[Path, ...]:
        """Folders that the root consists of, the uppermost first."""
        return (self.image, _MACHINE) if self.image else (_MACHINE,)


def machine_mounts(hidden: Path) -> frozenset[str]:
    """List the machine's mount points, without `hidden` and what lies below it."""
    text = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    points = (line.split(" ", 5)[4] for line in text.splitlines())
    plain = (point.encode().decode("unicode_escape") for point in points)
    return frozenset(
        point for point in plain if not f"{point}/".startswith(f"{hidden}/")
    )


def enter(plan: RootPlan) -> None:
    """Build the file system and make it this process's root.

    The process is in the container's pid namespace, and in a mount namespace of its
    own.

    Raises:
        OSError: something cannot be mounted; the message names it.
    """
    root = plan.scratch / "root"
    for name in ("root", "upper", "work"):
        (plan.scratch / name).mkdir()
    ns.bind(root, root)
    for path in _MADE_AT_BOOT:
        _make_folders(plan, path)
    targets = [_prepare(plan, mount) for mount in plan.mounts]
    for name in _entries(plan, "/"):
        _lay(plan, f"/{name}")
    for name in _OURS:
        below(root, name).mkdir(exist_ok=True)
    if plan.read_only:
        ns.set_readonly(root)
    _mount_kernel(root)
    devices.mount(root / "dev", plan.shared_memory)
    for mount, target in zip(plan.mounts, targets, strict=True):
        place = below(root, target)
        if not place.exists():  # below /dev
            place.mkdir(parents=True) if mount.source.is_dir() else place.touch()
        ns.bind(mount.source, place)
        if mount.read_only:
            ns.set_readonly(place)
    ns.change_root(root)


def _prepare(plan: RootPlan, mount: Mount) -> str:
    """Make the place of a mount in the top layer, before that is laid over others.

    Later it might not be possible: the folder above can belong to a user whom this
    namespace does not know.
    """
    target = resolve(mount.target, plan.layers)
    place = below(plan.scratch / "upper", target)
    if target.startswith("/dev/") or target in _OURS:
        return target
    folder = target if mount.source.is_dir() else str(Path(target).parent)
    _make_folders(plan, folder)
    if not mount.source.is_dir():
        place.touch()
    return target


def _make_folders(plan: RootPlan, path: str) -> Path:
    """Make a folder of the top layer, with modes as in the layers below."""
    upper = plan.scratch / "upper"
    for folder in [*reversed(Path(path).parents), Path(path)]:
        place = below(upper, str(folder))
        if place.exists():
            continue
        place.mkdir()
        model = _status(plan, str(folder))
        if model is not None:
            place.chmod(stat.S_IMODE(model.st_mode))
            with contextlib.suppress(OSError):  # an owner unknown in here
                os.chown(place, model.st_uid, model.st_gid)
    return below(upper, path)


def _status(plan: RootPlan, path: str) -> os.stat_result | None:
    for layer in plan.layers:
        with contextlib.suppress(OSError):
            return below(layer, path).stat()
    return None


def _entries(plan: RootPlan, path: str) -> list[str]:
    names: set[str] = set()
    for layer in (plan.scratch / "upper", *plan.layers):
        with contextlib.suppress(OSError):
            names.update(entry.name for entry in below(layer, path).iterdir())
    return sorted(names)


def _lay(plan: RootPlan, path: str) -> None:
    """Put one entry of the file system in its place."""
    if path in _OURS:
        return
    place = below(plan.scratch / "root", path)
    layers = plan.layers[:-1] if path in _PRIVATE else plan.layers
    found = [below(layer, path) for layer in layers]
    first = next((item for item in found if os.path.lexists(item)), None)
    if first is not None and first.is_symlink():
        place.symlink_to(first.readlink())
    elif first is not None and not first.is_dir():
        with contextlib.suppress(OSError):  # a broken or forbidden file of the machine
            place.touch()
            ns.bind(first, place)
    else:
        place.mkdir()
        _lay_folder(plan, path, [item for item in found if _listable(item)])


def _lay_folder(plan: RootPlan, path: str, lower: Sequence[Path]) -> None:
    place = below(plan.scratch / "root", path)
    upper = _make_folders(plan, path)
    if _MACHINE / path[1:] in lower and any(
        point.startswith(f"{path}/") for point in plan.machine_mounts
    ):
        shutil.copymode(upper, place)
        for name in _entries(plan, path):
            _lay(plan, f"{path}/{name}")
    elif lower:
        work = plan.scratch / "work" / path.replace("/", ":")
        work.mkdir()
        chain = ":".join(_escape(item) for item in lower)
        data = f"lowerdir={chain},upperdir={_escape(upper)},workdir={_escape(work)}"
        ns.mount("overlay", place, "overlay", 0, f"{data},userxattr")
    else:
        ns.bind(upper, place)


def _listable(path: Path) -> bool:
    return path.is_dir() and os.access(path, os.R_OK | os.X_OK)


def _escape(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _mount_kernel(root: Path) -> None:
    """Mount /proc and /sys, read-only where writing would reach the whole machine."""
    flags = ns.MS_NOSUID | ns.MS_NODEV | ns.MS_NOEXEC
    ns.mount("proc", root / "proc", "proc", flags)
    for name in _WRITABLE_KERNEL:
        item = root / "proc" / name
        if item.exists():
            ns.bind(item, item)
            ns.set_readonly(item)
    ns.bind("/sys", root / "sys")
    ns.set_readonly(root / "sys")
