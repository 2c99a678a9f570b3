"""An admission webhook that a real API server calls, by URL, on loopback.

with webhook(message="no") as hook, enforced(cluster, hook, namespace, labels):
    ...                       # what matches is refused with the hook's words
    hook.stop()               # nobody answers any more
"""

import base64
import json
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import attrs

from mpiop.local.apiserver.pki import Pki
from mpiop.local.client import Deletion, Json, Resource
from tests.support.cluster import Cluster

CONFIGURATIONS: Final = Resource(
    "admissionregistration.k8s.io/v1", "validatingwebhookconfigurations"
)
HOST: Final = "127.0.0.1"
SECONDS: Final = 5  # that the API server waits for an answer


class _Server(ThreadingHTTPServer):
    """Answers each review with one decision."""

    daemon_threads = True

    def __init__(self, port: int, tls: ssl.SSLContext, hook: "Webhook") -> None:
        super().__init__((HOST, port), _Handler)
        self.socket = tls.wrap_socket(self.socket, server_side=True)
        self.hook = hook

    def handle_error(self, *_: object) -> None:
        """Pass over a connection that was hung up."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        """Answer a review."""
        length = int(self.headers["Content-Length"])
        review = json.loads(self.rfile.read(length))
        body = json.dumps(self.server.hook.answer(review)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@attrs.define
class Webhook:
    """A webhook that denies whatever it is asked.

    Attributes:
        status: of its denial; a webhook may leave it out.
        allows: it denies nothing.
        asked: the names that it was asked about, `generateName` where there is none.
    """

    status: Json = attrs.field(factory=dict)
    allows: bool = False
    asked: list[str] = attrs.field(factory=list)
    _pki: Pki = attrs.field(factory=lambda: Pki.create([HOST]))
    _server: _Server | None = None
    _port: int = 0

    @property
    def client_config(self) -> Json:
        """How the API server reaches it."""
        authority = base64.b64encode(self._pki.ca_pem).decode()
        return {"url": f"https://{HOST}:{self._port}/", "caBundle": authority}

    def start(self) -> None:
        """Serve, again on the same port where it did before."""
        self._server = _Server(self._port, self._pki.ssl_context(), self)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, name="webhook").start()

    def stop(self) -> None:
        """Serve no more: connections are refused."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(self, review: Mapping[str, Any]) -> Json:
        """Deny, or allow."""
        request = review["request"]
        meta = (request.get("object") or {}).get("metadata", {})
        self.asked.append(request.get("name") or meta.get("generateName", ""))
        response: dict[str, Any] = {"uid": request["uid"], "allowed": self.allows}
        if not self.allows:
            response["status"] = self.status
        return {
            "apiVersion": review["apiVersion"],
            "kind": review["kind"],
            "response": response,
        }


@contextmanager
def webhook(**status: object) -> Iterator[Webhook]:
    """Serve a webhook that denies with this status."""
    hook = Webhook(status)
    hook.start()
    try:
        yield hook
    finally:
        hook.stop()


@contextmanager
def enforced(
    cluster: Cluster,
    hook: Webhook,
    namespace: str,
    labels: Mapping[str, str],
    resources: Sequence[tuple[str, str]] = (("", "pods"),),
) -> Iterator[None]:
    """Have a namespace's new objects with these labels reviewed by it.

    Args:
        cluster: whose API server calls it; it may still do so for some moments after.
        hook: who reviews.
        namespace: where.
        labels: of the objects.
        resources: groups and plurals.
    """
    rules = [
        {
            "apiGroups": [group],
            "apiVersions": ["*"],
            "operations": ["CREATE"],
            "resources": [plural],
        }
        for group, plural in resources
    ]
    entry = {
        "name": "deny.mpiop.test",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": SECONDS,
        "clientConfig": hook.client_config,
        "namespaceSelector": {
            "matchLabels": {"kubernetes.io/metadata.name": namespace}
        },
        "objectSelector": {"matchLabels": dict(labels)},
        "rules": rules,
    }
    meta = {"metadata": {"name": namespace}}
    made = cluster.client.create(CONFIGURATIONS, {**meta, "webhooks": [entry]})
    try:
        yield
    finally:
        cluster.client.delete(CONFIGURATIONS, made, Deletion())
