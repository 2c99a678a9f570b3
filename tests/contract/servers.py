"""Two servers behind one face: the embedded one, and a real kube-apiserver."""

import http.client
import itertools
import json
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import attrs

from mpiop.local.apiserver.server import ApiServer
from mpiop.local.apiserver.wire import Request, Response, Watch

JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
Query = Mapping[str, str]
_DEADLINE = 60.0
_TOKEN = "contract"


@attrs.frozen
class Reply:
    status: int
    body: Any
    warnings: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        return str(self.body.get("reason", ""))

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))


@attrs.frozen
class Ask:
    """A request, by default for JSON as the administrator."""

    method: str
    path: str
    body: object = None
    query: Query = attrs.field(factory=dict)
    content: str = JSON
    accept: str = JSON
    user: str = ""


class Stream(Protocol):
    def take(self, count: int) -> list[dict[str, Any]]: ...
    def close(self) -> None: ...


class Api(Protocol):
    def ask(self, ask: Ask) -> Reply: ...
    def watch(self, path: str, query: Query) -> Stream: ...


def _headers(ask: Ask) -> dict[str, str]:
    headers = {"content-type": ask.content, "accept": ask.accept}
    if ask.user:
        headers["impersonate-user"] = ask.user
    return headers | {"user-agent": "contract/1"}


def _encoded(ask: Ask) -> bytes:
    return b"" if ask.body is None else json.dumps(ask.body).encode()


class Embedded:
    def __init__(self) -> None:
        uids = itertools.count(1)
        self.server = ApiServer(
            clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
            uid=lambda: f"00000000-0000-4000-8000-{next(uids):012d}",
        )

    def ask(self, ask: Ask) -> Reply:
        query = tuple(ask.query.items())
        request = Request(ask.method, ask.path, query, _headers(ask), _encoded(ask))
        answer = self.server.handle(request)
        assert isinstance(answer, Response)
        return Reply(answer.status, answer.body, answer.warnings)

    def watch(self, path: str, query: Query) -> Stream:
        request = Request("GET", path, (*query.items(), ("watch", "true")))
        answer = self.server.handle(request)
        assert isinstance(answer, Watch)
        return _EmbeddedStream(answer)


class _EmbeddedStream:
    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._lines: list[bytes] = []

    def take(self, count: int) -> list[dict[str, Any]]:
        self._lines += self._watch.drain()
        taken, self._lines = self._lines[:count], self._lines[count:]
        assert len(taken) == count, f"only {taken}"
        return [json.loads(line) for line in taken]

    def close(self) -> None:
        self._watch.close()


class Real:
    def __init__(self, port: int) -> None:
        self._port = port
        self._context = ssl.create_default_context()
        self._context.check_hostname = False
        self._context.verify_mode = ssl.CERT_NONE

    def _send(
        self, ask: Ask
    ) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self._port, timeout=_DEADLINE, context=self._context
        )
        headers = _headers(ask) | {"authorization": f"Bearer {_TOKEN}"}
        target = f"{ask.path}?{urlencode(ask.query)}"
        connection.request(ask.method, target, _encoded(ask), headers)
        return connection, connection.getresponse()

    def ask(self, ask: Ask) -> Reply:
        connection, answer = self._send(ask)
        try:
            warnings = answer.headers.get_all("Warning") or []
            texts = tuple(json.loads(one.split(" - ", 1)[1]) for one in warnings)
            body = answer.read()
            decoded = json.loads(body) if body.startswith(b"{") else {}
            return Reply(answer.status, decoded, texts)
        finally:
            connection.close()

    def watch(self, path: str, query: Query) -> Stream:
        return _RealStream(*self._send(Ask("GET", path, query={**query, "watch": "1"})))


class _RealStream:
    def __init__(
        self, connection: http.client.HTTPSConnection, answer: http.client.HTTPResponse
    ) -> None:
        self._connection = connection
        self._answer = answer

    def take(self, count: int) -> list[dict[str, Any]]:
        return [json.loads(self._answer.readline()) for _ in range(count)]

    def close(self) -> None:
        self._connection.close()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            for _ in range(count)
        ]
        return [int(one.getsockname()[1]) for one in sockets]


@contextmanager
def _running(command: Sequence[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield
        finally:
            process.terminate()
            process.wait(_DEADLINE)


@contextmanager
def control_plane(assets: Path, folder: Path) -> Iterator[Real]:
    """Run etcd and kube-apiserver from `assets` for as long as the context lasts."""
    client, peer, secure = _free_ports(3)
    etcd, peers = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
    tokens, key = folder / "tokens.csv", folder / "sa.key"
    tokens.write_text(f"{_TOKEN},admin,admin,system:masters\n")
    key.write_bytes(_private_key())
    store = [
        str(assets / "etcd"),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={etcd}",
        f"--advertise-client-urls={etcd}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",
    ]
    server = [
        str(assets / "kube-apiserver"),
        f"--etcd-servers={etcd}",
        f"--cert-dir={folder / 'certs'}",
        "--bind-address=127.0.0.1",
        f"--secure-port={secure}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
    ]
    with _running(store, folder / "etcd.log"), _running(server, folder / "api.log"):
        real = Real(secure)
        _wait_until_ready(real)
        yield real


def _private_key() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _wait_until_ready(real: Real) -> None:
    end = time.monotonic() + _DEADLINE
    account = "/api/v1/namespaces/default/serviceaccounts"
    body = {"metadata": {"name": "default"}}
    while True:
        try:
            if real.ask(Ask("POST", account, body)).status in {201, 409}:
                return
        except (ConnectionError, ssl.SSLError):
            pass
        assert time.monotonic() < end, "kube-apiserver did not come up"
        time.sleep(0.2)
