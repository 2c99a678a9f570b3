"""Every DNS lookup of the node's Pods, read off the bridge that they are on.

As a program it prints them, one JSON list a packet: the time, whether it is an answer,
the Pod's address, the query's number, its name, its type, and the answer's code.
"""

import contextlib
import json
import signal
import socket
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import attrs

from tests.e2e.node.configs import DOMAIN, OTHER_DOMAIN

BRIDGE: Final = "cni0"
READY: Final = "listening"
_ALL: Final = 3  # ETH_P_ALL
_IPV4: Final = b"\x08\x00"
_UDP: Final = 17
_PORT: Final = 53
_NO_SUCH_NAME: Final = 3
Packet = tuple[float, bool, str, int, str, int, int]


@attrs.frozen
class Lookup:
    """A question, and how it was answered.

    Attributes:
        code: of the answer; None where none came.
        seconds: until the answer.
    """

    at: float
    pod: str
    name: str
    code: int | None
    seconds: float

    @property
    def missed(self) -> bool:
        """Whether there is no such name."""
        return self.code == _NO_SUCH_NAME

    @property
    def outside(self) -> bool:
        """Whether a cluster's DNS passes the question on, to who may be far or dead."""
        inside = (DOMAIN, OTHER_DOMAIN, "arpa")
        return not f".{self.name}".endswith(tuple(f".{one}" for one in inside))


@contextlib.contextmanager
def recorded(enter: Sequence[str]) -> Iterator[list[Lookup]]:
    """Record lookups; they are in the list when the block has ended.

    Args:
        enter: words of a command that turns into another one in the node's network.
    """
    found: list[Lookup] = []
    command = [*enter, sys.executable, "-m", __name__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline().strip() == READY
        try:
            yield found
        finally:
            program.send_signal(signal.SIGTERM)
            packets: list[Packet] = [json.loads(line) for line in program.stdout]
    found += paired(packets)


def paired(packets: Sequence[Packet]) -> Iterator[Lookup]:
    """Find the answer of each question."""
    answers = {tuple(packet[2:6]): packet for packet in packets if packet[1]}
    for at, answer, pod, number, name, kind, _ in packets:
        if answer:
            continue
        reply = answers.get((pod, number, name, kind))
        code, late = (reply[6], reply[0] - at) if reply else (None, 0.0)
        yield Lookup(at, pod, name, code, late)


def summary(lookups: Sequence[Lookup]) -> Counter[str]:
    """Count what matters: all, names that are not, what left the cluster, silence."""
    return Counter(
        {
            "lookups": len(lookups),
            "no such name": sum(one.missed for one in lookups),
            "outside the cluster": sum(one.outside for one in lookups),
            "without an answer": sum(one.code is None for one in lookups),
        }
    )


def parsed(at: float, frame: bytes) -> Packet | None:
    """Read a frame; None where it is no DNS over UDP and IPv4."""
    if frame[12:14] != _IPV4 or frame[23] != _UDP:
        return None
    start = 14 + (frame[14] & 15) * 4
    source, target = struct.unpack_from("!HH", frame, start)
    if _PORT not in (source, target):
        return None
    answer = source == _PORT
    body = frame[start + 8 :]
    number, flags = struct.unpack_from("!HH", body)
    labels, place = [], 12
    while body[place]:
        labels.append(body[place + 1 : place + 1 + body[place]].decode("latin1"))
        place += 1 + body[place]
    (kind,) = struct.unpack_from("!H", body, place + 1)
    pod = socket.inet_ntoa(frame[30:34] if answer else frame[26:30])
    return at, answer, pod, number, ".".join(labels), kind, flags & 15


def main() -> None:
    """Take packets until told to end, then print them: who reads may be late."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL)) as wire:
        wire.bind((BRIDGE, 0))
        stamp = getattr(socket, "SO_TIMESTAMP", 29)
        wire.setsockopt(socket.SOL_SOCKET, stamp, 1)
        print(READY, flush=True)
        packets = []
        try:
            while True:
                frame, notes, *_ = wire.recvmsg(1 << 16, 64)
                seconds, micros = struct.unpack("ll", notes[0][2])
                if packet := parsed(seconds + micros / 1e6, frame):
                    packets.append(packet)
        finally:
            for packet in packets:
                print(json.dumps(packet))


if __name__ == "__main__":
    main()
