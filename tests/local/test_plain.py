"""What the preloaded library answers, and addresses that no two Pods share."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from mpiop.local.kubelet import preload
from mpiop.local.kubelet.objects import ports
from mpiop.local.kubelet.plain import _Addresses

ASK = """
import json, os, socket
def bound(family, host, port):
    with socket.socket(family) as one:
        try:
            one.bind((host, port))
        except OSError as error:
            return error.errno
        return one.getsockname()[0]
four, six = socket.AF_INET, socket.AF_INET6
print(json.dumps({
    "names": [socket.gethostname(), os.uname().nodename],
    "named": bound(four, "", NAMED),
    "other": bound(four, "", OTHER),
    "any": bound(four, "", 0),
    "mapped": bound(six, "::", NAMED) if socket.has_ipv6 else "",
    "neighbour": socket.gethostbyname("neighbour"),
    "localhost": socket.gethostbyname("localhost"),
    "mounted": os.path.isdir("/no/such/mount"),
    "below": os.path.isdir("/no/such/mount/below"),
}))
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = preload.library(tmp_path_factory.mktemp("library"))
    assert found is not None
    return found


@pytest.mark.needs("compiler")
def test_answers(library: Path, tmp_path: Path) -> None:
    """Names, addresses of named ports, neighbours and mount points are the Pod's."""
    named, other = free_port(), free_port()
    (tmp_path / "hosts").write_text(
        "127.0.0.1\tlocalhost\n127.7.7.8\tn.svc neighbour\n", encoding="utf-8"
    )
    (tmp_path / "place").mkdir()
    text = ASK.replace("NAMED", str(named)).replace("OTHER", str(other))
    done = subprocess.run(
        [sys.executable, "-c", text],
        env={
            "LD_PRELOAD": str(library),
            "MPIOP_HOSTNAME": "a-pod",
            "MPIOP_ADDRESS": "127.7.7.7",
            "MPIOP_PORTS": f",1,{named},",
            "MPIOP_HOSTS": str(tmp_path / "hosts"),
            "MPIOP_MOUNTS": f"/no/such=/x:/no/such/mount={tmp_path / 'place'}",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout)
    # Where the machine has no IPv6 there is an error's number instead.
    assert told.pop("mapped") in {"::ffff:127.7.7.7", 97, 99, ""}
    assert told == {
        "names": ["a-pod", "a-pod"],
        "named": "127.7.7.7",
        "other": "0.0.0.0",
        "any": "0.0.0.0",
        "neighbour": "127.7.7.8",
        "localhost": "127.0.0.1",
        "mounted": True,
        "below": False,
    }


@pytest.mark.needs("compiler")
def test_no_answers_without_a_pod(library: Path) -> None:
    """A process that is of no Pod is left as it is."""
    text = "import os, socket; print(socket.gethostname() == os.uname().nodename)"
    done = subprocess.run(
        [sys.executable, "-c", text],
        env={"LD_PRELOAD": str(library)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "True\n"


def test_addresses() -> None:
    """Nodes of one machine give different addresses, all of them on loopback."""
    nodes = [_Addresses(), _Addresses()]
    given = [node.take() for node in nodes for _ in range(1000)]
    assert len(set(given)) == len(given)
    assert all(address.startswith("127.") for address in given)
    for node in nodes:
        node._claim.close()


def test_ports() -> None:
    """Declared ports and those of probes count, whichever container has them."""
    probe = {"tcpSocket": {"port": 2222}, "periodSeconds": 2}
    pod = {
        "spec": {
            "initContainers": [{"name": "i", "ports": [{"containerPort": 80}]}],
            "containers": [
                {"name": "a", "readinessProbe": probe},
                {"name": "b", "livenessProbe": {"httpGet": {"port": "http"}}},
                {"name": "c", "ports": [{"containerPort": 8080, "name": "http"}]},
            ],
        }
    }
    assert ports(pod) == [80, 2222, 8080]
