"""The Pods' bridge, in a network namespace of its own."""

import subprocess
import sys
from typing import Final

import pytest

SCRIPT: Final = """
import fcntl, os, socket
from mpiop.local.kubelet import network
from mpiop.local.kubelet.isolate import enter_namespaces

def hardware_address():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        return fcntl.ioctl(one, 0x8927, b"mpiop0".ljust(40, bytes(1)))[18:24]

def dial(pod):
    child = os.fork()
    if child == 0:
        pod.join()
        socket.create_connection((str(network.GATEWAY), 6443), timeout=10)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

enter_namespaces()
if os.fork():  # the next one is process 1 in there
    os._exit(os.waitstatus_to_exitcode(os.wait()[1]))
network.make_bridge()
listener = network.listen()
found = network.Network()
known = {hardware_address()}
stays, *others = [found.attach(f"pod-{number}") for number in range(5)]
for one in others:
    dial(stays)
    found.detach(one)
    known.add(hardware_address())
dial(stays)
print(len(known), flush=True)
"""


@pytest.mark.needs("namespaces")
def test_the_way_to_the_server_outlives_other_pods() -> None:
    """A bridge's address is one of its ports', unless it has one of its own.

    Who has learned an address that has gone sends into the void for a minute.
    """
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1\n", "")
