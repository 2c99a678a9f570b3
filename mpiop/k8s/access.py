"""What a caller of an API server must have: where it is, who asks, whom to trust."""

import socket
from collections.abc import Callable
from typing import Final

import attrs
import urllib3
from urllib3.connection import HTTPConnection

# As long as client-go waits until it probes a silent connection, and how often.
_PROBES: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 15, "TCP_KEEPCNT": 9}


def kept_alive() -> list[tuple[int, int, int]]:
    """Give the options of a socket whose other side may vanish without a word."""
    probes = [
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in _PROBES.items()
        if hasattr(socket, name)
    ]
    alive = (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return [*HTTPConnection.default_socket_options, alive, *probes]


def pool(connections: int, ca_certs: str | None = None) -> urllib3.PoolManager:
    """Give a pool of connections that trusts one authority (default: the system's)."""
    return urllib3.PoolManager(
        maxsize=connections,
        cert_reqs="CERT_REQUIRED",
        ca_certs=ca_certs,
        socket_options=kept_alive(),
    )


@attrs.frozen
class Access:
    """The way to one API server.

    Attributes:
        host: its URL, which may have a path.
        authorization: gives the header of that name, empty for none; may be slow.
        connect: opens a pool that keeps so many connections.
    """

    host: str
    authorization: Callable[[], str] = lambda: ""
    connect: Callable[[int], urllib3.PoolManager] = pool
