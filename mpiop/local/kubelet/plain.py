"""Pods without namespaces: processes of this machine, told apart as well as can be.

Mount paths are rewritten in commands, environment and ConfigMaps. A preloaded library
(pod.c) gives each Pod a host name, an address on the machine's loopback, and the names
of its neighbours; so each may have a server on the same port, sshd for one.
"""

import contextlib
import os
import signal
import socket
from collections.abc import Mapping
from ipaddress import IPv4Address
from pathlib import Path
from typing import Final

from mpiop.local.kubelet import hosts, users
from mpiop.local.kubelet import namespaces as ns
from mpiop.local.kubelet.objects import Json, hostname, ports
from mpiop.local.kubelet.plain_processes import MARK, kill_marked
from mpiop.local.kubelet.rewrite import Rewriting, of_pod
from mpiop.local.kubelet.runtime import Launch
from mpiop.local.kubelet.spawn import Child, Process

_LOOPBACK: Final = IPv4Address("127.0.0.0")
_ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_ETC: Final = "/etc"
_SHADOW: Final = "shadow"
_BLOCKS: Final = (1 << 14) - 1  # of 1,024 addresses each, in 127.0.0.0/8
_PROGRAMS: Final = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "bin")


def address() -> str:
    """Return an address of this machine that is not loopback, if it has one.

    No packet is sent: the kernel only says which address it would send from.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.1"
        name: str = probe.getsockname()[0]
        return name


class _Addresses:
    """Addresses on loopback, of a block that no other node of the machine has."""

    def __init__(self) -> None:
        self._claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        start = os.getpid()
        # Not the first one, in which localhost is.
        for block in (1 + number % _BLOCKS for number in range(start, start + _BLOCKS)):
            with contextlib.suppress(OSError):  # another node's
                self._claim.bind(f"\0mpiop-addresses-{block}")
                self._next = (block << 10) + 1
                return
        raise OSError("no addresses are left on loopback")

    def take(self) -> str:
        """Give the next one, the first again when all have been given."""
        first = self._next & ~0x3FF
        given, self._next = self._next, max((self._next + 1) & 0x3FF, 1) | first
        return str(_LOOPBACK + given)


class PlainRuntime:
    """No isolation but folders, environments and what the library makes of them."""

    alone = True

    def __init__(
        self, state: Path, images: Mapping[str, Path], library: Path | None
    ) -> None:
        self.host_address = address()
        self.images = images
        self.library = library  # None: Pods have the machine's name and address
        self._addresses = None if library is None else _Addresses()
        self._state = state

    def sandbox(self, pod: Json, folder: Path) -> "PlainSandbox":
        """Make a Pod's folders."""
        taken = self._addresses
        address = self.host_address if taken is None else taken.take()
        return PlainSandbox(pod, folder, self, address)

    def close(self) -> None:
        """End all processes of all Pods."""
        kill_marked(str(self._state))


class PlainSandbox:
    """One Pod's folders."""

    def __init__(
        self, pod: Json, folder: Path, runtime: PlainRuntime, address: str
    ) -> None:
        self.address = address
        self.folder = folder
        self.runtime = runtime
        self.etc = folder / "etc"
        self.rewriting = of_pod(pod, folder / "volumes", runtime.images)
        for name in ("tmp", "work", "etc"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        hosts.rewrite(self.etc / "hosts", hosts.hosts_file(pod, address, ()))
        # Whoever is root may want to change it, and must not change the machine's.
        shadow = users.shadow(users.read_passwd([Path("/")]))
        hosts.rewrite(self.etc / _SHADOW, shadow)
        for name in ("hosts", _SHADOW):
            self.rewriting = self.rewriting.also(f"{_ETC}/{name}", self.etc / name)

    def content(self, data: bytes) -> bytes:
        """Rewrite the paths in a file of a ConfigMap."""
        return self.rewriting.data(data)

    def instance(self, launch: Launch) -> "PlainInstance":
        """Prepare an instance of a container."""
        return PlainInstance(self, launch)

    def close(self) -> None:
        """End what is left of the Pod."""
        kill_marked(str(self.folder))


class PlainInstance:
    """One container instance: processes with a mark."""

    def __init__(self, sandbox: PlainSandbox, launch: Launch) -> None:
        self._sandbox = sandbox
        self._launch = launch
        self._mark = str(sandbox.folder / launch.id)
        self._first: Child | None = None
        self._rewriting = _with_files(sandbox.rewriting, launch)

    def process(self, stdio: tuple[int, int, int]) -> Process:
        """Say how to start the container."""
        return self.joined(self._launch.argv, stdio, terminal=False)

    def started(self, first: Child) -> None:
        """Take note of the first process, which may hide its mark, as sshd does."""
        self._first = first

    def joined(
        self, argv: tuple[str, ...], stdio: tuple[int, int, int], *, terminal: bool
    ) -> Process:
        """Say how to start a process of it."""
        return Process(
            argv=tuple(self._rewriting.text(word) for word in argv),
            env=self._env(),
            cwd=self._cwd(),
            stdio=stdio,
            terminal=terminal,
            prepare=_end_with_kubelet,
        )

    def kill(self) -> None:
        """End all its processes."""
        if self._first is not None:
            self._first.signal(signal.SIGKILL)
        kill_marked(self._mark)

    def out_of_memory(self) -> bool:
        """Tell nothing: there are no memory limits in plain mode."""
        return False

    def close(self) -> None:
        """End what may be left."""
        self.kill()

    def _cwd(self) -> str:
        wanted = self._rewriting.text(self._launch.cwd)
        if wanted != "/" and Path(wanted).is_dir():
            return wanted
        # Nothing is made outside of our own folder.
        return str(self._sandbox.folder / "work" / self._launch.cwd.lstrip("/"))

    def _env(self) -> dict[str, str]:
        launch, sandbox = self._launch, self._sandbox
        own = {
            name: os.environ[name] for name in ("HOME", "USER") if name in os.environ
        }
        own["TMPDIR"] = str(sandbox.folder / "tmp")
        if _ACCOUNT in sandbox.rewriting.places:
            own["KUBECONFIG"] = str(_kubeconfig(launch, sandbox))
        given = launch.env.items()
        env = own | {name: self._rewriting.text(text) for name, text in given}
        env[MARK] = self._mark
        env |= self._answers(env.get("LD_PRELOAD", ""))
        if launch.image is not None:
            folders = (launch.image / name for name in _PROGRAMS)
            brought = [str(folder) for folder in folders if folder.is_dir()]
            env["PATH"] = ":".join([*brought, env.get("PATH", "")])
        return env

    def _answers(self, preloaded: str) -> dict[str, str]:
        """Give what the library answers from."""
        launch, sandbox = self._launch, self._sandbox
        found = {"MPIOP_HOSTNAME": hostname(launch.pod)}
        if sandbox.runtime.library is None:
            return found
        places = (f"{mount.target}={mount.source}" for mount in launch.mounts)
        return found | {
            "LD_PRELOAD": f"{sandbox.runtime.library} {preloaded}".rstrip(),
            "MPIOP_ADDRESS": sandbox.address,
            "MPIOP_PORTS": "".join(f",{port}" for port in ports(launch.pod)) + ",",
            "MPIOP_HOSTS": str(sandbox.etc / "hosts"),
            "MPIOP_MOUNTS": ":".join(places),
        }


def _with_files(rewriting: Rewriting, launch: Launch) -> Rewriting:
    """Know also what is mounted for this instance alone, but /tmp: see TMPDIR."""
    for mount in launch.mounts:
        if mount.target not in rewriting.places and mount.target != "/tmp":
            rewriting = rewriting.also(mount.target, mount.source)
    return rewriting


def _kubeconfig(launch: Launch, sandbox: PlainSandbox) -> Path:
    """Write what clients in a Pod else read from a path that nobody can mount."""
    account = sandbox.rewriting.places[_ACCOUNT]
    host, port = (launch.env[f"KUBERNETES_SERVICE_{name}"] for name in ("HOST", "PORT"))
    namespace = launch.pod["metadata"]["namespace"]
    path = sandbox.folder / "kubeconfig"
    path.write_text(
        f"""apiVersion: v1
kind: Config
current-context: pod
clusters:
- name: local
  cluster: {{server: "https://{host}:{port}", certificate-authority: {account}/ca.crt}}
users:
- name: account
  user: {{tokenFile: {account}/token}}
contexts:
- name: pod
  context: {{cluster: local, user: account, namespace: {namespace}}}
""",
        encoding="utf-8",
    )
    return path


def _end_with_kubelet() -> None:
    ns.die_with_parent(signal.SIGKILL)
