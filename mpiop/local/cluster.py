"""Wires API server, controllers and node into one cluster that starts and ends whole.

The servers share an asyncio thread of their own; the node is a process. Everything
that a cluster leaves on disk lies in one temporary folder, which goes with it.
"""

import asyncio
import os
import shutil
import socket
import tempfile
import threading
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, Self

import attrs

from mpiop.local.apiserver.http import HttpServer
from mpiop.local.apiserver.pki import Pki, kubeconfig
from mpiop.local.apiserver.server import ApiServer
from mpiop.local.client import ApiError, Client
from mpiop.local.controllers import Controllers
from mpiop.local.kubelet import launch

LOOPBACK: Final = "127.0.0.1"
_LONGEST_FOLDER: Final = 60  # characters; a unix socket's path may have 107
_PREFIX: Final = "mpiop-"
_CONFLICT: Final = 409


class PortInUse(OSError):  # noqa: N818 (a state of the machine, not a fault of ours)
    """The port that was asked for is taken by somebody else."""


@attrs.frozen
class Options:
    """What can be chosen about a cluster.

    Attributes:
        images: image name to the directory laid over the machine's file system.
        isolation: "auto" takes namespaces where the machine permits them.
        port: of the API server on loopback; 0 for any free one.
    """

    images: Mapping[str, Path] = attrs.field(factory=dict)
    isolation: Literal["auto", "namespaces", "plain"] = "auto"
    port: int = 0


class Cluster:
    """An embedded cluster; a context manager, or start() and stop().

    Both are idempotent, belong to one thread, and a start that fails half way leaves
    as little behind as a stop: no process, mount, file or port.
    """

    def __init__(self, options: Options | None = None) -> None:
        self._options = options or Options()
        self._ending = ExitStack()
        self._started = False
        self.url = ""
        self.kubeconfig = Path()
        self.isolation = ""
        self.reason = ""

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Have a cluster that answers at `url`, with one Node.

        Raises:
            PortInUse: the port is taken.
            OSError: the machine refuses what a cluster needs.
        """
        if self._started:
            return
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        self._started = True

    def stop(self) -> None:
        """End every process and remove every file of the cluster."""
        self._started = False
        self._ending.close()

    def apply(self, manifests: Sequence[Mapping[str, Any]]) -> None:
        """Create objects; those whose names exist stay as they are.

        Raises:
            ApiError: the API server refuses one.
        """
        for manifest in manifests:
            self._loop.call(partial(self._create, manifest))

    def _start(self) -> None:
        listener = self._ending.enter_context(_listen(self._options.port))
        folder = _folder()
        self._ending.callback(shutil.rmtree, folder, ignore_errors=True)
        node = launch.start(self._node_config(folder))
        self._ending.callback(node.stop)
        inner = self._ending.enter_context(node.listener.dup())
        self.isolation, self.reason = node.isolation, node.reason
        self._server = ApiServer(clock=_now, uid=lambda: str(uuid.uuid4()))
        self._client = Client(self._server.handle)
        pki = Pki.create([node.address.rpartition(":")[0]])
        http = HttpServer(self._server, pki=pki, kubelet=folder / "kubelet.sock")
        self._loop = _Loop(Controllers(self._client, _now, pki.ca_pem.decode()))
        self._ending.callback(self._loop.stop)
        self._loop.run(
            lambda: http.start(tls=(listener, inner), unix=folder / "api.sock")
        )
        self._ending.callback(self._loop.run, http.stop)
        # The node goes first: its Pods must not see an API server that ends.
        self._ending.callback(node.stop)
        self.url = f"https://{LOOPBACK}:{listener.getsockname()[1]}"
        self.kubeconfig = folder / "kubeconfig"
        _write_private(self.kubeconfig, kubeconfig(self.url, pki))

    def _node_config(self, folder: Path) -> launch.NodeConfig:
        # Named apart from other clusters' nodes: control groups have one place.
        state = folder / folder.name.removeprefix(_PREFIX)
        state.mkdir()
        return launch.NodeConfig(
            state=state,
            api=folder / "api.sock",
            kubelet=folder / "kubelet.sock",
            images=self._options.images,
            isolation=self._options.isolation,
        )

    def _create(self, manifest: Mapping[str, Any]) -> None:
        found = (
            kind.resource
            for kind in self._client.discover()
            if kind.kind == manifest["kind"]
            and _group(manifest["apiVersion"]) == kind.resource.group
        )
        resource = next(found, None)
        if resource is None:
            kind = f"{manifest['apiVersion']} {manifest['kind']}"
            raise ApiError(404, "NotFound", f"{kind} is not served")
        try:
            self._client.create(resource, manifest)
        except ApiError as error:
            if error.status != _CONFLICT:
                raise


class _Loop:
    """An asyncio thread that also drives the controllers."""

    def __init__(self, controllers: Controllers) -> None:
        self._controllers = controllers
        self._loop = asyncio.new_event_loop()
        self._news = asyncio.Event()
        controllers.on_ready(self._news.set)
        self._driving = self._loop.create_task(self._drive())
        self._thread = threading.Thread(target=self._work, name="cluster", daemon=True)
        self._thread.start()

    def run(self, start: Callable[[], Awaitable[None]]) -> None:
        """Run a coroutine there and wait for its end."""
        asyncio.run_coroutine_threadsafe(_awaited(start), self._loop).result()

    def call(self, function: Callable[[], None]) -> None:
        """Call a function there and wait for its end."""

        async def called() -> None:
            function()

        self.run(called)

    def stop(self) -> None:
        """End the thread, and whatever still runs in it."""
        self._loop.call_soon_threadsafe(self._driving.cancel)
        self._thread.join()

    def _work(self) -> None:
        with (
            asyncio.Runner(loop_factory=lambda: self._loop) as runner,
            suppress(asyncio.CancelledError),
        ):
            runner.run(_awaited(lambda: self._driving))

    async def _drive(self) -> None:
        while True:
            self._news.clear()
            wait = self._controllers.step()
            with suppress(TimeoutError):
                # Not wait_for(), which in Python 3.11 may swallow a cancellation.
                async with asyncio.timeout(wait):
                    await self._news.wait()
            await asyncio.sleep(0)  # a step that follows at once lets requests in


async def _awaited(start: Callable[[], Awaitable[None]]) -> None:
    await start()


def _now() -> datetime:
    return datetime.now(UTC)


def _group(api_version: str) -> str:
    return api_version.rpartition("/")[0]


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((LOOPBACK, port), backlog=512)
    except OSError as error:
        raise PortInUse(error.errno, f"port {port}: {error.strerror}") from error


def _folder() -> Path:
    """Make a folder with a path so short that unix sockets fit below it."""
    base = tempfile.gettempdir()
    return Path(
        tempfile.mkdtemp(
            prefix=_PREFIX, dir=base if len(base) < _LONGEST_FOLDER else "/tmp"
        )
    ).resolve()


def _write_private(path: Path, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
