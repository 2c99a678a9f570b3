"""What a job's start and an operator at rest cost on a real node.

A timeline for each job, from the request that creates it to the first line of mpirun:
what the operator did by itself, and what it waited for. Times are the API server's (its
audit log), this process's (its watch) and the container runtime's (its logs), of one
machine.
"""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Self

import attrs
import orjson
from urllib3.exceptions import HTTPError

from mpiop.local.apiserver.wire import Request
from mpiop.local.client import PODS, Json
from tests.e2e.node import configs, jobs, lookups
from tests.e2e.node.jobs import Cell
from tests.e2e.node.node import Node
from tests.support.http import Stream

OPERATOR: Final = "system:serviceaccount:mpi-operator:"
BAR_SECONDS: Final = 1.0
BAR_MEMORY: Final = 61.0
REST_SECONDS: Final = 30.0
LATE: Final = {"launcherCreationPolicy": "WaitForWorkersReady"}
CELLS: Final = {
    "ssh": Cell(),
    "ssh-late": Cell(spec=LATE),
    "kubectl-exec": Cell(shell="KubectlExec"),
}


@attrs.frozen(order=True)
class Step:
    """Something that happened, and whether it is the operator's own reaction."""

    at: float
    what: str
    own: float = 0.0


@attrs.define
class Watcher:
    """Notes when a job's Pods reached what its start waits for."""

    node: Node
    namespace: str
    seen: dict[str, float] = attrs.field(factory=dict)

    def __enter__(self) -> Self:
        client = self.node.cluster.client
        begin = client.list(PODS, self.namespace)["metadata"]["resourceVersion"]
        query = (("watch", "true"), ("resourceVersion", begin))
        request = Request("GET", PODS.path(self.namespace), query)
        watch = self.node.cluster.http.stream(request)
        threading.Thread(target=self._follow, args=(watch,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """The watch ends with its namespace."""

    def _follow(self, watch: Stream) -> None:
        with contextlib.suppress(StopIteration, HTTPError):
            while True:
                self._note(next(watch))

    def _note(self, event: Json) -> None:
        now, pod = time.time(), event["object"]
        name = str(pod["metadata"].get("name", ""))
        for what in _reached(pod):
            self.seen.setdefault(f"{name} {what}", now)


def _reached(pod: Json) -> Iterator[str]:
    yield "made"
    status = pod.get("status", {})
    conditions = status.get("conditions", ())
    true = {one["type"] for one in conditions if one["status"] == "True"}
    if "PodScheduled" in true:
        yield "bound"
    if "Ready" in true and "worker" in pod["metadata"]["name"]:
        yield "ready"
    for one in status.get("containerStatuses", ()):
        if one.get("started"):
            yield "started"


def timeline(node: Node, name: str, cell: Cell) -> tuple[list[Step], list[str]]:
    """Run a job; give its steps, and what its lookups were."""
    with node.cluster.namespace() as namespace:
        with (
            Watcher(node, namespace) as watcher,
            lookups.recorded(node.network) as found,
        ):
            begin = time.time()
            jobs.create(node.cluster, namespace, cell.manifest(name))
            job = jobs.await_end(node.cluster, namespace, name)
        assert job["status"].get("result") == "Succeeded", job["status"]
        made = [
            (at - begin, f"{verb} {kind}")
            for at, verb, kind in _writes(node, namespace)
            if verb == "create"
        ]
        seen = {what: at - begin for what, at in watcher.seen.items()}
        waited = _said(node, namespace, name, "mpiop-wait", "every host") - begin
        first = _said(node, namespace, name, "launcher", "") - begin
    parts = ((what.partition(" "), at) for what, at in seen.items())
    steps = [Step(at, f"{what}: {pod}") for (pod, _, what), at in parts]
    told = [f"{what}: {count}" for what, count in lookups.summary(found).items()]
    return _told(steps, made, (waited, first)), told


def _told(
    steps: list[Step], made: list[tuple[float, str]], ends: tuple[float, float]
) -> list[Step]:
    """Put the steps in order; say which are the operator's own, and how long each."""
    ready = max(one.at for one in steps if one.what.startswith("ready"))
    early = [at for at, _ in made if at < ready]
    late = [at for at, what in made if at >= ready and what == "create jobs"]
    found = [*steps, Step(max(early), "operator: its children are made", max(early))]
    found += [Step(at, "operator: launcher Job made", at - ready) for at in late]
    waited, first = ends
    found.append(Step(waited, "init container: every host answers"))
    found.append(Step(first, "first line of mpirun"))
    return sorted(one for one in found if one.at <= first)


def _writes(node: Node, namespace: str) -> Iterator[tuple[float, str, str]]:
    path = node.folder / "control" / "audit.log"
    for line in path.read_bytes().splitlines():
        event = orjson.loads(line)
        place = event.get("objectRef") or {}
        ours = str(event["user"].get("username", "")).startswith(OPERATOR)
        if ours and place.get("namespace") == namespace:
            at = datetime.fromisoformat(event["stageTimestamp"]).timestamp()
            yield at, event["verb"], place["resource"]


def _said(node: Node, namespace: str, name: str, container: str, words: str) -> float:
    """When a container of the launcher first printed a line with these words."""
    [pod] = [
        one
        for one in node.cluster.client.list(PODS, namespace)["items"]
        if one["metadata"]["name"].startswith(f"{name}-launcher")
    ]
    query = (("container", container), ("timestamps", "true"))
    path = PODS.path(namespace, pod["metadata"]["name"], "log")
    body = node.cluster.http.handle(Request("GET", path, query)).body
    assert isinstance(body, bytes)
    for line in body.decode().splitlines():
        stamp, _, text = line.partition(" ")
        if words in text:
            exact, _, _zone = stamp.partition("Z")
            return datetime.fromisoformat(exact[:26]).replace(tzinfo=UTC).timestamp()
    raise LookupError(f"{container} of {name} did not say {words!r}")


def at_rest(node: Node) -> tuple[float, float]:
    """Give the operator's resident MiB, and the per cent of a core that it uses."""
    [process] = _operators(node)
    before = _cpu(process)
    time.sleep(REST_SECONDS)
    used = (_cpu(process) - before) / REST_SECONDS * 100
    status = (process / "status").read_text("utf-8")
    [resident] = [line for line in status.splitlines() if line.startswith("VmRSS")]
    return int(resident.split()[1]) / 1024, used


def _operators(node: Node) -> list[Path]:
    group = configs.group(node.folder)
    return [
        one
        for one in Path("/proc").glob("[0-9]*")
        if b"\0mpiop\0operator" in _read(one / "cmdline")
        and group.encode() in _read(one / "cgroup")
    ]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _cpu(process: Path) -> float:
    fields = (process / "stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def show(node: Node) -> bool:
    """Print all figures; give whether each is within its bar."""
    within = True
    for name, cell in CELLS.items():
        steps, told = timeline(node, name, cell)
        own = sum(one.own for one in steps)
        print(f"{name}: {'; '.join(told)}")
        for one in steps:
            own_part = f"  ({one.own:.3f} s)" if one.own else ""
            print(f"  {one.at:7.3f} s  {one.what}{own_part}")
        print(f"  the operator's share: {own:.3f} s (bar {BAR_SECONDS:g} s)")
        within &= own < BAR_SECONDS
    memory, used = at_rest(node)
    print(f"operator at rest: {memory:.1f} MiB resident (bar {BAR_MEMORY:g} MiB)")
    print(f"operator at rest: {used:.2f} % of a core, over {REST_SECONDS:g} s")
    return within and memory <= BAR_MEMORY
