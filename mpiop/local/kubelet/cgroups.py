"""Memory limits, where this machine lets us make control groups (v1 or v2).

Where it does not, containers run without a limit.
"""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import attrs

_TREE: Final = Path("/sys/fs/cgroup")
Place = tuple[int, Path]  # version of control groups, folder


@attrs.frozen
class Cgroup:
    """The control group of one container instance."""

    path: Path
    version: int

    def join(self) -> None:
        """Put this process into the group."""
        (self.path / "cgroup.procs").write_text("0", encoding="ascii")

    def out_of_memory(self) -> bool:
        """Tell whether the kernel has ended a process of it for its limit."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"  # noqa: PLR2004
        with contextlib.suppress(OSError):
            text = (self.path / name).read_text(encoding="ascii")
            rows = dict(line.split(" ", 1) for line in text.splitlines())
            return int(rows.get("oom_kill", "0")) > 0
        return False

    def remove(self) -> None:
        """Remove the group, which is empty."""
        with contextlib.suppress(OSError):
            self.path.rmdir()


@attrs.frozen
class Cgroups:
    """Where groups are made; `root` is None where they cannot be."""

    root: Path | None = None
    version: int = 0

    @classmethod
    def claim(cls, places: Sequence[Place]) -> "Cgroups":
        """Make our own group at the first of these places that allows it."""
        for version, root in places:
            with contextlib.suppress(OSError):
                _make(root, version)
                return cls(root, version)
        return cls()

    def make(self, name: str, limit: int) -> Cgroup | None:
        """Make a group with a limit in bytes, None where that is impossible."""
        if self.root is None:
            return None
        path = self.root / name
        file = "memory.max" if self.version == 2 else "memory.limit_in_bytes"  # noqa: PLR2004
        with contextlib.suppress(OSError):
            path.mkdir()
            (path / file).write_text(str(limit), encoding="ascii")
            swap = path / "memory.swap.max"
            if swap.exists():
                swap.write_text("0", encoding="ascii")
            return Cgroup(path, self.version)
        return None


def places(name: str) -> list[Place]:
    """Say where a group of ours could be made, below the groups that we are in."""
    legacy, unified = _own("memory"), _own("")
    found: list[Place] = []
    if legacy is not None:
        found.append((1, _TREE / "memory" / legacy / name))
    if unified is not None:
        found.append((2, _TREE / unified / name))
    return found


def sweep(found: Sequence[Place]) -> None:
    """Remove all groups at these places; their processes have ended."""
    for _, root in found:
        for folder, _, _ in os.walk(root, topdown=False):
            with contextlib.suppress(OSError):
                Path(folder).rmdir()


def _own(controller: str) -> str | None:
    text = Path("/proc/self/cgroup").read_text(encoding="utf-8")
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path.lstrip("/")
    return None


def _make(root: Path, version: int) -> None:
    root.mkdir()
    try:
        if version == 1:
            (root / "memory.use_hierarchy").write_text("1", encoding="ascii")
        else:
            (root / "cgroup.subtree_control").write_text("+memory", encoding="ascii")
        probe = root / "probe"
        probe.mkdir()
        probe.rmdir()
    except OSError:
        root.rmdir()
        raise
