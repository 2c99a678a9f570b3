"""The API server on sockets: TLS with bearer tokens, and a plain socket for a kubelet.

All of it runs in the event loop's thread, and so does the core.
"""

import asyncio
import hmac
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import orjson
from aiohttp import web

from .errors import StatusError
from .pki import Pki
from .proxy import KubeletProxy
from .server import ApiServer
from .wire import ADMIN, Forward, Request, Response, Watch

_TICK_SECONDS: Final = 1.0
_LARGEST_BODY: Final = 3 * 1024 * 1024
_SHUTDOWN_SECONDS: Final = 0.2
_JSON: Final = "application/json"


class HttpServer:
    """Serves an ApiServer; start() and stop() belong to one event loop."""

    def __init__(self, server: ApiServer, *, pki: Pki, kubelet: Path) -> None:
        self._server = server
        self._pki = pki
        self._proxy = KubeletProxy(kubelet)
        self._runners: list[web.AppRunner] = []
        self._ticking: asyncio.Task[None] | None = None

    async def start(self, *, tls: Sequence[socket.socket], unix: Path) -> None:
        """Serve TLS on sockets that listen already, and plain HTTP on a new one.

        Whoever can open the path `unix` is the administrator.

        Raises:
            OSError: `unix` cannot be bound.
        """
        context = self._pki.ssl_context()
        trusted = await self._runner(lambda _: ADMIN)
        await web.UnixSite(trusted, str(unix)).start()
        secured = await self._runner(self._bearer)
        for one in tls:
            await web.SockSite(secured, one, ssl_context=context).start()
        self._ticking = asyncio.create_task(self._tick())

    async def stop(self) -> None:
        """End all watches and connections, and close the sockets."""
        if self._ticking is not None:
            self._ticking.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticking
            self._ticking = None
        self._server.close()
        while self._runners:
            await _end(self._runners.pop())
        await self._proxy.close()

    async def _runner(self, user: Callable[[web.Request], str | None]) -> web.AppRunner:
        app = web.Application(client_max_size=_LARGEST_BODY)
        app.router.add_route("*", "/{path:.*}", self._handler(user))
        runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        await runner.setup()
        self._runners.append(runner)
        return runner

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._server.tick()

    def _bearer(self, request: web.Request) -> str | None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        if hmac.compare_digest(token.encode(), self._pki.admin_token.encode()):
            return ADMIN
        return self._server.authenticate(token)

    def _handler(
        self, user_of: Callable[[web.Request], str | None]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def answer(request: web.Request) -> web.StreamResponse:
            user = user_of(request)
            if user is None:
                return _refused(StatusError(401, "Unauthorized", "Unauthorized"))
            try:
                body = await request.read()
            except web.HTTPRequestEntityTooLarge:
                message = f"Request entity too large: limit is {_LARGEST_BODY}"
                return _refused(StatusError(413, "RequestEntityTooLarge", message))
            return await self._answer(request, _core_request(request, body, user))

        return answer

    async def _answer(self, raw: web.Request, request: Request) -> web.StreamResponse:
        match self._server.handle(request):
            case Response() as response:
                return _complete(response)
            case Forward() as forward:
                try:
                    return await self._proxy.answer(raw, forward)
                except StatusError as error:
                    return _refused(error)
            case feed:
                return await _stream(raw, feed)


async def _end(runner: web.AppRunner) -> None:
    """End a site, and its connections whether or not their clients say good-bye."""
    handlers = runner.server.connections if runner.server else []
    transports = [one.transport for one in handlers if one.transport is not None]
    await runner.cleanup()
    for transport in transports:
        transport.abort()  # TLS would wait for the client's last word
    await asyncio.sleep(0)  # sockets are closed in the loop's next round


def _core_request(request: web.Request, body: bytes, user: str) -> Request:
    return Request(
        method=request.method,
        path=request.path,
        query=tuple(request.query.items()),
        headers={key.lower(): value for key, value in request.headers.items()},
        body=body,
        user=user,
    )


def _refused(error: StatusError) -> web.Response:
    return _complete(Response(error.code, error.status()))


def _complete(response: Response) -> web.Response:
    body = response.body
    encoded = body if isinstance(body, bytes) else orjson.dumps(body)
    answer = web.Response(status=response.status, body=encoded)
    answer.headers["Content-Type"] = response.headers.get("content-type", _JSON)
    for text in response.warnings:
        # What a user misspelt must not end the header.
        plain = "".join(one if one.isprintable() else "?" for one in text)
        quoted = plain.replace("\\", "\\\\").replace('"', '\\"')
        answer.headers.add("Warning", f'299 - "{quoted}"')
    return answer


async def _stream(request: web.Request, feed: Watch) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": _JSON})
    answer.enable_chunked_encoding()
    news = asyncio.Event()
    feed.on_ready(news.set)
    try:
        await answer.prepare(request)
        while True:
            if lines := feed.drain():
                await answer.write(b"".join(lines))
            elif feed.closed:
                break
            else:
                await news.wait()
                news.clear()
        await answer.write_eof()
    except ConnectionResetError:
        # The client is gone; that is how most watches end.
        return answer
    finally:
        feed.close()
    return answer
