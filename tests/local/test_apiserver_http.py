"""The API server on sockets, with a kubelet of the test's own behind it."""

import asyncio
import gc
import io
import json
import socket
import ssl
import uuid
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import attrs
import pytest
import yaml
from aiohttp import web

from mpiop.local.apiserver.http import HttpServer
from mpiop.local.apiserver.pki import Pki, kubeconfig
from mpiop.local.apiserver.server import ApiServer

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@attrs.frozen
class Site:
    """A server that is up: a client of it, its parts and its two ways in."""

    client: aiohttp.ClientSession
    server: ApiServer
    http: HttpServer
    pki: Pki
    unix: Path


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Site]:
    server = ApiServer(clock=lambda: datetime.now(UTC), uid=lambda: str(uuid.uuid4()))
    pki = Pki.create([])
    http = HttpServer(server, pki=pki, kubelet=folder / "kubelet.sock")
    listener = socket.create_server(("127.0.0.1", 0))
    await http.start(tls=[listener], unix=folder / "api.sock")
    trust = ssl.create_default_context(cadata=pki.ca_pem.decode())
    trust.verify_flags |= ssl.VERIFY_X509_STRICT
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    headers = {"Authorization": f"Bearer {pki.admin_token}"}
    connector = aiohttp.TCPConnector(ssl=trust)
    try:
        async with aiohttp.ClientSession(
            url, headers=headers, connector=connector
        ) as client:
            yield Site(client, server, http, pki, folder / "api.sock")
    finally:
        await http.stop()


@asynccontextmanager
async def kubelet(folder: Path, path: str, handler: Handler) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_get(path, handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(folder / "kubelet.sock")).start()
    try:
        yield
    finally:
        await runner.cleanup()


async def make_pod(site: Site) -> None:
    spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": "n"}
    async with site.client.post(
        PODS, json={"metadata": {"name": "p"}, "spec": spec}
    ) as made:
        assert made.status == 201


def test_tls_and_tokens(tmp_path: Path) -> None:
    """The certificate holds under strict rules, and a wrong token is nobody's."""

    async def scenario() -> None:
        async with serving(tmp_path) as site:
            async with site.client.get("/version") as answer:
                assert answer.status == 200
            for header in ("Bearer wrong", "Basic x", ""):
                async with site.client.get(
                    "/version", headers={"Authorization": header}
                ) as answer:
                    body = await answer.json()
                    assert (answer.status, body["reason"]) == (401, "Unauthorized")

    asyncio.run(scenario())


@pytest.mark.parametrize("polite", [True, False])
def test_the_end_closes_connections_of_silent_clients(
    tmp_path: Path, *, polite: bool
) -> None:
    """A client that is connected, or has only begun to be, leaves no socket open."""
    left = []

    def connect(url: str, context: ssl.SSLContext) -> None:
        port = int(url.rpartition(":")[2])
        plain = socket.create_connection(("127.0.0.1", port), timeout=10)
        if not polite:
            left.append(plain)
            return
        secured = context.wrap_socket(plain, server_hostname="127.0.0.1")
        secured.sendall(b"GET /version HTTP/1.1\r\nHost: a\r\n\r\n")
        assert secured.recv(1)
        left.append(secured)

    async def scenario() -> None:
        async with serving(tmp_path) as site:
            trust = ssl.create_default_context(cadata=site.pki.ca_pem.decode())
            url = str(site.client._base_url_origin)
            await asyncio.to_thread(connect, url, trust)
            await asyncio.sleep(0.1)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(scenario())
        gc.collect()
    for one in left:
        one.close()
    assert [str(one.message) for one in caught] == []


def test_service_account_token(tmp_path: Path) -> None:
    """A service account's token has the account's rights."""

    async def scenario() -> None:
        path = "/api/v1/namespaces/default/serviceaccounts/default/token"
        async with serving(tmp_path) as site:
            async with site.client.post(path, json={"spec": {}}) as answer:
                token = (await answer.json())["status"]["token"]
            headers = {"Authorization": f"Bearer {token}"}
            async with site.client.get(PODS, headers=headers) as answer:
                message = (await answer.json())["message"]
            assert 'User "system:serviceaccount:default:default" cannot' in message

    asyncio.run(scenario())


def test_unix_socket(tmp_path: Path) -> None:
    """Who comes by the unix socket is the administrator, without a token."""

    async def scenario() -> None:
        async with serving(tmp_path) as site:
            connector = aiohttp.UnixConnector(str(site.unix))
            async with (
                aiohttp.ClientSession("http://api", connector=connector) as client,
                client.get(PODS) as answer,
            ):
                assert answer.status == 200

    asyncio.run(scenario())


def test_warnings(tmp_path: Path) -> None:
    """Warnings become headers, quotes escaped."""

    async def scenario() -> None:
        async with serving(tmp_path) as site:
            body = {"metadata": {"name": "one"}, "date": {}}
            async with site.client.post(MAPS, json=body) as answer:
                expected = '299 - "unknown field \\"date\\""'
                assert answer.headers.getall("Warning") == [expected]

    asyncio.run(scenario())


def test_watch_streams(tmp_path: Path) -> None:
    """A watch is a stream of lines, and ends when the server stops."""

    async def scenario() -> None:
        async with (
            serving(tmp_path) as site,
            site.client.get(MAPS, params={"watch": "true"}) as stream,
        ):
            for name in ("one", "two"):
                body = {"metadata": {"name": name}}
                async with site.client.post(MAPS, json=body) as made:
                    assert made.status == 201
                event = json.loads(await stream.content.readline())
                assert event["object"]["metadata"]["name"] == name
            await site.http.stop()
            assert await stream.content.read() == b""

    asyncio.run(scenario())


def test_abandoned_watch(tmp_path: Path) -> None:
    """The server keeps nothing for a client that went away."""

    async def scenario() -> None:
        async with serving(tmp_path) as site:
            stream = await site.client.get(MAPS, params={"watch": "true"})
            (feed,) = site.server._watches
            stream.close()
            for _ in range(500):
                if feed.closed:
                    return
                await asyncio.sleep(0.01)
            pytest.fail("the watch is still open")

    asyncio.run(scenario())


def test_large_body(tmp_path: Path) -> None:
    """A body beyond the limit of real servers is refused with a Status."""

    async def scenario() -> None:
        async with serving(tmp_path) as site:
            data = io.BytesIO(b" " * (3 * 1024 * 1024 + 1))
            async with site.client.post(MAPS, data=data) as answer:
                body = await answer.json()
                assert (answer.status, body["code"]) == (413, 413)

    asyncio.run(scenario())


def test_log(tmp_path: Path) -> None:
    """A log passes through as it comes, with the client's options."""
    asked: list[str] = []

    async def log(request: web.Request) -> web.StreamResponse:
        asked.append(request.path_qs)
        stream = web.StreamResponse()
        await stream.prepare(request)
        await stream.write(b"first\n")
        await more.wait()
        await stream.write(b"second\n")
        return stream

    async def scenario() -> None:
        async with serving(tmp_path) as site, kubelet(tmp_path, "/logs/{p:.*}", log):
            await make_pod(site)
            query = {"follow": "true", "tailLines": "5"}
            async with site.client.get(f"{PODS}/p/log", params=query) as stream:
                assert await stream.content.readline() == b"first\n"
                more.set()
                assert await stream.content.read() == b"second\n"

    more = asyncio.Event()
    asyncio.run(scenario())
    assert asked == ["/logs/default/p/c?follow=true&tailLines=5"]


def test_refused_log(tmp_path: Path) -> None:
    """What the kubelet says instead of a log becomes a Status."""

    async def log(_: web.Request) -> web.StreamResponse:
        return web.Response(status=400, text='container "c" is waiting to start')

    async def scenario() -> None:
        async with serving(tmp_path) as site:
            await make_pod(site)
            async with site.client.get(f"{PODS}/p/log") as answer:
                assert answer.status == 500
                message = (await answer.json())["message"]
                assert message.startswith("the kubelet does not answer")
            async with (
                kubelet(tmp_path, "/logs/{p:.*}", log),
                site.client.get(f"{PODS}/p/log") as answer,
            ):
                body = await answer.json()
                assert (answer.status, body["reason"]) == (400, "BadRequest")
                assert body["message"] == 'container "c" is waiting to start'

    asyncio.run(scenario())


def test_exec(tmp_path: Path) -> None:
    """An exec's messages pass both ways unchanged, close and protocol included."""
    asked: list[str] = []

    async def run(request: web.Request) -> web.StreamResponse:
        asked.append(request.path_qs)
        stream = web.WebSocketResponse(protocols=("v4.channel.k8s.io",))
        await stream.prepare(request)
        async for message in stream:
            if message.data == b"\x00end":
                break
            await stream.send_bytes(b"\x01" + message.data[1:])
        await stream.close(code=1000)
        return stream

    async def scenario() -> None:
        async with serving(tmp_path) as site, kubelet(tmp_path, "/exec/{p:.*}", run):
            await make_pod(site)
            url = f"{PODS}/p/exec?command=a&command=b+c&stdin=true"
            offered = ("v5.channel.k8s.io", "v4.channel.k8s.io")
            async with site.client.ws_connect(url, protocols=offered) as stream:
                assert stream.protocol == "v4.channel.k8s.io"
                for data in (b"", b"some", b"\xff" * 100_000):
                    await stream.send_bytes(b"\x00" + data)
                    assert await stream.receive_bytes() == b"\x01" + data
                await stream.send_bytes(b"\x00end")
                end = await stream.receive()
                assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, 1000)

    asyncio.run(scenario())
    assert asked == ["/exec/default/p/c?command=a&command=b+c&stdin=true"]


def test_exec_dies_with_its_client(tmp_path: Path) -> None:
    """When the client goes, the kubelet's stream ends."""

    async def run(request: web.Request) -> web.StreamResponse:
        stream = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await stream.prepare(request)
        async for _ in stream:
            pass
        ended.set()
        return stream

    async def scenario() -> None:
        async with serving(tmp_path) as site, kubelet(tmp_path, "/exec/{p:.*}", run):
            await make_pod(site)
            stream = await site.client.ws_connect(
                f"{PODS}/p/exec", protocols=("v5.channel.k8s.io",)
            )
            stream._response.close()
            await asyncio.wait_for(ended.wait(), 10)

    ended = asyncio.Event()
    asyncio.run(scenario())


@pytest.mark.parametrize(("said", "code"), [(True, 1000), (False, 1011)])
def test_exec_whose_kubelet_hangs_up(tmp_path: Path, *, said: bool, code: int) -> None:
    """A kubelet may hang up right after its close frame, before it is answered.

    kubectl fails the whole command at a code that may not be sent, as 1006 is, even
    with the command's status at hand. A stream that breaks off is the server's error.
    """

    async def run(request: web.Request) -> web.StreamResponse:
        stream = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await stream.prepare(request)
        await stream.send_bytes(b"\x03status")
        assert stream._writer is not None
        assert request.transport is not None
        if said:
            await stream._writer.close(1000)
        request.transport.close()
        return stream

    async def scenario() -> None:
        async with serving(tmp_path) as site, kubelet(tmp_path, "/exec/{p:.*}", run):
            await make_pod(site)
            async with site.client.ws_connect(
                f"{PODS}/p/exec", protocols=("v5.channel.k8s.io",)
            ) as stream:
                assert await stream.receive_bytes() == b"\x03status"
                end = await stream.receive()
                assert (end.type, end.data) == (aiohttp.WSMsgType.CLOSE, code)

    asyncio.run(scenario())


def test_refused_exec(tmp_path: Path) -> None:
    """The kubelet's refusal comes as a Status in the error channel."""

    async def run(_: web.Request) -> web.StreamResponse:
        return web.Response(status=404, text='container not found ("c")')

    async def scenario() -> None:
        async with serving(tmp_path) as site, kubelet(tmp_path, "/exec/{p:.*}", run):
            await make_pod(site)
            async with site.client.post(f"{PODS}/p/exec") as answer:
                assert answer.status == 400
            async with site.client.ws_connect(
                f"{PODS}/p/exec", protocols=("v5.channel.k8s.io",)
            ) as stream:
                data = await stream.receive_bytes()
                assert data[:1] == b"\x03"
                assert json.loads(data[1:])["message"] == 'container not found ("c")'

    asyncio.run(scenario())


def test_kubeconfig() -> None:
    """The kubeconfig leads to the server, with its authority and a token."""
    pki = Pki.create(["10.88.0.1"])
    config = yaml.safe_load(kubeconfig("https://127.0.0.1:1", pki))
    assert config["current-context"] == "mpiop"
    assert config["contexts"][0]["context"]["namespace"] == "default"
    assert config["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:1"
    assert config["users"][0]["user"]["token"] == pki.admin_token
    assert pki.admin_token not in repr(pki)
