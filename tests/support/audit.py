"""Counts requests exactly, by what the API server's audit log says of them.

Kubernetes' own components are left out; everybody else's request is one line, written
when it was answered (a watch: when it began).
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import orjson

POLICY: Final = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {
            "level": "None",
            "users": [
                "system:apiserver",
                "system:kube-controller-manager",
                "system:kube-scheduler",
            ],
        },
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "None", "nonResourceURLs": ["/readyz*", "/healthz*", "/livez*"]},
        {"level": "Metadata"},
    ],
}
_READS: Final = frozenset({"get", "list", "watch"})
_PATIENCE: Final = 10.0
_TOKEN: Final = "authentication.kubernetes.io/credential-id"


@attrs.frozen
class Request:
    """One request to the API server.

    Attributes:
        user: as it was authenticated, or impersonated.
        resource: in the plural; with its subresource, such as `pods/exec`.
        code: of the answer; 0 where the answer was cut off.
        token: tells the tokens of one ServiceAccount apart.
    """

    user: str
    agent: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int
    message: str = ""
    token: str = ""

    @property
    def writes(self) -> bool:
        """Whether it wanted to change something."""
        return self.verb not in _READS

    @property
    def rejected(self) -> bool:
        """Whether the server refused it."""
        return not 100 <= self.code < 400


@attrs.define
class AuditLog:
    """An audit log in a file, as JSON lines."""

    path: Path
    _end: int = 0
    _seen: dict[str, Request] = attrs.field(factory=dict)

    def requests(self, **wanted: str) -> list[Request]:
        """Give the requests so far whose attributes are as wanted, in their order."""
        self._read()
        return [
            one
            for one in self._seen.values()
            if all(getattr(one, key) == value for key, value in wanted.items())
        ]

    def await_request(self, holds: Callable[[Request], bool]) -> Request:
        """Wait until the log has such a request."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            for one in self.requests():
                if holds(one):
                    return one
            time.sleep(0.02)
        raise AssertionError(f"no such request among {len(self._seen)}")

    def _read(self) -> None:
        with self.path.open("rb") as file:
            file.seek(self._end)
            for line in file:
                if not line.endswith(b"\n"):
                    break  # it is being written
                self._end += len(line)
                event = orjson.loads(line)
                # A watch is logged twice: when it begins, and when it ends.
                self._seen.setdefault(event["auditID"], _request(event))


def counts(requests: Iterable[Request]) -> "Counter[str]":
    """Count requests by `verb resource`."""
    return Counter(f"{one.verb} {one.resource}" for one in requests)


def rejected(requests: Iterable[Request]) -> Iterator[str]:
    """Describe the requests that the server refused."""
    for one in requests:
        if one.rejected:
            yield f"{one.code} {one.verb} {one.resource} {one.name}: {one.message}"


def _request(event: dict[str, Any]) -> Request:
    place = event.get("objectRef") or {}
    user = event.get("impersonatedUser") or event["user"]
    parts = (place.get("resource", ""), place.get("subresource", ""))
    answer = event.get("responseStatus") or {}
    return Request(
        user=user.get("username", ""),
        agent=event.get("userAgent", ""),
        verb=event["verb"],
        resource="/".join(part for part in parts if part) or event["requestURI"],
        namespace=place.get("namespace", ""),
        name=place.get("name", ""),
        code=answer.get("code", 0),
        message=answer.get("message", ""),
        token="".join(user.get("extra", {}).get(_TOKEN, ())),
    )
