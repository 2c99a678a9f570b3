"""The node from outside: start it, reach it, stop parts of it, end it."""

import contextlib
import os
import platform
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

from deploy.image import rootfs
from mpiop.local.client import Json
from tests.e2e.node import images
from tests.e2e.node.host import INSIDE, Host
from tests.e2e.node.inside import Inside
from tests.support.assets import build
from tests.support.audit import AuditLog
from tests.support.cluster import Cluster
from tests.support.controlplane import SPARING_CORES

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
    if lost:
        return f"missing: apt-get install {' '.join(lost)}"
    return no_mirror()


def no_mirror() -> str:
    """Say which release of Debian this is, where apt offers nothing for the images."""
    try:
        rootfs.mirror()
    except (FileNotFoundError, LookupError) as error:
        system = platform.freedesktop_os_release()["PRETTY_NAME"]
        return f"images cannot be built on {system}: {error}"
    return ""


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
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with Host().changing():
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
        Host().restore()
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
        inside = [sys.executable, "-m", INSIDE, str(self.folder)]
        guard = ["setpriv", "--pdeathsig=KILL"]
        command = [*guard, "unshare", *kinds, "--fork", "--kill-child", "--mount-proc"]
        with (self.folder / "init.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *inside, str(listener.fileno())],
                cwd=ROOT,
                env={
                    **os.environ,
                    **SPARING_CORES,
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
