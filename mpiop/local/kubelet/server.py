"""The kubelet's own HTTP: logs and exec, for the API server to pass on."""

import asyncio
from pathlib import Path

from aiohttp import web

from mpiop.local.kubelet import logs
from mpiop.local.kubelet.container import Container
from mpiop.local.kubelet.exec import PROTOCOLS, Session, Wish
from mpiop.local.kubelet.kubelet import Kubelet
from mpiop.local.kubelet.objects import all_containers


class Server:
    """Serves on a unix socket."""

    def __init__(self, kubelet: Kubelet) -> None:
        self._kubelet = kubelet
        self._runner: web.AppRunner | None = None

    async def start(self, socket: Path) -> None:
        """Listen.

        Raises:
            OSError: the socket cannot be made.
        """
        app = web.Application()
        app.router.add_get("/logs/{namespace}/{pod}/{container}", self._logs)
        app.router.add_get("/exec/{namespace}/{pod}/{container}", self._exec)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.UnixSite(self._runner, str(socket)).start()

    async def stop(self) -> None:
        """Listen no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _container(self, request: web.Request) -> Container:
        namespace, pod = request.match_info["namespace"], request.match_info["pod"]
        name = request.match_info["container"]
        worker = self._kubelet.worker(namespace, pod)
        if worker is None:
            raise web.HTTPNotFound(text=f'pod "{pod}" not found\n')
        if all(item["name"] != name for item in all_containers(worker.pod)):
            text = f"container {name} is not valid for pod {pod}\n"
            raise web.HTTPBadRequest(text=text)
        if name not in worker.containers:
            state = next(item for item in worker.states if item.name == name)
            reason = state.waiting[0] if state.waiting else ""
            text = f'container "{name}" in pod "{pod}" is waiting to start: {reason}\n'
            raise web.HTTPBadRequest(text=text)
        return worker.containers[name]

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        container = self._container(request)
        previous = _flag(request, "previous")
        path = container.log(previous=previous)
        if not path.exists():
            name = request.match_info["container"]
            kind = "previous terminated container" if previous else "container"
            text = f'{kind} "{name}" in pod "{request.match_info["pod"]}" not found\n'
            raise web.HTTPBadRequest(text=text)
        ended = container.ended
        if previous:
            ended = asyncio.Event()
            ended.set()
        answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await answer.prepare(request)
        async for part in logs.read(path, _log_query(request), ended):
            await answer.write(part)
        await answer.write_eof()
        return answer

    async def _exec(self, request: web.Request) -> web.StreamResponse:
        container = self._container(request)
        argv = tuple(request.query.getall("command", []))
        if not argv:
            raise web.HTTPBadRequest(text="you must specify at least one command\n")
        wish = Wish(
            argv,
            stdin=_flag(request, "stdin"),
            stdout=_flag(request, "stdout"),
            stderr=_flag(request, "stderr"),
            tty=_flag(request, "tty"),
        )
        socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=0)
        await socket.prepare(request)
        await Session(socket, wish).run(container.execute)
        return socket


def _flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "").lower() in {"true", "1"}


def _log_query(request: web.Request) -> logs.LogQuery:
    def number(name: str) -> int | None:
        text = request.query.get(name, "")
        try:
            return int(text) if text else None
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"{name}: not a number\n") from error

    seconds, moment = number("sinceSeconds"), request.query.get("sinceTime")
    since = None if seconds is None else logs.since_seconds(seconds)
    if moment:
        since = logs.since_time(moment)
    return logs.LogQuery(
        follow=_flag(request, "follow"),
        timestamps=_flag(request, "timestamps"),
        tail_lines=number("tailLines"),
        limit_bytes=number("limitBytes"),
        since=since,
    )
