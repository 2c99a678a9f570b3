"""Logs and exec: streams between a client and the kubelet behind a unix socket."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import orjson
from aiohttp import web

from .errors import StatusError, bad_request
from .wire import Forward

_PROTOCOLS: Final = ("v5.channel.k8s.io", "v4.channel.k8s.io")
_ERROR_CHANNEL: Final = b"\x03"
_OK: Final = 200
_BAD: Final = 400
_NOT_FOUND: Final = 404
_REASONS: Final = {_BAD: "BadRequest", _NOT_FOUND: "NotFound"}


class KubeletProxy:
    """Asks the one kubelet there is; its sessions are made in the loop that asks."""

    def __init__(self, kubelet: Path) -> None:
        self._path = kubelet
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the connections to the kubelet."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def answer(
        self, request: web.Request, forward: Forward
    ) -> web.StreamResponse:
        """Pass a request on, and the streams both ways until one side ends.

        Raises:
            StatusError: the kubelet refused or is not there.
        """
        try:
            if forward.kind == "log":
                return await self._log(request, forward)
            return await self._exec(request, forward)
        except aiohttp.ClientConnectionError as error:
            message = f"the kubelet does not answer: {error}"
            raise StatusError(500, "InternalError", message) from error

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.UnixConnector(str(self._path), limit=0)
            timeout = aiohttp.ClientTimeout(total=None)
            self._session = aiohttp.ClientSession(
                "http://kubelet", connector=connector, timeout=timeout
            )
        return self._session

    async def _log(self, request: web.Request, forward: Forward) -> web.StreamResponse:
        url = _url("logs", forward)
        async with self._client().get(url, params=forward.query) as reply:
            if reply.status != _OK:
                raise await _refusal(reply)
            answer = web.StreamResponse(headers={"Content-Type": "text/plain"})
            answer.enable_chunked_encoding()
            await answer.prepare(request)
            async for chunk in reply.content.iter_any():
                await answer.write(chunk)
            await answer.write_eof()
            return answer

    async def _exec(self, request: web.Request, forward: Forward) -> web.StreamResponse:
        if request.headers.get("Upgrade", "").lower() != "websocket":
            raise bad_request("exec is served over WebSocket only")
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        wanted = [
            one for one in _PROTOCOLS if one in offered.replace(" ", "").split(",")
        ]
        if not wanted:
            raise bad_request(
                f"exec needs one of the protocols {', '.join(_PROTOCOLS)}"
            )
        url = _url("exec", forward)
        try:
            kubelet = await self._client().ws_connect(
                url,
                params=forward.query,
                protocols=wanted,
                max_msg_size=0,
                autoclose=False,
            )
        except aiohttp.WSServerHandshakeError:
            return await self._refused(request, forward, wanted)
        async with kubelet:
            protocol = kubelet.protocol or wanted[0]
            client = web.WebSocketResponse(
                protocols=(protocol,), max_msg_size=0, autoclose=False
            )
            await client.prepare(request)
            await _join(client, kubelet)
            return client

    async def _refused(
        self, request: web.Request, forward: Forward, protocols: Sequence[str]
    ) -> web.StreamResponse:
        """Tell why in the stream: a failed handshake would make kubectl try SPDY."""
        async with self._client().get(
            _url("exec", forward), params=forward.query
        ) as reply:
            error = await _refusal(reply)
        client = web.WebSocketResponse(protocols=protocols)
        await client.prepare(request)
        await client.send_bytes(_ERROR_CHANNEL + orjson.dumps(error.status()))
        await client.close()
        return client


def _url(what: str, forward: Forward) -> str:
    meta: Any = forward.pod["metadata"]
    parts = (meta["namespace"], meta["name"], forward.container)
    return "/".join(("", what, *(quote(part, safe="") for part in parts)))


async def _refusal(reply: aiohttp.ClientResponse) -> StatusError:
    text = (await reply.text()).strip()
    reason = _REASONS.get(reply.status, "InternalError")
    code = reply.status if reply.status >= _BAD else 500
    return StatusError(code, reason, text or f"the kubelet answered {reply.status}")


Side = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _join(
    client: web.WebSocketResponse, kubelet: aiohttp.ClientWebSocketResponse
) -> None:
    """Pass messages both ways; when one side closes, so does the other."""
    directions = [
        asyncio.create_task(_pass(client, kubelet)),
        asyncio.create_task(_pass(kubelet, client)),
    ]
    code: int = aiohttp.WSCloseCode.INTERNAL_ERROR
    try:
        ended, _ = await asyncio.wait(directions, return_when=asyncio.FIRST_COMPLETED)
        first = ended.pop()
        if first.exception() is None:  # else the other side took no more
            code = first.result()
    finally:
        for one in directions:
            one.cancel()
        await asyncio.gather(*directions, return_exceptions=True)
        await kubelet.close(code=code)
        await client.close(code=code)


async def _pass(source: Side, target: Side) -> int:
    """Pass messages on until the source closes; say with which code to go on.

    It is the source's own. One that broke off said none, and the number that stands
    for that (1006) must not be sent: RFC 6455, 7.4.1.
    """
    async for message in source:
        if message.type is aiohttp.WSMsgType.BINARY:
            await target.send_bytes(message.data)
        elif message.type is aiohttp.WSMsgType.TEXT:
            await target.send_str(message.data)
    code = source.close_code or aiohttp.WSCloseCode.OK
    broken = code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
    return aiohttp.WSCloseCode.INTERNAL_ERROR if broken else code
