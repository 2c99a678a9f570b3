"""What the cache costs: resident memory of a process that holds so many Pods.

`python -m bench.memory COUNT < POD` is that process: it imports what the operator
imports, takes COUNT Pods into a store as lists of 500 bring them, and prints its size.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson

from bench.figure import Figure
from mpiop.k8s import operator as imported
from mpiop.k8s.reflector import PAGE
from mpiop.k8s.store import Entry, Store, entry

COUNTS = (0, 1_000, 10_000)
REPEATS = 1  # fresh processes differ by less than what is shown


def figures() -> Iterator[Figure]:
    """Start a fresh process for each number of Pods."""
    from bench.shell import worker_pod

    pod = orjson.dumps(worker_pod())
    for number in COUNTS:
        sizes = tuple(measured(number, pod) for _ in range(REPEATS))
        yield Figure(f"resident memory, {number:,} cached Pods", "MB", sizes)


def measured(number: int, pod: bytes) -> float:
    """Ask a process that holds so many Pods for its size."""
    command = [sys.executable, "-m", "bench.memory", str(number)]
    answer = subprocess.run(command, input=pod, stdout=subprocess.PIPE, check=True)
    return float(answer.stdout)


def pages(number: int, pod: bytes) -> Iterator[list[bytes]]:
    """Give pages of Pods that differ in name, uid and version, none shared."""
    template = orjson.loads(pod)
    for start in range(0, number, PAGE):
        page = []
        for index in range(start, min(start + PAGE, number)):
            new = {"name": f"big-worker-{index}", "uid": f"uid-{index:032}"}
            new["resourceVersion"] = str(10**6 + index)
            meta = {**template["metadata"], **new}
            page.append(orjson.dumps({**template, "metadata": meta}))
        yield page


def resident() -> float:
    """Read this process's resident memory in MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if "VmRSS" in line) / 1024


def main() -> None:
    """Be the process that is measured."""
    store = Store()
    entries: list[Entry] = []
    for page in pages(int(sys.argv[1]), sys.stdin.buffer.read()):
        entries += [entry("Pod", orjson.loads(one)) for one in page]
    store.replace("Pod", entries, 1)
    del entries
    assert callable(imported.connect)  # all that an operator imports is in here, too
    print(resident())


if __name__ == "__main__":
    main()
