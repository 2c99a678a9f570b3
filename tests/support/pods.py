"""A cluster with a real node: API server and controllers on a thread, and processes."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

import attrs
import orjson

from mpiop.local.apiserver.http import HttpServer
from mpiop.local.apiserver.pki import Pki, kubeconfig
from mpiop.local.apiserver.server import ApiServer
from mpiop.local.apiserver.wire import Request, Response
from mpiop.local.client import Client
from mpiop.local.controllers import Controllers
from mpiop.local.kubelet import launch

Json = Mapping[str, Any]
_DEADLINE: Final = 30.0


@attrs.define
class PodCluster:
    """Use with `with`; every method may be called from the test's thread."""

    images: Mapping[str, Path] = attrs.field(factory=dict)
    isolation: launch.Isolation = "namespaces"
    backoff: float = 0.05
    folder: Path = attrs.field(factory=lambda: Path(tempfile.mkdtemp(prefix="mpiop-")))
    loop: asyncio.AbstractEventLoop = attrs.field(factory=asyncio.new_event_loop)
    server: ApiServer = attrs.field(init=False)
    node: launch.Node = attrs.field(init=False)
    _thread: threading.Thread = attrs.field(init=False)
    _end: asyncio.Event = attrs.field(factory=asyncio.Event)
    _up: threading.Event = attrs.field(factory=threading.Event)

    def __enter__(self) -> Self:
        self.folder.chmod(0o755)
        config = launch.NodeConfig(
            state=self.folder / "node",
            api=self.folder / "api",
            kubelet=self.folder / "kubelet",
            images=self.images,
            isolation=self.isolation,
            backoff=self.backoff,
        )
        self.node = launch.start(config)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        try:
            assert self._up.wait(_DEADLINE), "the API server does not start"
            self.wait("/api/v1/nodes/local", bool)
            self.wait("/api/v1/namespaces/default/serviceaccounts/default", bool)
        except AssertionError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.node.stop()
        self.loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        shutil.rmtree(self.folder)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        self.server = ApiServer(
            clock=lambda: datetime.now(UTC), uid=lambda: str(uuid4())
        )
        host, _, _ = self.node.address.rpartition(":")
        pki = Pki.create([host])
        outside = socket.create_server(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{outside.getsockname()[1]}"
        text = kubeconfig(url, pki)
        (self.folder / "kubeconfig").write_text(text, encoding="utf-8")
        http = HttpServer(self.server, pki=pki, kubelet=self.folder / "kubelet")
        listener = self.node.listener.dup()
        await http.start(tls=[listener, outside], unix=self.folder / "api")
        controllers = Controllers(
            Client(self.server.handle),
            lambda: datetime.now(UTC),
            pki.ca_pem.decode(),
        )
        self._up.set()
        while not self._end.is_set():
            controllers.step()
            await asyncio.sleep(0.01)
        await http.stop()

    def call(self, method: str, path: str, body: Json | None = None) -> Any:  # noqa: ANN401
        """Send a request; return its body, None where there is no such object."""
        place = urlsplit(path)

        async def handle() -> Response:
            answer = self.server.handle(
                Request(
                    method=method,
                    path=place.path,
                    query=tuple(parse_qsl(place.query)),
                    headers={"content-type": "application/json"},
                    body=b"" if body is None else orjson.dumps(body),
                )
            )
            assert isinstance(answer, Response)
            return answer

        answer = asyncio.run_coroutine_threadsafe(handle(), self.loop).result(10)
        if answer.status == 404:
            return None
        value = answer.body
        value = orjson.loads(value) if isinstance(value, bytes) else value
        assert answer.status < 400, value
        return value

    def wait(self, path: str, holds: Callable[[Any], bool]) -> Any:  # noqa: ANN401
        """Poll an object until it is as wanted; None stands for absent."""
        deadline = time.monotonic() + _DEADLINE
        while time.monotonic() < deadline:
            found = self.call("GET", path)
            if found is not None and holds(found):
                return found
            time.sleep(0.01)
        raise AssertionError(f"{path}: {orjson.dumps(found).decode()}")

    def gone(self, path: str) -> None:
        """Poll until an object is absent."""
        deadline = time.monotonic() + _DEADLINE
        while self.call("GET", path) is not None:
            assert time.monotonic() < deadline, f"{path} is still there"
            time.sleep(0.01)

    def pod(self, name: str, *containers: Json, **spec: object) -> str:
        """Create a Pod; return its path."""
        metadata = {"name": name, "labels": {"app": name}}
        full = {"restartPolicy": "Never", "containers": list(containers), **spec}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": full}
        self.call("POST", "/api/v1/namespaces/default/pods", body)
        return f"/api/v1/namespaces/default/pods/{name}"

    def kubectl(self, *words: str, **more: Any) -> "subprocess.Popen[str]":  # noqa: ANN401
        """Start kubectl, its streams as pipes unless told otherwise."""
        program = Path(sys.executable).with_name("kubectl")
        env = {**os.environ, "KUBECONFIG": str(self.folder / "kubeconfig")}
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        options = {"env": env, "text": True, **streams, **more}
        return subprocess.Popen([str(program), *words], **options)

    def run(self, *words: str, sent: str = "") -> tuple[int, str, str]:
        """Run kubectl to its end; return exit code, output and errors."""
        with self.kubectl(*words) as process:
            out, err = process.communicate(sent, _DEADLINE)
            return process.returncode, out, err

    def finished(self, path: str) -> Json:
        """Wait until a Pod has ended; return it."""
        ended = ("Succeeded", "Failed")
        found: Json = self.wait(path, lambda pod: pod["status"].get("phase") in ended)
        return found


def shell(script: str, **more: object) -> Json:
    """A container that runs a shell script."""
    return {
        "name": "main",
        "image": "none",
        "command": ["/bin/sh", "-c", script],
        **more,
    }


def message(pod: Json) -> str:
    """What a Pod's first container wrote to its termination log."""
    state = pod["status"]["containerStatuses"][0]["state"]
    text: str = state["terminated"].get("message", "")
    return text
