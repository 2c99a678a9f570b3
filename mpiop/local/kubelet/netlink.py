"""Just enough rtnetlink to give Pods a network: bridge, veth pairs, addresses.

A socket belongs to the network namespace in which it was made. (pyroute2 does all of
this and costs 0.3 s and 20 MB to import, on the path of every start.)
"""

import ipaddress
import os
import socket
import struct
from typing import Final, Self

_NEW_LINK: Final = 16
_DEL_LINK: Final = 17
_NEW_ADDRESS: Final = 20
_ERROR: Final = 2

_REQUEST: Final = 0x1
_ACK: Final = 0x4
_EXCLUSIVE: Final = 0x200
_CREATE: Final = 0x400

_IFF_UP: Final = 0x1
_IFLA_ADDRESS: Final = 1
_IFLA_IFNAME: Final = 3
_IFLA_MASTER: Final = 10
_IFLA_LINKINFO: Final = 18
_IFLA_NET_NS_FD: Final = 28
_IFLA_INFO_KIND: Final = 1
_IFLA_INFO_DATA: Final = 2
_VETH_INFO_PEER: Final = 1
_IFA_ADDRESS: Final = 1
_IFA_LOCAL: Final = 2
_IFA_BROADCAST: Final = 4
_ADMINISTERED_HERE: Final = b"\x02"  # how a hardware address begins that nobody sold


def _attribute(kind: int, value: bytes | str | int) -> bytes:
    if isinstance(value, str):
        value = value.encode() + b"\0"
    elif isinstance(value, int):
        value = struct.pack("=I", value)
    padding = b"\0" * (-len(value) % 4)
    return struct.pack("=HH", len(value) + 4, kind) + value + padding


def _link(index: int = 0, flags: int = 0) -> bytes:
    return struct.pack("=BBHiII", 0, 0, 0, index, flags, flags)


class Netlink:
    """A route socket in the network namespace of its making; close it, or use with."""

    def __init__(self) -> None:
        """Open the socket.

        Raises:
            OSError: the kernel has no rtnetlink for us.
        """
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0
        )
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        """Let the socket go."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def bridge(self, name: str) -> None:
        """Make a bridge, with a hardware address of its own.

        Else it has one of its ports', and another once that port goes: who has learned
        the former sends into the void until it is forgotten, for a minute.
        """
        kind = _attribute(_IFLA_INFO_KIND, "bridge")
        body = _attribute(_IFLA_IFNAME, name) + _attribute(_IFLA_LINKINFO, kind)
        body += _attribute(_IFLA_ADDRESS, _ADMINISTERED_HERE + os.urandom(5))
        self._ask(_NEW_LINK, _link() + body, _CREATE | _EXCLUSIVE)

    def veth(self, name: str, peer: str, peer_namespace: int) -> None:
        """Make a pair of ends: `name` here, `peer` in the namespace of an open file."""
        other = (
            _link()
            + _attribute(_IFLA_IFNAME, peer)
            + _attribute(_IFLA_NET_NS_FD, peer_namespace)
        )
        info = _attribute(_IFLA_INFO_KIND, "veth") + _attribute(
            _IFLA_INFO_DATA, _attribute(_VETH_INFO_PEER, other)
        )
        body = _attribute(_IFLA_IFNAME, name) + _attribute(_IFLA_LINKINFO, info)
        self._ask(_NEW_LINK, _link() + body, _CREATE | _EXCLUSIVE)

    def up(self, name: str, *, master: str | None = None) -> None:
        """Switch an interface on, as a port of a bridge where one is named."""
        body = _link(socket.if_nametoindex(name), _IFF_UP)
        if master is not None:
            body += _attribute(_IFLA_MASTER, socket.if_nametoindex(master))
        self._ask(_NEW_LINK, body)

    def address(self, name: str, interface: ipaddress.IPv4Interface) -> None:
        """Give an interface its address; the kernel adds the route to its network."""
        packed = interface.ip.packed
        index = socket.if_nametoindex(name)
        body = struct.pack(
            "=BBBBI", socket.AF_INET, interface.network.prefixlen, 0, 0, index
        )
        body += _attribute(_IFA_LOCAL, packed) + _attribute(_IFA_ADDRESS, packed)
        body += _attribute(_IFA_BROADCAST, interface.network.broadcast_address.packed)
        self._ask(_NEW_ADDRESS, body, _CREATE | _EXCLUSIVE)

    def delete(self, name: str) -> None:
        """Remove an interface; the other end of a pair goes with it."""
        self._ask(_DEL_LINK, _link(socket.if_nametoindex(name)))

    def _ask(self, kind: int, body: bytes, flags: int = 0) -> None:
        self._sequence += 1
        head = struct.pack(
            "=IHHII", 16 + len(body), kind, _REQUEST | _ACK | flags, self._sequence, 0
        )
        self._socket.send(head + body)
        answer = self._socket.recv(65536)
        answered, code = struct.unpack_from("=4xH2x4x4xi", answer)
        if answered != _ERROR:
            raise OSError(f"unexpected answer of kind {answered} from rtnetlink")
        if code:
            raise OSError(-code, os.strerror(-code))
