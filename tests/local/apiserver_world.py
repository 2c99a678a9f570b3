"""An API server whose clock and uids are the test's own."""

import itertools
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from mpiop.local.apiserver.server import ApiServer
from mpiop.local.apiserver.wire import Forward, Request, Response, Watch

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"


@attrs.frozen
class Reply:
    status: int
    body: Any


class World:
    def __init__(self, history: int = 4096) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        uids = itertools.count(1)
        self.server = ApiServer(
            clock=lambda: self.now, uid=lambda: f"uid-{next(uids)}", history=history
        )

    def ask(self, method: str, path: str, body: object = None, **query: str) -> Reply:
        merge = "application/merge-patch+json"
        content = merge if method == "PATCH" else "application/json"
        encoded = b"" if body is None else json.dumps(body).encode()
        headers = {"content-type": content, "user-agent": "test/1"}
        request = Request(method, path, tuple(query.items()), headers, encoded)
        answer = self.server.handle(request)
        assert isinstance(answer, Response)
        return Reply(answer.status, answer.body)

    def forward(self, path: str, **query: str) -> Forward:
        answer = self.server.handle(Request("GET", path, tuple(query.items())))
        assert isinstance(answer, Forward)
        return answer

    def watch(self, path: str, **query: str) -> Watch:
        items = (*query.items(), ("watch", "true"))
        answer = self.server.handle(Request("GET", path, items))
        assert isinstance(answer, Watch)
        return answer

    def make_map(self, name: str) -> Reply:
        return self.ask("POST", MAPS, {"metadata": {"name": name}})

    def make_pod(self, node: str, *containers: str) -> None:
        listed = [{"name": name, "image": "i"} for name in containers]
        spec = {"containers": listed, **({"nodeName": node} if node else {})}
        body = {"metadata": {"name": "p"}, "spec": spec}
        assert self.ask("POST", PODS, body).status == 201

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)
        self.server.tick()


def events(watch: Watch) -> list[dict[str, Any]]:
    return [json.loads(line) for line in watch.drain()]
