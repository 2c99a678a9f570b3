"""Wire the kubelet: client, workers, its own server."""

import asyncio
import contextlib
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mpiop.local.kubelet.api import Api
from mpiop.local.kubelet.kubelet import Kubelet
from mpiop.local.kubelet.prepare import Settings
from mpiop.local.kubelet.runtime import Runtime
from mpiop.local.kubelet.server import Server
from mpiop.local.kubelet.spawn import Reaper


async def serve(config: Mapping[str, Any], runtime: Runtime) -> None:
    """Be the kubelet until SIGTERM."""
    reaper = Reaper()
    reaper.install()
    images = {name: Path(path) for name, path in config["images"].items()}
    settings = Settings(images, config["address"], reaper, config["backoff"])
    async with Api(Path(config["api"])) as api:
        folder = Path(config["state"]) / "pods"
        kubelet = Kubelet(api, runtime, settings, folder)
        server = Server(kubelet)
        await server.start(Path(config["kubelet"]))
        life = asyncio.create_task(kubelet.run())
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, life.cancel)
        try:
            with contextlib.suppress(asyncio.CancelledError):
                await life
        finally:
            await server.stop()
            runtime.close()
