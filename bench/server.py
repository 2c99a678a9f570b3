"""What the operator costs on a real API server, beside bare clients of the same one.

They send what the operator sends, with as many requests in flight: one by the same
HTTP, one by the standard library. All take turns, so that they meet the same machine.
While they do, next to nothing else is asked of the server.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

import attrs
import orjson
import yaml

from bench.bare import IN_FLIGHT, by_our_http, by_threads
from bench.figure import Figure
from mpiop.local.apiserver.wire import Request
from mpiop.local.client import CONFIG_MAPS, PODS, Json
from mpiop.reconcile.desired import worker
from mpiop.reconcile.mpijob import Install, MPIJob
from mpiop.reconcile.parse import parse
from tests.fake_kubelet import FakeKubelet
from tests.support import assets
from tests.support.cluster import MPIJOBS, Cluster
from tests.support.controlplane import SPENDING_MEMORY, ControlPlane, Options

SAMPLE: Final = Path("deploy/samples/openmpi-helloworld-ssh.yaml")
WORKERS: Final = 1_000
TURNS: Final = 5
PATIENCE: Final = 300.0
QUIET_SECONDS: Final = 5.0
TICKS: Final = os.sysconf("SC_CLK_TCK")
Send = Callable[[str, str, Sequence[bytes]], None]
CLIENTS: Final[dict[Send, str]] = {
    by_our_http: "a bare client",
    by_threads: "a client of threads",
}
# Without a scheduler nobody else touches a Pod: one event for each.
OPTIONS: Final = Options(
    components=("kube-controller-manager",), environment=SPENDING_MEMORY
)


def figures() -> Iterator[Figure]:
    """Create 1,000 workers of a job by turns: by the operator, by a bare client."""
    if reason := assets.missing():
        print(f"not measured on a real API server: {reason}", file=sys.stderr)
        return
    with (
        tempfile.TemporaryDirectory(prefix="mpiop-bench-") as name,
        ControlPlane(Path(name) / "plane", OPTIONS) as plane,
        ExitStack() as kept,  # what is deleted keeps the server busy: at the end
    ):
        plane.cluster.define_mpijobs()
        # Else its Pods are collected as those of a node that is gone.
        FakeKubelet(plane.cluster.client, datetime.now).register()
        audit = Path(name) / "plane" / "audit.log"
        yield from Turns(plane.cluster, audit, kept).take()


@attrs.frozen
class Process:
    """An operator as a process of its own."""

    number: int

    def cpu(self) -> float:
        """Seconds that it has computed."""
        words = Path(f"/proc/{self.number}/stat").read_text("ascii").rsplit(")")[-1]
        user, system = words.split()[11:13]
        return (int(user) + int(system)) / TICKS

    def settled(self) -> float:
        """Wait until it computes no more; give the seconds that it has computed."""
        found, end = -1.0, time.monotonic() + PATIENCE
        while (now := self.cpu()) > found:
            assert time.monotonic() < end, f"no rest in {PATIENCE:g} s"
            found = now
            time.sleep(QUIET_SECONDS)
        return found

    def resident(self) -> float:
        """Its memory in MiB."""
        lines = Path(f"/proc/{self.number}/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if "VmRSS" in line) / 1024


@contextmanager
def operator(cluster: Cluster, namespace: str) -> Iterator[Process]:
    """Run an operator for one namespace."""
    command = [sys.executable, "-m", "mpiop", "operator", "--leader-elect=false"]
    command += [
        f"--kubeconfig={cluster.kubeconfig}",
        "--health-port=0",
        f"-namespace={namespace}",
    ]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield Process(process.pid)
        finally:
            process.terminate()


@attrs.define
class Turns:
    """The turns that operator and client take."""

    cluster: Cluster
    audit: Path
    kept: ExitStack
    cpu: list[float] = attrs.field(factory=list)
    bare_cpu: list[float] = attrs.field(factory=list)
    events: list[float] = attrs.field(factory=list)
    resident: list[float] = attrs.field(factory=list)
    at_rest: list[float] = attrs.field(factory=list)
    rates: "dict[str, list[float]]" = attrs.field(
        factory=lambda: {"us": [], "by_our_http": [], "by_threads": []}
    )

    def take(self) -> Iterator[Figure]:
        """Take all turns; give what was measured."""
        for turn in range(TURNS):
            self._turn(client_first=turn % 2 == 1)
        what = f"{WORKERS:,} workers on a real API server"
        yield Figure(f"{what}: the operator", "Pods/s", tuple(self.rates["us"]))
        for send, name in CLIENTS.items():
            rates = tuple(self.rates[send.__name__])
            pairs = zip(rates, self.rates["us"], strict=True)
            share = tuple(theirs / ours for theirs, ours in pairs)
            yield Figure(f"{what}: {name}", "Pods/s", rates)
            yield Figure(f"{what}: {name} over operator", "times", share, 1 / 0.9)
        yield Figure(f"{what}: the operator's", "CPU s", tuple(self.cpu), 0.7)
        yield Figure(f"{what}: the client's, no watch", "CPU s", tuple(self.bare_cpu))
        yield Figure(f"{what}: watch events", "events", tuple(self.events))
        yield Figure(
            "operator at rest: resident", "MiB", tuple(self.at_rest), target=61
        )
        what = f"the same, {WORKERS:,} running workers"
        yield Figure(what, "MiB", tuple(self.resident), target=106)

    def _turn(self, *, client_first: bool) -> None:
        """Create the workers thrice in a row, so that all meet the same machine."""
        namespace = self.kept.enter_context(self.cluster.namespace())
        with operator(self.cluster, namespace) as process:
            process.settled()
            self.at_rest.append(process.resident())
            before, after = tuple(CLIENTS) if client_first else tuple(CLIENTS)[::-1]
            self._theirs(before)
            self._ours(namespace, process)
            self._theirs(after)
            if not self.resident:
                self._run_all(namespace)
                time.sleep(QUIET_SECONDS)
                self.resident.append(process.resident())

    def _ours(self, namespace: str, process: Process) -> None:
        """Let an operator make the workers."""
        version = self._version(namespace)
        before = process.cpu()
        self.cluster.client.create(MPIJOBS, job(namespace))
        self._until(lambda: self._count(namespace) >= WORKERS)
        self.cpu.append(process.settled() - before)
        self.rates["us"].append(created(self.audit, namespace))
        self.events.append(float(self._told(namespace, version)))

    def _theirs(self, send: Send) -> None:
        """Create the same workers as fast as the server takes them."""
        namespace = self.kept.enter_context(self.cluster.namespace())
        keeper = {"metadata": {"name": "keeper", "namespace": namespace}}
        kept = self.cluster.client.create(CONFIG_MAPS, keeper)
        bodies = [orjson.dumps(pod) for pod in owned(parsed(namespace), kept)]
        before = time.process_time()
        send(self.cluster.kubeconfig, PODS.path(namespace), bodies)
        if send is by_our_http:
            self.bare_cpu.append(time.process_time() - before)
        self.rates[send.__name__].append(created(self.audit, namespace))

    def _run_all(self, namespace: str) -> None:
        """Let every worker run and be ready."""
        kubelet = FakeKubelet(self.cluster.client, datetime.now, "node", namespace)

        def run(pod: Json) -> None:
            target = {"kind": "Node", "name": "node"}
            self.cluster.client.create_sub(
                PODS,
                pod,
                "binding",
                {"metadata": {"name": pod["metadata"]["name"]}, "target": target},
            )
            kubelet.ready(pod)

        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            list(pool.map(run, self._pods(namespace)))

    def _pods(self, namespace: str) -> list[Json]:
        found: list[Json] = self.cluster.client.list(PODS, namespace)["items"]
        return found

    def _count(self, namespace: str) -> int:
        """Count the Pods without reading them."""
        listed = self.cluster.client.list(PODS, namespace, limit="1")
        more = listed["metadata"].get("remainingItemCount", 0)
        return len(listed["items"]) + int(more)

    def _version(self, namespace: str) -> str:
        listed = self.cluster.client.list(PODS, namespace)
        return str(listed["metadata"]["resourceVersion"])

    def _told(self, namespace: str, version: str) -> int:
        """Count the events that a watch of these Pods has had."""
        query = (("watch", "true"), ("resourceVersion", version))
        path = PODS.path(namespace)
        asked = Request("GET", path, (*query, ("timeoutSeconds", "3")))
        stream = self.cluster.http.stream(asked)
        found = 0
        try:
            while True:
                next(stream)
                found += 1
        except StopIteration:
            return found

    def _until(self, reached: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not reached():
            assert time.monotonic() < end, f"not reached in {PATIENCE:g} s"
            time.sleep(1)


def job(namespace: str) -> Json:
    """Write the job with its workers."""
    found: Any = yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))
    found["metadata"] = {"name": "big", "namespace": namespace}
    found["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"] = WORKERS
    found["spec"]["launcherCreationPolicy"] = "WaitForWorkersReady"
    return cast("Json", found)


def parsed(namespace: str) -> MPIJob:
    """Read the job as an operator does."""
    submitted = job(namespace)
    meta = {**submitted["metadata"], "uid": "of-nobody"}
    found = parse({**submitted, "metadata": meta})
    assert isinstance(found, MPIJob), found
    return found


def owned(big: MPIJob, owner: Json) -> Iterator[Json]:
    """Write the workers of the job, owned by something else that is there."""
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    for pod in worker.workers(big, Install(), range(WORKERS)):
        meta = {
            **cast("Json", pod["metadata"]),
            "namespace": owner["metadata"]["namespace"],
            "ownerReferences": [reference],
        }
        yield {**pod, "metadata": meta}


def created(audit: Path, namespace: str) -> float:
    """Give the Pods created a second, from the first request to the last answer."""
    begins: list[datetime] = []
    ends: list[datetime] = []
    with audit.open("rb") as file:
        for line in file:
            if namespace.encode() not in line or b'"create"' not in line:
                continue
            event: Mapping[str, Any] = orjson.loads(line)
            place = event.get("objectRef") or {}
            if (place.get("resource"), place.get("namespace")) != ("pods", namespace):
                continue
            if place.get("subresource"):
                continue
            begins.append(datetime.fromisoformat(event["requestReceivedTimestamp"]))
            ends.append(datetime.fromisoformat(event["stageTimestamp"]))
    spent: timedelta = max(ends) - min(begins)
    return len(ends) / spent.total_seconds()
