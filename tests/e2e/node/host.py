"""What a node shares with its machine: control groups, and settings of the kernel.

Neither has a namespace of its own. Nodes of several sessions may be up at once, and a
session may be killed before it tidies up: whoever starts or ends a node does it then.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

from tests.e2e.node import configs

INSIDE: Final = "tests.e2e.node.inside"  # the module that a node's process 1 runs
# The kubelet sets these for the whole machine.
SETTINGS: Final = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
# All its Pods together weigh as much as a few of the processes beside them.
WEIGHTS: Final = {"cpu.shares": "6144", "cpu.weight": "600"}


@attrs.frozen
class Host:
    """The machine on which nodes are; another place stands for it in tests.

    Attributes:
        settings: where the kernel's are.
        groups: where control groups are.
        processes: where those are listed.
        record: keeps the settings from before the first node, while there are nodes.
    """

    settings: Path = Path("/proc/sys")
    groups: Path = Path("/sys/fs/cgroup")
    processes: Path = Path("/proc")
    record: Path = Path("/run/mpiop-node-settings.json")

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Keep the settings; the process of a node is to be started in here."""
        with self._alone():
            self._tidy()
            if not self.record.exists():
                new = self.record.with_suffix(".new")
                new.write_text(json.dumps(self.read(), indent=1), "utf-8")
                new.rename(self.record)
            yield

    def restore(self) -> None:
        """Remove what nodes left that are gone; the last one's settings, too."""
        with self._alone():
            if self._tidy() or not self.record.exists():
                return
            for name, value in self.meant().items():
                (self.settings / name).write_text(value, "ascii")
            self.record.unlink()

    def read(self) -> dict[str, str]:
        """Read the settings that a kubelet changes."""
        return {name: (self.settings / name).read_text("ascii") for name in SETTINGS}

    def meant(self) -> dict[str, str]:
        """Give what they are where no kubelet has been, or has been forgotten."""
        if not self.record.exists():
            return self.read()
        return dict(json.loads(self.record.read_text("utf-8")))

    def controllers(self) -> Sequence[Path]:
        """Where groups are made: one tree (version 2), or one for each kind."""
        if (self.groups / "cgroup.controllers").exists():
            return [self.groups]
        return [one for one in self.groups.iterdir() if one.is_dir()]

    def make_group(self, name: str) -> None:
        """Make a control group for Pods."""
        for root in self.controllers():
            group = root / name
            group.mkdir(exist_ok=True)
            for shared in ("cpuset.cpus", "cpuset.mems"):  # version 1: begins without
                if (root / shared).exists():
                    (group / shared).write_text((root / shared).read_text())
            for setting, weight in WEIGHTS.items():
                if (group / setting).exists():
                    (group / setting).write_text(weight)

    def live(self) -> frozenset[str]:
        """Name the groups of the nodes that are up, by the words of their processes."""
        found = set()
        for process in self.processes.glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended
                words = (process / "cmdline").read_bytes().split(b"\0")
                if INSIDE.encode() in words[:-1]:
                    folder = words[words.index(INSIDE.encode()) + 1]
                    found.add(configs.group(Path(os.fsdecode(folder))))
        return frozenset(found)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one session at a time look who is there, and act on it."""
        folder = os.open(self.record.parent, os.O_RDONLY)  # no file of ours stays
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _tidy(self) -> frozenset[str]:
        """Remove the groups of nodes that are gone; name those of the others."""
        found = self.live()
        for root in self.controllers():
            for group in root.glob(f"{configs.GROUP}-*"):
                if group.name not in found:
                    _remove(group)
        return found


def _remove(group: Path) -> None:
    """Remove groups, the deepest first; one with processes in it stays."""
    for folder, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            Path(folder).rmdir()
