"""What this machine offers to tests; each answer is "" or the reason why not."""

import functools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from mpiop.k8s.credentials import load
from mpiop.k8s.settings import Settings
from mpiop.local.kubelet import preload
from mpiop.local.kubelet.launch import NodeConfig, NodeError, start
from tests.support import assets

AS_NOBODY: Final = Path(__file__).with_name("as_nobody.py")
NAMED: Final = "MPIOP_E2E_KUBECONFIG"  # a kubeconfig
SBIN: Final = "/usr/local/sbin:/usr/sbin:/sbin"


@functools.cache
def namespaces() -> str:
    """Whether Pods can have namespaces of their own."""
    with tempfile.TemporaryDirectory(prefix="mpiop-") as name:
        folder = Path(name)
        config = NodeConfig(
            state=folder / "node",
            api=folder / "api.sock",
            kubelet=folder / "kubelet.sock",
            isolation="namespaces",
        )
        try:
            start(config).stop()
        except NodeError as error:
            return str(error)
    return ""


def sshd() -> str:
    """Whether there is an ssh server and client."""
    path = f"{os.environ.get('PATH', os.defpath)}:{SBIN}"
    missing = [name for name in ("sshd", "ssh") if not shutil.which(name, path=path)]
    return f"{' and '.join(missing)} missing: apt-get install openssh-server" * bool(
        missing
    )


def compiler() -> str:
    """Whether Pods have names of their own in plain mode."""
    return "" if preload.possible() else "no C compiler: apt-get install gcc libc6-dev"


def root() -> str:
    """Whether the tests run as root."""
    return "" if os.geteuid() == 0 else "the tests run as an ordinary user"


@functools.cache
def other_user() -> str:
    """Whether the tests can run mpiop as an unprivileged user."""
    if root():
        return ""  # they do already
    command = [sys.executable, str(AS_NOBODY), "-c", "import mpiop.cli.main"]
    tried = subprocess.run(  # noqa: PLW1510 (the code is the answer)
        command, capture_output=True, text=True
    )
    if tried.returncode == 0:
        return ""
    said = tried.stderr.strip().splitlines() or [f"exit code {tried.returncode}"]
    return f"user nobody cannot run this environment: {said[-1]}"


def api_server() -> str:
    """Whether an API server of our own can be started, with nothing beside it."""
    return _another() or assets.missing(assets.API_SERVER)


def control_plane() -> str:
    """Whether a control plane of our own can be started."""
    return _another() or assets.missing()


def named() -> str:
    """Give the kubeconfig of the cluster to test; "" where that is one of our own."""
    return os.environ.get(NAMED, "")


def addresses_named() -> frozenset[str]:
    """Give the addresses of that cluster's API server; none of one of our own."""
    if not named():
        return frozenset()
    url = urlsplit(load(Settings(kubeconfig=named())).host)
    found = socket.getaddrinfo(url.hostname, url.port, type=socket.SOCK_STREAM)
    return frozenset(str(address[0]) for *_, address in found)


def _another() -> str:
    return f"{NAMED} names the cluster to test" if named() else ""


def gangs() -> str:
    """Whether that control plane schedules gangs by itself."""
    old = "Kubernetes schedules gangs from 1.37 on"
    if found := control_plane():
        return found
    return "" if assets.minor_version(assets.wanted()) >= assets.NATIVE_GANGS else old


def newest() -> str:
    """Whether that control plane answers word for word as the embedded server does."""
    if api_server():
        return ""  # who asks that server needs it by another name
    is_newest = assets.wanted_minor() == assets.DEFAULT
    return "" if is_newest else f"these answers are those of {assets.DEFAULT}"


def kubernetes() -> str:
    """Whether there is a real API server: our own, or one that is named."""
    return "" if named() else control_plane()


@functools.cache
def node() -> str:
    """Whether a real node can be started here."""
    from tests.e2e.node.node import missing

    return _another() or assets.missing() or missing()


def mpi() -> str:
    """Whether Pods can run every MPI: on a node of ours, or on a named cluster."""
    if not named():
        return node()
    return "" if os.environ.get("MPIOP_E2E_IMAGES") else "MPIOP_E2E_IMAGES names none"


CAPABILITIES: Final[Mapping[str, Callable[[], str]]] = {
    "namespaces": namespaces,
    "sshd": sshd,
    "compiler": compiler,
    "root": root,
    "other-user": other_user,
    "kubernetes": kubernetes,
    "api-server": api_server,
    "control-plane": control_plane,
    "node": node,
    "mpi": mpi,
    "gangs": gangs,
    "newest-kubernetes": newest,
}
