"""The node as a process: how it starts, and that nothing is left when it ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mpiop.local.kubelet.launch import Isolation, NodeConfig, NodeError, start
from mpiop.local.kubelet.plain_processes import marked
from tests.support.pods import PodCluster, message, shell

BOTH = pytest.mark.parametrize(
    "isolation",
    [pytest.param("namespaces", marks=pytest.mark.needs("namespaces")), "plain"],
)
WITHOUT = Path(__file__).parents[1] / "support" / "without_namespaces.py"
OUTER = """
import sys, time
from pathlib import Path
from mpiop.local.kubelet.launch import NodeConfig, start
folder = Path(sys.argv[1])
node = start(NodeConfig(folder / "node", folder / "api", folder / "kubelet",
                        isolation=sys.argv[2]))
print(node.isolation, node.reason, flush=True)
time.sleep(1000 if sys.argv[3] == "wait" else 0)
node.stop()
"""
SLEEP = "86421"


def sleepers() -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[:2] == [b"sleep", SLEEP.encode()]:
                found.append(int(entry.name))
    return found


def until_none(what: str) -> None:
    deadline = time.monotonic() + 10
    while sleepers():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.fixture
def folder() -> Iterator[Path]:
    # Short, for unix sockets.
    import tempfile

    with tempfile.TemporaryDirectory(prefix="mpiop-") as name:
        yield Path(name)


def with_processes(cluster: PodCluster) -> None:
    """Have a container with a child, and a daemon in a session of its own."""
    script = f"(setsid sleep {SLEEP} &) ; sleep {SLEEP} & sleep {SLEEP}"
    cluster.wait(cluster.pod("busy", shell(script)), _running)
    deadline = time.monotonic() + 10
    while len(sleepers()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _running(pod: object) -> bool:
    assert isinstance(pod, dict)
    return bool(pod["status"].get("phase") == "Running")


@BOTH
def test_stop_leaves_nothing(isolation: Isolation) -> None:
    """stop() ends all processes and removes all files; twice is fine."""
    with PodCluster(isolation=isolation) as cluster:
        with_processes(cluster)
        cluster.node.stop()
        assert not sleepers()
        assert not (cluster.folder / "node").exists()
        cluster.node.stop()


@BOTH
@pytest.mark.parametrize("victim", ["guardian", "kubelet"])
def test_killed_node_leaves_nothing(isolation: Isolation, victim: str) -> None:
    """However the node is killed, its Pods end, and stop() removes the rest."""
    with PodCluster(isolation=isolation) as cluster:
        with_processes(cluster)
        guardian = cluster.node._process.pid
        children = Path(f"/proc/{guardian}/task/{guardian}/children").read_text()
        pid = guardian if victim == "guardian" else int(children.split()[0])
        os.kill(pid, signal.SIGKILL)
        until_none(f"processes outlive the {victim}")
        cluster.node.stop()
        assert not (cluster.folder / "node").exists()


@BOTH
def test_death_of_the_outer_process(isolation: str, folder: Path) -> None:
    """When the outer process is killed, the node ends and removes its files."""
    command = [sys.executable, "-c", OUTER, str(folder), isolation, "wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as outer:
        assert outer.stdout is not None
        assert outer.stdout.readline().startswith(isolation.encode())
        outer.kill()
    deadline = time.monotonic() + 10
    while (folder / "node").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not list(marked(str(folder)))


def test_plain_where_namespaces_are_forbidden(folder: Path) -> None:
    """Without namespaces the node says why, and runs in plain mode."""
    folder.chmod(0o777)
    command = [sys.executable, str(WITHOUT), "-c", OUTER, str(folder), "auto", "go"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(  # noqa: PLW1510 (the error is the answer)
        command, capture_output=True, text=True, env=env, timeout=60
    )
    assert done.stdout.startswith("plain namespaces cannot be used here"), done.stderr


def test_namespaces_asked_for_and_forbidden(folder: Path) -> None:
    """Who insists on namespaces gets an error where there are none."""
    folder.chmod(0o777)
    command = [
        sys.executable,
        str(WITHOUT),
        "-c",
        OUTER,
        str(folder),
        "namespaces",
        "go",
    ]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(  # noqa: PLW1510 (the error is the answer)
        command, capture_output=True, text=True, env=env, timeout=60
    )
    assert "NodeError: namespaces cannot be used here" in done.stderr


def test_plain_on_request(folder: Path) -> None:
    """Plain mode can be asked for; the listener is on loopback."""
    node = start(
        NodeConfig(folder / "n", folder / "a", folder / "k", isolation="plain")
    )
    try:
        assert node.isolation == "plain"
        assert node.address.startswith("127.0.0.1:")
        assert node.listener.getsockname()[1] == int(node.address.rpartition(":")[2])
    finally:
        node.stop()


def test_unusable_state_folder(folder: Path) -> None:
    """A node that cannot start says so, and leaves no process."""
    (folder / "file").touch()
    config = NodeConfig(folder / "file" / "n", folder / "a", folder / "k")
    with pytest.raises((NodeError, NotADirectoryError)):
        start(config)


@pytest.mark.needs("namespaces")
def test_programs_under_a_private_folder(folder: Path) -> None:
    """A Pod's /tmp is its own: nothing of the machine's is seen there."""
    (folder / "secret").touch()
    with PodCluster() as cluster:
        script = f"exec >/dev/termination-log; ls {folder} 2>/dev/null | wc -l"
        pod = cluster.finished(cluster.pod("private", shell(script)))
        assert message(pod).strip() == "0"
