"""A kubectl, and an embedded API server for it, in a thread of its own."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path

import attrs

from mpiop.local.apiserver.http import HttpServer
from mpiop.local.apiserver.pki import Pki, kubeconfig
from mpiop.local.apiserver.server import ApiServer
from tests.support.controlplane import SPARING_CORES

DEADLINE = 60


@attrs.frozen
class Kubectl:
    """Runs kubectl with a configuration and a namespace of the test's own."""

    folder: Path
    namespace: str = "default"
    deadline: float = DEADLINE

    @property
    def environment(self) -> dict[str, str]:
        config = str(self.folder / "kubeconfig")
        own = {"KUBECONFIG": config, "HOME": str(self.folder)}
        return {**os.environ, **SPARING_CORES, **own}

    def command(self, *arguments: str) -> list[str]:
        program = Path(sys.executable).parent / "kubectl"
        return [str(program), "--namespace", self.namespace, *arguments]

    def run(self, *arguments: str, stdin: str = "", **env: str) -> tuple[str, str]:
        """Give output and errors of a kubectl that must succeed."""
        done = self.outcome(*arguments, stdin=stdin, **env)
        assert done.returncode == 0, done
        return done.stdout, done.stderr

    def fail(self, *arguments: str, stdin: str = "") -> str:
        """Give the errors of a kubectl that must fail."""
        done = self.outcome(*arguments, stdin=stdin)
        assert done.returncode != 0, done
        return done.stderr

    def outcome(
        self, *arguments: str, stdin: str, **env: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments),
            input=stdin,
            env={**self.environment, **env},
            capture_output=True,
            text=True,
            timeout=self.deadline,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*arguments),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


async def serve(folder: Path, up: threading.Event, down: threading.Event) -> None:
    server = ApiServer(clock=lambda: datetime.now(UTC), uid=lambda: str(uuid.uuid4()))
    pki = Pki.create([])
    http = HttpServer(server, pki=pki, kubelet=folder / "kubelet.sock")
    listener = socket.create_server(("127.0.0.1", 0))
    await http.start(tls=[listener], unix=folder / "api.sock")
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    (folder / "kubeconfig").write_text(kubeconfig(url, pki))
    up.set()
    try:
        await asyncio.to_thread(down.wait)
    finally:
        await http.stop()
