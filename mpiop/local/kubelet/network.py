"""The Pods' private network: a bridge, and an address of its own for each Pod."""

import contextlib
import ipaddress
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs

from mpiop.local.kubelet import namespaces as ns
from mpiop.local.kubelet.netlink import Netlink

NETWORK: Final = ipaddress.IPv4Network("10.88.0.0/16")
GATEWAY: Final = NETWORK[1]
_BRIDGE: Final = "mpiop0"


def make_bridge() -> None:
    """Give the current, new network namespace its bridge and loopback.

    Raises:
        OSError: the kernel refuses; there is no Pod network then.
    """
    with Netlink() as netlink:
        netlink.up("lo")
        netlink.bridge(_BRIDGE)
        address = ipaddress.IPv4Interface((GATEWAY, NETWORK.prefixlen))
        netlink.address(_BRIDGE, address)
        netlink.up(_BRIDGE)


def listen(port: int = 6443) -> socket.socket:
    """Open the socket on which Pods reach the API server."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((str(GATEWAY), port))
    listener.listen(1024)
    return listener


@attrs.frozen
class Attachment:
    """One Pod's place in the network; the files hold its namespaces open."""

    address: str
    net: int
    uts: int
    ipc: int

    def join(self) -> None:
        """Enter the Pod's namespaces."""
        ns.setns(self.net, ns.NEW_NET)
        ns.setns(self.uts, ns.NEW_UTS)
        ns.setns(self.ipc, ns.NEW_IPC)


class Network:
    """Hands out addresses and connects Pods. One thread uses it."""

    def __init__(self) -> None:
        self._used: set[int] = {0, 1, NETWORK.num_addresses - 1}
        self._next = 2

    def attach(self, hostname: str) -> Attachment:
        """Make a Pod's namespaces, with interface eth0, address and host name.

        Raises:
            OSError: the kernel refuses, or no address is left.
        """
        number = self._take()
        port = _port(number)
        try:
            with _away_from_home() as home:
                ns.unshare(ns.NEW_NET | ns.NEW_UTS | ns.NEW_IPC)
                _configure(hostname, number, home)
                fds = [ns.open_namespace(kind) for kind in ("net", "uts", "ipc")]
            with Netlink() as netlink:
                netlink.up(port, master=_BRIDGE)
        except OSError:
            self._used.discard(number)
            raise
        return Attachment(str(NETWORK[number]), *fds)

    def detach(self, attachment: Attachment) -> None:
        """Take a Pod off the network and give its address back."""
        number = int(ipaddress.IPv4Address(attachment.address)) - int(NETWORK[0])
        with contextlib.suppress(OSError), Netlink() as netlink:
            netlink.delete(_port(number))
        for fd in (attachment.net, attachment.uts, attachment.ipc):
            os.close(fd)
        self._used.discard(number)

    def _take(self) -> int:
        # Round robin: a name may still be known by its last address.
        for _ in range(NETWORK.num_addresses):
            number = self._next
            self._next = (self._next + 1) % NETWORK.num_addresses
            if number not in self._used:
                self._used.add(number)
                return number
        raise OSError("no address is left in the Pod network")


def _port(number: int) -> str:
    return f"pod{number}"


def _configure(hostname: str, number: int, home: int) -> None:
    socket.sethostname(hostname)
    unprivileged = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
    unprivileged.write_text("0", encoding="ascii")
    with Netlink() as netlink:
        netlink.up("lo")
        netlink.veth("eth0", _port(number), home)
        interface = ipaddress.IPv4Interface((NETWORK[number], NETWORK.prefixlen))
        netlink.address("eth0", interface)
        netlink.up("eth0")


@contextlib.contextmanager
def _away_from_home() -> Iterator[int]:
    """Come back to our own namespaces at the end, whatever was joined inside."""
    kinds = (("net", ns.NEW_NET), ("uts", ns.NEW_UTS), ("ipc", ns.NEW_IPC))
    home = [(ns.open_namespace(name), kind) for name, kind in kinds]
    try:
        yield home[0][0]
    finally:
        for fd, kind in home:
            ns.setns(fd, kind)
            os.close(fd)
