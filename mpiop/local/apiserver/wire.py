"""What goes into the API server and what comes out of it, without any I/O."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Literal

import attrs

Json = Mapping[str, object]

ADMIN = "system:admin"


@attrs.frozen
class Request:
    """One HTTP request whose sender has been authenticated; header keys in lower case.

    `path` is not percent-encoded, `query` keeps order and repetitions.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = attrs.field(factory=dict)
    body: bytes = b""
    user: str = ADMIN

    def param(self, name: str, default: str = "") -> str:
        """Give the first value of a query parameter."""
        return next((value for key, value in self.query if key == name), default)


@attrs.frozen
class Response:
    """An answer that is complete; `body` is a JSON value of the receiver's own.

    A `bytes` body is no JSON: it is sent as it is, with the content type in `headers`.
    """

    status: int
    body: object
    warnings: tuple[str, ...] = ()
    headers: Mapping[str, str] = attrs.field(factory=dict)


class Watch(ABC):
    """An answer that goes on: the receiver drains it when it is told to, or at will."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether no more events will come once drain() has given nothing."""

    @abstractmethod
    def drain(self) -> list[bytes]:
        """Take the events that are ready, each one line of JSON."""

    @abstractmethod
    def on_ready(self, callback: Callable[[], None]) -> None:
        """Have `callback` called when drain() may give more or `closed` turned true."""

    @abstractmethod
    def close(self) -> None:
        """End the watch; nothing is kept for it any more."""


@attrs.frozen
class Forward:
    """What only a kubelet can answer; the request is authorized, the Pod has a node."""

    kind: Literal["log", "exec"]
    pod: Json
    container: str
    query: tuple[tuple[str, str], ...]
