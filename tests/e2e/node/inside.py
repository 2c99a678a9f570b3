"""Process 1 of the node's namespaces: `inside FOLDER FD` brings all of it up.

FD is a socket that listens on the machine's loopback. It was opened outside, so what
comes in by it reaches the API server in here.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import attrs
import yaml

from mpiop.local.apiserver.pki import Pki
from mpiop.local.client import NODES
from tests.e2e.node import configs, images
from tests.e2e.node.host import Host
from tests.support.assets import wanted
from tests.support.controlplane import ControlPlane, Options
from tests.support.script import ready

PATIENCE: Final = 120.0
# What is written below these stays in memory ...
LAYERED: Final = ("/opt", "/usr", "/var")
# ... and nothing is read of what the machine has where the kubelet, containerd and CNI
# write, whatever they are told.
EMPTY: Final = (
    "/opt/containerd",
    "/usr/libexec/kubernetes",
    "/var/lib/cni",
    "/var/log/containers",
    "/var/log/pods",
)
SETTINGS: Final = {
    "net/ipv4/ip_forward": "1",
    "net/ipv6/conf/all/disable_ipv6": "1",
    "net/bridge/bridge-nf-call-iptables": "1",
}


def run(*command: str) -> None:
    """Run a command that must succeed."""
    subprocess.run(command, check=True)


@attrs.frozen
class Inside:
    """Everything of one node; its folder keeps files, logs and process ids."""

    folder: Path

    @property
    def kubeconfig(self) -> Path:
        """The administrator's, for programs in here."""
        return self.folder / "control" / "admin.kubeconfig"

    @property
    def _networks(self) -> Path:
        return self.folder / "cni"

    def mount(self) -> None:
        """Keep what is written, and the node's mounts, from the machine."""
        run("mount", "--make-rprivate", "/")
        run("mount", "-t", "tmpfs", "tmpfs", "/run")
        for place in LAYERED:
            self._layer(Path(place))
        for place in EMPTY:
            _in_memory(Path(place))
        # What Pods write has a disk of its own, which a test can fill; images have one
        # that is gone at once with the namespace.
        machine = configs.first(self.folder)
        for disk in (machine.pods, machine.images):
            _in_memory(disk, "-o", f"size={configs.DISK}")
        resolver = f"nameserver {configs.ADDRESS}\noptions ndots:5\n"
        self._bind("/etc/resolv.conf", resolver)
        hosts = f"127.0.0.1 localhost\n{configs.ADDRESS} {configs.NAME}\n"
        self._bind("/etc/hosts", hosts)
        run("mount", "--make-rshared", "/")

    def network(self) -> None:
        """One interface with an address, and no way out."""
        run("hostname", configs.NAME)
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "eth0p")
        run("ip", "link", "set", "eth0p", "up")
        run("ip", "addr", "add", f"{configs.ADDRESS}/24", "dev", "eth0")
        run("ip", "link", "set", "eth0", "up")
        run("ip", "route", "add", "default", "via", "172.30.0.254", "dev", "eth0")
        for name, value in SETTINGS.items():
            setting = Path("/proc/sys") / name
            if setting.exists():
                setting.write_text(value, "ascii")

    def networks(self) -> None:
        """Say how Pods are connected, and who they ask for names beside us: nobody."""
        self._networks.mkdir(exist_ok=True)
        conflist = self._networks / "10-pods.conflist"
        conflist.write_text(json.dumps(configs.network()), "utf-8")
        self._write("resolv.pod", "")

    def containerd(
        self, machine: configs.Machine, archives: Sequence[Path]
    ) -> list["subprocess.Popen[bytes]"]:
        """Start it, and begin to load images, by a process for each archive."""
        name = f"{machine.name}-containerd"
        told = configs.containerd(machine, self._networks, images.PAUSE)
        config = self._write(f"{name}.toml", told)
        self.start(name, "containerd", "-c", str(config))
        client = ("ctr", "--address", machine.socket)
        self.wait(name, lambda: _succeeds(*client, "version"))
        load = (*client, "-n", "k8s.io", "images", "import")
        return [subprocess.Popen([*load, str(one)]) for one in archives]

    def kubelet(self, machine: configs.Machine, *flags: str) -> None:
        """Start it."""
        name = f"{machine.name}-kubelet"
        told = configs.kubelet(machine, self.folder / "resolv.pod")
        self.start(
            name,
            str(wanted() / "kubelet"),
            f"--config={self._write(f'{name}.yaml', told)}",
            f"--kubeconfig={self.kubeconfig}",
            f"--hostname-override={machine.name}",
            f"--node-ip={configs.ADDRESS}",
            f"--root-dir={machine.pods}",
            f"--cert-dir={machine.pods / 'certificates'}",
            *flags,
        )

    def control_plane(self) -> ControlPlane:
        """Describe it: reachable from Pods, with a controller for nodes that go."""
        names = [
            "127.0.0.1",
            configs.ADDRESS,
            configs.API_SERVICE,
            "kubernetes.default.svc",
        ]
        flags = (
            "--bind-address=0.0.0.0",
            f"--advertise-address={configs.ADDRESS}",
            "--endpoint-reconciler-type=lease",
            "--allow-privileged=true",
            "--kubelet-preferred-address-types=InternalIP",
        )
        options = Options(flags=flags, controllers="*")
        return ControlPlane(self.folder / "control", options, pki=Pki.create(names))

    def services(self) -> None:
        """Start kube-proxy and CoreDNS."""
        config = self._write("proxy.yaml", configs.proxy(self.kubeconfig))
        self.start("kube-proxy", str(wanted() / "kube-proxy"), f"--config={config}")
        config = self._write("Corefile", configs.dns(self.kubeconfig))
        self.start("coredns", str(wanted() / "coredns"), "-conf", str(config))

    def start(self, name: str, *command: str) -> None:
        """Start a program; its id is in a file, so that a test can stop it."""
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._write(f"{name}.pid", str(process.pid))

    def wait(self, what: str, ready: Callable[[], bool]) -> None:
        """Wait until something is ready.

        Raises:
            TimeoutError: it is not, after two minutes.
        """
        end = time.monotonic() + PATIENCE
        while not ready():
            if time.monotonic() > end:
                raise TimeoutError(
                    f"{what} is not ready; see the logs in {self.folder}"
                )
            time.sleep(0.1)

    def _layer(self, place: Path) -> None:
        """Let a folder take what is written in memory; what is mounted in it stays."""
        own = Path("/run/layers") / place.name
        below, upper, work = (own / name for name in ("below", "upper", "work"))
        for one in (below, upper, work):
            one.mkdir(parents=True)
        run("mount", "--rbind", str(place), str(below))
        stay = [one for one in [*_mounted(), self.folder] if place in one.parents]
        layers = f"lowerdir={place},upperdir={upper},workdir={work}"
        run("mount", "-t", "overlay", "overlay", "-o", layers, str(place))
        for one in stay:
            run("mount", "--bind", str(below / one.relative_to(place)), str(one))
        run("umount", "--lazy", str(below))

    def _bind(self, place: str, content: str) -> None:
        file = self._write(Path(place).name, content)
        run("mount", "--bind", str(file), place)

    def _write(self, name: str, content: str) -> Path:
        file = self.folder / name
        file.write_text(content, "utf-8")
        return file


def _in_memory(place: Path, *options: str) -> None:
    place.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", *options, "tmpfs", str(place))


def _mounted() -> list[Path]:
    """List where something is mounted, what is further below later."""
    lines = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    return sorted({Path(line.split()[4].replace(r"\040", " ")) for line in lines})


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _dns_answers() -> bool:
    try:
        with urllib.request.urlopen("http://127.0.0.1:8181/ready", timeout=1) as told:
            return bool(told.status == 200)
    except OSError:
        return False


def loaded(loading: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Wait until images are loaded."""
    codes = [one.wait() for one in loading]
    assert not any(codes), f"images are not loaded: ctr ended with {codes}"


def bring_up(folder: Path, listener: int) -> None:
    """Bring the node up, say so in a file, and pass connections on for ever."""
    inside = Inside(folder)
    machine = configs.first(folder)
    Host().make_group(machine.group)
    inside.mount()
    inside.network()
    inside.networks()
    loading = inside.containerd(machine, images.archives())
    with inside.control_plane() as plane:
        # A kubelet that starts beside them takes one of their passing mounts for the
        # node's disk, and looks at no disk once that is gone.
        loaded(loading)
        inside.kubelet(machine)
        inside.services()
        find = plane.cluster.find
        inside.wait("the node", lambda: ready(find(NODES, "", machine.name) or {}))
        inside.wait("CoreDNS", _dns_answers)
        config = yaml.safe_load(inside.kubeconfig.read_text("utf-8"))
        server = str(config["clusters"][0]["cluster"]["server"])
        (folder / "ready").write_text(server, "utf-8")
        asyncio.run(_forward(listener, int(server.rpartition(":")[2])))


async def _forward(listener: int, port: int) -> None:
    async def connected(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pump(reader, back), _pump(there, writer))

    server = await asyncio.start_server(connected, sock=socket.socket(fileno=listener))
    async with server:
        await server.serve_forever()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass  # one side has gone; the other is told by the end of its stream
    finally:
        writer.close()


def main() -> None:
    """As process 1: bring up in a child, and reap whoever ends meanwhile."""
    child = os.fork()
    if child == 0:
        bring_up(Path(sys.argv[1]), int(sys.argv[2]))
        os._exit(0)
    while True:
        ended, status = os.wait()
        if ended == child:
            sys.exit(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
