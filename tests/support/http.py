"""Takes requests of `mpiop.local.client` to any API server that a kubeconfig names."""

import json
from collections.abc import Iterator
from typing import Final
from urllib.parse import quote, urlencode

import attrs
import orjson
import urllib3
from urllib3.exceptions import HTTPError

from mpiop.k8s.credentials import load
from mpiop.k8s.http import warnings_of
from mpiop.k8s.settings import Settings
from mpiop.local.apiserver.wire import ADMIN, Request, Response

AGENT: Final = "mpiop-tests"
_SECONDS: Final = 60.0


@attrs.define
class Http:
    """A handler of requests over HTTP; thread safe."""

    kubeconfig: str
    _pools: urllib3.PoolManager = attrs.field(init=False)
    _host: str = attrs.field(init=False)
    _headers: dict[str, str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        found = load(Settings(kubeconfig=self.kubeconfig))
        self._pools = found.connect(32)
        self._host = found.host
        token = found.authorization()
        self._headers = {"user-agent": AGENT} | (
            {"authorization": token} if token else {}
        )

    def handle(self, request: Request) -> Response:
        """Send a request and read the whole answer."""
        answer = self._send(request)
        warnings = answer.headers.getlist("Warning")
        body = answer.data
        is_json = answer.headers.get("Content-Type", "").startswith("application/json")
        return Response(
            answer.status,
            orjson.loads(body) if is_json and body else body,
            tuple(text for header in warnings for text in warnings_of(header)),
            {key.lower(): value for key, value in answer.headers.items()},
        )

    def stream(self, request: Request) -> "Stream":
        """Send a request and give the lines of the answer as they come."""
        return Stream(self._send(request, preload=False))

    def ready(self) -> bool:
        """Whether the server answers, and thinks itself ready."""
        try:
            return self.handle(Request("GET", "/readyz")).status == 200
        except HTTPError:
            return False

    def close(self) -> None:
        """Close the connections that are kept."""
        self._pools.clear()

    def _send(
        self, request: Request, *, preload: bool = True
    ) -> urllib3.BaseHTTPResponse:
        headers = self._headers | dict(request.headers)
        headers.setdefault("accept", "application/json")
        if request.user != ADMIN:
            headers["impersonate-user"] = request.user
        query = f"?{urlencode(request.query)}" if request.query else ""
        return self._pools.request(
            request.method,
            f"{self._host}{quote(request.path)}{query}",
            body=request.body or None,
            headers=headers,
            timeout=_SECONDS,
            retries=False,
            redirect=False,
            preload_content=preload,
        )


class Stream:
    """The lines of a watch, as JSON."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self.status = response.status
        self._response = response
        self._lines = self._read()

    def __next__(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(next(self._lines))
        return found

    def close(self) -> None:
        """End the watch."""
        self._response.close()

    def _read(self) -> Iterator[bytes]:
        rest = b""
        for chunk in self._response.stream(1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from lines
