"""Start a node from another process, and end it: all that the outside needs."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import attrs

from mpiop.local.kubelet.plain_processes import kill_marked

Isolation = Literal["auto", "namespaces", "plain"]
_ANSWER_WITHIN: Final = 20.0  # seconds, on a machine that is very busy
_END_WITHIN: Final = 10.0


class NodeError(RuntimeError):
    """The node could not be started; the text says why."""


@attrs.frozen
class NodeConfig:
    """What a node needs to know."""

    state: Path  # a folder of our own (short path: unix sockets), emptied at the end
    api: Path  # unix socket of the API server, plain HTTP, trusted
    kubelet: Path  # unix socket to serve logs and exec on
    images: Mapping[str, Path] = attrs.field(
        factory=dict
    )  # name -> folder over the root
    isolation: Isolation = "auto"
    backoff: float = 1.0  # factor on back-off times, for tests

    def as_json(self, isolation: str) -> bytes:
        """Write it for the node's process."""
        images = {name: str(path.absolute()) for name, path in self.images.items()}
        return json.dumps(
            {
                "state": str(self.state.absolute()),
                "api": str(self.api.absolute()),
                "kubelet": str(self.kubelet.absolute()),
                "images": images,
                "isolation": isolation,
                "backoff": self.backoff,
            }
        ).encode()


@attrs.define
class Node:
    """A running node."""

    isolation: str  # "namespaces" or "plain"
    reason: str  # why plain, one line; else empty
    listener: socket.socket  # where Pods reach the API server; the caller serves on it
    address: str  # host:port of it, as Pods see it
    _config: NodeConfig
    _process: "subprocess.Popen[bytes]"
    _control: socket.socket
    _stopped: bool = False

    def stop(self) -> None:
        """End every process, mount and file of the node; idempotent."""
        if self._stopped:
            return
        self._stopped = True
        self._control.close()  # its end of file is the order
        self.listener.close()
        try:
            self._process.wait(_END_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        # What is left if the node was killed from outside.
        kill_marked(str(self._config.state.absolute()))
        shutil.rmtree(self._config.state, ignore_errors=True)
        self._config.kubelet.unlink(missing_ok=True)


def start(config: NodeConfig) -> Node:
    """Start a node in the best isolation that the machine and the caller allow.

    Raises:
        NodeError: it could not be started.
    """
    if config.isolation == "plain":
        return _start(config, "plain", "plain mode was asked for")
    try:
        return _start(config, "namespaces", "")
    except NodeError as error:
        if config.isolation == "namespaces":
            raise
        return _start(config, "plain", str(error))


def _start(config: NodeConfig, isolation: str, reason: str) -> Node:
    config.state.mkdir(parents=True, exist_ok=True)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "mpiop.local.node", str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C is for the outer process alone
        )
    try:
        ours.settimeout(_ANSWER_WITHIN)
        ours.send(config.as_json(isolation))
        message, fds, _, _ = socket.recv_fds(ours, 65536, 1)
        answer = json.loads(message) if message else {"error": "the node ended early"}
    except OSError as error:
        answer = {"error": f"the node does not answer: {error}"}
    if "error" in answer:
        ours.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_WITHIN)
        process.kill()
        process.wait()
        raise NodeError(answer["error"])
    listener = socket.socket(fileno=fds[0])
    why = "; ".join(filter(None, (reason, answer["note"])))
    return Node(isolation, why, listener, answer["address"], config, process, ours)
