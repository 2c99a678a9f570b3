"""What a job's start asks the cluster's DNS, and how that is read off the wire."""

import struct

import pytest

from tests.e2e.node import images, lookups
from tests.e2e.node.jobs import Cell
from tests.e2e.node.lookups import Lookup
from tests.e2e.node.node import Node
from tests.e2e.node.running import run_all
from tests.support.cluster import Cluster

CELLS = {f"names-{mpi}": Cell(mpi) for mpi in images.MPIS}
CELLS["names-exec"] = Cell(shell="KubectlExec")
POD = bytes([10, 244, 0, 7])
SERVER = bytes([172, 30, 0, 1])


def frame(name: str, *, answer: bool = False, code: int = 0) -> bytes:
    """Write a question or an answer as it is on the wire."""
    ports = (53, 40000) if answer else (40000, 53)
    labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split("."))
    flags = 0x8180 | code if answer else 0x0100
    query = struct.pack("!HHHHHH", 9, flags, 1, 0, 0, 0) + labels + b"\0\0\1\0\1"
    ends = SERVER + POD if answer else POD + SERVER
    ip = b"\x45" + bytes(8) + b"\x11" + bytes(2) + ends
    return bytes(12) + b"\x08\0" + ip + struct.pack("!HHHH", *ports, 0, 0) + query


def test_questions_find_their_answers() -> None:
    """Also one that has none, and one that the cluster's DNS would pass on."""
    there, away = "pi.team.svc.cluster.local", "pi.team.svc"
    frames = [
        frame(there),
        frame(there, answer=True),
        frame(away),
        frame(away, answer=True, code=3),
        frame("gone.mpi.test"),
    ]
    packets = [lookups.parsed(at, one) for at, one in enumerate(frames)]

    found = list(lookups.paired([one for one in packets if one]))

    assert [(one.name, one.code, one.seconds) for one in found] == [
        (there, 0, 1),
        (away, 3, 1),
        ("gone.mpi.test", None, 0),
    ]
    assert {one.pod for one in found} == {"10.244.0.7"}
    assert lookups.summary(found) == {
        "lookups": 3,
        "no such name": 1,
        "outside the cluster": 1,
        "without an answer": 1,
    }


def test_what_is_no_lookup_is_passed_over() -> None:
    """Another protocol, another port."""
    assert lookups.parsed(0, bytes(12) + b"\x08\x06" + bytes(40)) is None
    other = bytearray(frame("pi"))
    other[34:38] = struct.pack("!HH", 40000, 2222)
    assert lookups.parsed(0, bytes(other)) is None


@pytest.fixture(scope="module")
def asked(operated: Cluster, node: Node) -> list[Lookup]:
    """Run a job of each kind; give all lookups meanwhile."""
    with lookups.recorded(node.network) as found:
        for job, log in run_all(operated, CELLS).values():
            assert job["status"].get("result") == "Succeeded", f"{job['status']}\n{log}"
    return found


@pytest.mark.needs("node")
@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", CELLS)
def test_mpirun_waits_for_no_name(asked: list[Lookup], name: str) -> None:
    """Once all hosts answer, no lookup leaves the cluster and none is unanswered."""
    ours = [one for one in asked if one.name.startswith(name)]
    answered = [
        [n for n, one in enumerate(ours) if one.name.startswith(host) and one.code == 0]
        for host in (f"{name}-worker-0.", f"{name}-worker-1.")
    ]
    assert all(answered), ours
    after = ours[max(numbers[0] for numbers in answered) :]
    told = lookups.summary(after)
    assert told["outside the cluster"] == told["without an answer"] == 0, after
