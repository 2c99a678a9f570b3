"""The node from outside: start it, reach it, stop parts of it, end it."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import attrs
import yaml

from mpiop.local.client import Json
from tests.e2e.node import configs, images
from tests.e2e.node.inside import Inside
from tests.support.assets import build
from tests.support.audit import AuditLog
from tests.support.cluster import Cluster
from tests.support.controlplane import SPENDING_MEMORY

ROOT: Final = Path(__file__).parents[3]
PATIENCE: Final = 300.0
PACKAGES: Final = {
    "containerd": "containerd",
    "runc": "runc",
    "debootstrap": "debootstrap",
    "ip": "iproute2",
    "nft": "nftables",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "cc": "gcc libc6-dev",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
}
# The kubelet sets these for the whole machine.
_SETTINGS: Final = (
    "vm/overcommit_memory",
    "vm/panic_on_oom",
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxkeys",
    "kernel/keys/root_maxbytes",
)
_GROUPS: Final = Path("/sys/fs/cgroup")


# All its Pods together weigh as much as a few of the processes beside them.
WEIGHTS: Final = {"cpu.shares": "6144", "cpu.weight": "600"}


def missing() -> str:
    """Say what this machine lacks for a node; "" where there is nothing."""
    if os.geteuid() != 0:
        return "a node needs root"
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    lost = [
        package
        for program, package in PACKAGES.items()
        if not shutil.which(program, path=path)
    ]
    return f"missing: apt-get install {' '.join(lost)}" if lost else ""


@attrs.define
class Node:
    """One node; use with `with`.

    Attributes:
        folder: keeps its files and logs; removed in the end.
        cluster: how tests see it.
    """

    folder: Path
    cluster: Cluster = attrs.field(init=False)
    _process: "subprocess.Popen[bytes]" = attrs.field(init=False)
    _settings: dict[str, str] = attrs.field(factory=dict)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, for programs of this machine."""
        return self.folder / "kubeconfig"

    @property
    def network(self) -> Sequence[str]:
        """Words of a command that turns into another one in the node's network."""
        return ("nsenter", "-t", str(self._init()), "-n")

    def start(self) -> None:
        """Bring the node up; build whatever is missing first.

        Raises:
            AssertionError: it does not come up; the text holds its log's end.
        """
        build()
        images.archives()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._settings = {name: _setting(name).read_text() for name in _SETTINGS}
        make_group(configs.group(self.folder))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._unshare(listener)
            port = listener.getsockname()[1]
        try:
            self._await_ready()
        except BaseException:
            self.stop()
            raise
        self._write_kubeconfig(port)
        audit = AuditLog(self.folder / "control" / "audit.log")
        self.cluster = Cluster(str(self.kubeconfig), audit)

    def stop(self) -> None:
        """End every process of the node; put the machine back as it was."""
        if hasattr(self, "cluster"):
            self.cluster.close()
        init = self._init()
        if init:
            os.kill(init, signal.SIGKILL)  # the kernel ends all others with it
        self._process.wait(PATIENCE)
        for name, value in self._settings.items():
            _setting(name).write_text(value)
        _remove_groups(configs.group(self.folder))
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill(self, pod: Json, signal: str = "SIGKILL") -> None:
        """Send a signal to process 1 of a Pod's only container."""
        (state,) = pod["status"]["containerStatuses"]
        task = state["containerID"].rpartition("/")[2]
        self.inside("ctr", "-n", "k8s.io", "tasks", "kill", "-s", signal, task)

    def inside(
        self, *command: str, check: bool = True, text: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in the node's namespaces, with some text as its input."""
        enter = ["nsenter", "-t", str(self._init()), "-m", "-n", "-p", "-u", "-i"]
        return subprocess.run(
            [*enter, *command],
            input=text,
            capture_output=True,
            text=True,
            check=check,
        )

    def signal(self, program: str, number: int) -> None:
        """Send a signal to a program: node1-kubelet, node1-containerd, coredns, ..."""
        pid = (self.folder / f"{program}.pid").read_text()
        self.inside("kill", f"-{number}", pid)

    def log(self, name: str = "init") -> str:
        """Read a program's log."""
        return (self.folder / f"{name}.log").read_text("utf-8", errors="replace")

    def _unshare(self, listener: socket.socket) -> None:
        kinds = ("--net", "--mount", "--pid", "--uts", "--ipc")
        inside = [sys.executable, "-m", "tests.e2e.node.inside", str(self.folder)]
        guard = ["setpriv", "--pdeathsig=KILL"]
        command = [*guard, "unshare", *kinds, "--fork", "--kill-child", "--mount-proc"]
        with (self.folder / "init.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *inside, str(listener.fileno())],
                cwd=ROOT,
                env={
                    **os.environ,
                    **SPENDING_MEMORY,
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                },
                pass_fds=[listener.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _init(self) -> int:
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        with contextlib.suppress(OSError, IndexError):
            return int(children.read_text().split()[0])
        return 0

    def _await_ready(self) -> None:
        end = time.monotonic() + PATIENCE
        while not (self.folder / "ready").exists():
            alive = self._process.poll() is None and time.monotonic() < end
            assert alive, f"the node does not come up:\n{self.log()[-3000:]}"
            time.sleep(0.1)

    def _write_kubeconfig(self, port: int) -> None:
        inner = Inside(self.folder).kubeconfig
        config = yaml.safe_load(inner.read_text("utf-8"))
        config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
        self.kubeconfig.write_text(yaml.safe_dump(config), "utf-8")


def _setting(name: str) -> Path:
    return Path("/proc/sys") / name


def controllers() -> Sequence[Path]:
    """Where control groups are made: one tree (version 2), or one for each kind."""
    unified = (_GROUPS / "cgroup.controllers").exists()
    return [_GROUPS] if unified else [one for one in _GROUPS.iterdir() if one.is_dir()]


def make_group(name: str) -> None:
    """Make a control group for Pods."""
    for root in controllers():
        group = root / name
        group.mkdir(exist_ok=True)
        for shared in ("cpuset.cpus", "cpuset.mems"):  # version 1 begins with neither
            if (root / shared).exists():
                (group / shared).write_text((root / shared).read_text())
        for setting, weight in WEIGHTS.items():
            if (group / setting).exists():
                (group / setting).write_text(weight)


def _remove_groups(name: str) -> None:
    """Remove what is left of control groups, the deepest first."""
    for root in controllers():
        found = [one for one in (root / name).rglob("*") if one.is_dir()]
        for folder in sorted([*found, root / name], key=lambda one: -len(one.parts)):
            with contextlib.suppress(OSError):
                folder.rmdir()
