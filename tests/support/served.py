"""The embedded API server on a real socket, in a thread of its own."""

import asyncio
import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import attrs

from mpiop.local.apiserver.http import HttpServer
from mpiop.local.apiserver.pki import Pki, kubeconfig
from mpiop.local.apiserver.server import ApiServer


@attrs.frozen
class Served:
    """A server that listens; `core` belongs to the thread of `loop`.

    Attributes:
        kubeconfig: path of a file that leads to it.
    """

    core: ApiServer
    loop: asyncio.AbstractEventLoop
    kubeconfig: str


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    """Serve an empty cluster over TLS on loopback."""
    numbers = itertools.count(1)
    core = ApiServer(clock=lambda: datetime.now(UTC), uid=lambda: f"u{next(numbers)}")
    pki = Pki.create(["127.0.0.1"])
    server = HttpServer(core, pki=pki, kubelet=folder / "kubelet.sock")
    listener = socket.create_server(("127.0.0.1", 0))
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        start = server.start(tls=[listener], unix=folder / "api.sock")
        asyncio.run_coroutine_threadsafe(start, loop).result(30)
        path = folder / "kubeconfig"
        address = f"https://127.0.0.1:{listener.getsockname()[1]}"
        path.write_text(kubeconfig(address, pki))
        yield Served(core, loop, str(path))
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result(30)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()
        listener.close()


async def _stop(server: HttpServer) -> None:
    """Stop, and wait until every connection has said good-bye."""
    await server.stop()
    selector = asyncio.get_running_loop()._selector  # type: ignore[attr-defined] # shows open sockets
    for _ in range(500):
        if len(selector.get_map()) <= 1:  # the loop's own
            return
        await asyncio.sleep(0.02)
