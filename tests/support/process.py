"""`mpiop operator` as a process: its port, its log, its end."""

import http.client
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from tests.support.commands import popen

PATIENCE: Final = 60.0


def until(reached: Callable[[], bool], patience: float = PATIENCE) -> None:
    """Wait until something is so."""
    end = time.monotonic() + patience
    while not reached():
        assert time.monotonic() < end, "not reached"
        time.sleep(0.05)


class Replica:
    """A process, its port, and what it has logged."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.process = process
        self.port = port
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def ask(self, path: str) -> tuple[int, str]:
        """Read a path of its port; code 0 where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, reply.read().decode()
        except OSError:
            return 0, ""
        finally:
            connection.close()

    def end(self) -> int:
        """Ask it to end; give its exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return code

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines += [line.rstrip("\n") for line in self.process.stderr]


@contextmanager
def operator(
    kubeconfig: str, *flags: str, environment: Mapping[str, str] | None = None
) -> Iterator[Replica]:
    """Start an operator that serves on a free port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with popen(
        "operator",
        f"--kubeconfig={kubeconfig}",
        f"--health-port={port}",
        *flags,
        stdout=None,
        environment=environment,
    ) as process:
        yield Replica(process, port)
