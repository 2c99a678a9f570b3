"""The embedded cluster's node, as a process: `python -m mpiop.local.node FD`.

Freshly exec'd, since a process with threads cannot enter a user namespace. It becomes
two: a guardian, which ends everything and clears up when either the outer process or
the kubelet ends, and the kubelet, which in namespaces is process 1.

The kubelet has one thread and must keep it so: it forks.
"""

import asyncio
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from mpiop.local.kubelet import cgroups, preload
from mpiop.local.kubelet import namespaces as ns
from mpiop.local.kubelet.isolate import enter_namespaces, mount_scratch, prove_overlay
from mpiop.local.kubelet.network import listen, make_bridge

if TYPE_CHECKING:
    from mpiop.local.kubelet.runtime import Runtime

_LARGEST: Final = 1 << 20  # bytes of configuration


def main() -> int:
    """Run the node until the control socket ends; the exit code says how it went."""
    control = socket.socket(fileno=int(sys.argv[1]))
    config = json.loads(control.recv(_LARGEST))
    plain = config["isolation"] == "plain"
    alone: int | None = None
    groups = cgroups.places("mpiop" + config["state"].replace("/", "-"))
    try:
        if plain:
            ns.adopt_orphans()
        else:
            alone = enter_namespaces()
        pid = os.fork()
    except OSError as error:
        return _refuse(control, error)
    if pid:
        return _guard(control, pid, Path(config["state"]), groups)
    try:
        if plain:
            begun = _plain(config)
        else:
            begun = _namespaced(Path(config["state"]), alone, groups)
    except OSError as error:
        return _refuse(control, error)
    host, port = begun.listener.getsockname()
    config["address"] = f"{host}:{port}"
    answer = json.dumps({"address": config["address"], "note": begun.note}).encode()
    socket.send_fds(control, [answer], [begun.listener.fileno()])
    begun.listener.close()
    control.close()
    # Only now what takes long to import: the outer process goes on meanwhile.
    from mpiop.local.kubelet.serve import serve

    asyncio.run(serve(config, begun.runtime()))
    return 0


class _Begun(NamedTuple):
    """What a node has before it imports all the rest."""

    listener: socket.socket
    runtime: Callable[[], "Runtime"]
    note: str = ""  # for the user


def _namespaced(
    state: Path, alone: int | None, groups: Sequence[cgroups.Place]
) -> _Begun:
    ns.die_with_parent(signal.SIGKILL)  # and all others with process 1
    scratch = mount_scratch(state)
    prove_overlay(scratch)
    make_bridge()

    def runtime() -> "Runtime":
        from mpiop.local.kubelet import namespaced
        from mpiop.local.kubelet.rootfs import machine_mounts

        limits = cgroups.Cgroups.claim(groups)
        machine = namespaced.Machine(scratch, machine_mounts(state), alone, limits)
        return namespaced.NamespacedRuntime(machine)

    return _Begun(listen(), runtime)


def _plain(config: Mapping[str, Any]) -> _Begun:
    ns.die_with_parent(signal.SIGTERM)  # there is work to be done at the end
    ns.adopt_orphans()
    library = preload.library(Path(config["state"]))
    note = "" if library else "no C compiler: all Pods share the machine's name"

    def runtime() -> "Runtime":
        from mpiop.local.kubelet.plain import PlainRuntime

        images = {name: Path(path) for name, path in config["images"].items()}
        return PlainRuntime(Path(config["state"]), images, library)

    return _Begun(socket.create_server(("127.0.0.1", 0)), runtime, note)


def _refuse(control: socket.socket, error: OSError) -> int:
    answer = {"error": f"namespaces cannot be used here: {error}"}
    control.send(json.dumps(answer).encode())
    return 1


def _guard(
    control: socket.socket, kubelet: int, state: Path, groups: Sequence[cgroups.Place]
) -> int:
    """Wait for the end of the outer process or of the kubelet, then clear up."""
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(os.pidfd_open(kubelet), select.POLLIN)
    poll.poll()
    control.close()
    with contextlib.suppress(ProcessLookupError):
        os.kill(kubelet, signal.SIGKILL)
    _, status = os.waitpid(kubelet, 0)
    _end_orphans()
    with contextlib.suppress(OSError):
        ns.unmount(state / "scratch")
    cgroups.sweep(groups)
    shutil.rmtree(state, ignore_errors=True)
    return os.waitstatus_to_exitcode(status)


def _end_orphans() -> None:
    """End what the kubelet has left to us; only in plain mode is there any."""
    with contextlib.suppress(ChildProcessError):
        while True:
            for pid in _children():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            os.waitpid(-1, 0)


def _children() -> list[int]:
    own = os.getpid()
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(entry.name)
            text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            if int(text.rpartition(")")[2].split()[1]) == own:
                found.append(pid)
    return found


if __name__ == "__main__":
    sys.exit(main())
