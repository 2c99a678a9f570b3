"""Two servers behind one face: the embedded one, and a real kube-apiserver."""

import itertools
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import attrs

from mpiop.local.apiserver.server import ApiServer
from mpiop.local.apiserver.wire import Request, Response, Watch
from tests.support.http import Http
from tests.support.http import Stream as HttpStream

JSON = "application/json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
Query = Mapping[str, str]


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


def _request(ask: Ask) -> Request:
    headers = {"content-type": ask.content, "accept": ask.accept}
    if ask.user:
        headers["impersonate-user"] = ask.user
    return Request(
        ask.method,
        ask.path,
        tuple(ask.query.items()),
        headers | {"user-agent": "contract/1"},
        b"" if ask.body is None else json.dumps(ask.body).encode(),
    )


class Embedded:
    def __init__(self) -> None:
        uids = itertools.count(1)
        self.server = ApiServer(
            clock=lambda: datetime(2026, 1, 1, tzinfo=UTC),
            uid=lambda: f"00000000-0000-4000-8000-{next(uids):012d}",
        )

    def ask(self, ask: Ask) -> Reply:
        answer = self.server.handle(_request(ask))
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
    """A real API server."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def ask(self, ask: Ask) -> Reply:
        answer = self._http.handle(_request(ask))
        body = answer.body if isinstance(answer.body, Mapping) else {}
        return Reply(answer.status, body, answer.warnings)

    def watch(self, path: str, query: Query) -> Stream:
        ask = Ask("GET", path, query={**query, "watch": "true"})
        return _RealStream(self._http.stream(_request(ask)))


class _RealStream:
    def __init__(self, stream: HttpStream) -> None:
        self._stream = stream

    def take(self, count: int) -> list[dict[str, Any]]:
        return [dict(next(self._stream)) for _ in range(count)]

    def close(self) -> None:
        self._stream.close()
