"""A second node beside the first, with a kubelet and containers of its own, to be lost.

`python -m tests.e2e.node.second FOLDER` starts it, within the namespaces of the first.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs

from mpiop.local.client import NODES, Deletion
from tests.e2e.node import configs, images
from tests.e2e.node.host import Host
from tests.e2e.node.inside import Inside, loaded
from tests.e2e.node.node import Node
from tests.e2e.node.stage import await_
from tests.support.script import ready

MARK: Final = "mpiop-test-second"  # label, and a taint that keeps others away


@attrs.define
class Second:
    """The second node from outside."""

    node: Node
    _lost: bool = False

    def lose(self) -> None:
        """Let it fall silent at once, as by a cut cable or a lost supply.

        Its Pods do not answer, and do not hang up either; nobody tells of their end.
        """
        if self._lost:
            return
        self._lost = True
        self.node.signal(f"{configs.SECOND}-kubelet", signal.SIGKILL)
        found = self._processes()
        for process in found:
            enter = ("nsenter", "-t", str(process), "-n")
            # A process may have ended; its network has that of others of its Pod.
            subprocess.run(
                [*enter, "ip", "link", "set", "eth0", "down"],
                capture_output=True,
                check=False,
            )
        self.node.signal(f"{configs.SECOND}-containerd", signal.SIGKILL)
        for process in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)

    def _processes(self) -> list[int]:
        """List the processes of its Pods."""
        group = configs.second(self.node.folder).group
        return sorted(
            {
                int(process)
                for root in Host().controllers()
                for listed in (root / group).rglob("cgroup.procs")
                for process in listed.read_text("ascii").split()
            }
        )


@contextmanager
def second(node: Node) -> Iterator[Second]:
    """Have a second node, for Pods that want it; it is lost in the end."""
    Host().make_group(configs.second(node.folder).group)
    path = f"PYTHONPATH={os.pathsep.join(filter(None, sys.path))}"
    module = (sys.executable, "-m", "tests.e2e.node.second")
    node.inside("env", path, *module, str(node.folder))
    found = Second(node)
    try:
        await_(
            lambda: ready(node.cluster.find(NODES, "", configs.SECOND) or {}),
            "the second node is ready",
        )
        yield found
    finally:
        found.lose()
        if made := node.cluster.find(NODES, "", configs.SECOND):
            node.cluster.client.delete(NODES, made, Deletion(policy="Background"))


def main() -> None:
    """Within the namespaces: start it, with its images."""
    inside = Inside(Path(sys.argv[1]))
    machine = configs.second(inside.folder)
    for place in (machine.images, machine.pods, machine.logs):
        place.mkdir(parents=True, exist_ok=True)
    pause, mpi, _ = images.archives()
    loading = inside.containerd(machine, [pause, mpi])
    loaded(loading)
    inside.kubelet(
        machine,
        f"--node-labels={MARK}=yes",
        f"--register-with-taints={MARK}=yes:NoSchedule",
    )


if __name__ == "__main__":
    main()
