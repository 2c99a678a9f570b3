"""What the operator costs on a real API server, beside a bare client of the same one.

The client sends what the operator sends, over the same connections and with as many
requests in flight; the two take turns, so that both meet the same machine.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import attrs
import orjson
import yaml

from bench.figure import Figure
from mpiop.k8s.clock import Clock
from mpiop.k8s.credentials import load
from mpiop.k8s.http import HttpTransport
from mpiop.k8s.settings import Settings
from mpiop.k8s.transport import Call
from mpiop.local.apiserver.wire import Request
from mpiop.local.client import CONFIG_MAPS, PODS, Json
from tests.fake_kubelet import FakeKubelet
from tests.support import assets
from tests.support.cluster import MPIJOBS, Cluster
from tests.support.controlplane import ControlPlane, Options

SAMPLE: Final = Path("deploy/samples/openmpi-helloworld-ssh.yaml")
WORKERS: Final = 1_000
TURNS: Final = 3
PATIENCE: Final = 300.0
IN_FLIGHT: Final = Settings().writers
TICKS: Final = os.sysconf("SC_CLK_TCK")
# Without a scheduler nobody else touches a Pod: one event for each.
OPTIONS: Final = Options(components=("kube-controller-manager",))


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
    events: list[float] = attrs.field(factory=list)
    resident: list[float] = attrs.field(factory=list)
    at_rest: list[float] = attrs.field(factory=list)
    rates: "dict[str, list[float]]" = attrs.field(
        factory=lambda: {"us": [], "they": []}
    )

    def take(self) -> Iterator[Figure]:
        """Take all turns; give what was measured."""
        for _ in range(TURNS):
            pod = self._ours()
            self._theirs(pod)
        share = [
            theirs / ours for ours, theirs in zip(*self.rates.values(), strict=True)
        ]
        what = f"{WORKERS:,} workers on a real API server"
        yield Figure(f"{what}: the operator", "Pods/s", tuple(self.rates["us"]))
        yield Figure(f"{what}: a bare client", "Pods/s", tuple(self.rates["they"]))
        yield Figure(f"{what}: client over operator", "times", tuple(share), 1 / 0.9)
        yield Figure(f"{what}: the operator's", "CPU s", tuple(self.cpu), 0.7)
        yield Figure(f"{what}: watch events", "events", tuple(self.events))
        yield Figure(
            "operator at rest: resident", "MiB", tuple(self.at_rest), target=61
        )
        what = f"the same, {WORKERS:,} running workers"
        yield Figure(what, "MiB", tuple(self.resident), target=106)

    def _ours(self) -> Json:
        """Let an operator make the workers; give one of them."""
        namespace = self.kept.enter_context(self.cluster.namespace())
        with operator(self.cluster, namespace) as process:
            time.sleep(5)
            self.at_rest.append(process.resident())
            before = process.cpu()
            version = self._version(namespace)
            self._submit(namespace)
            self._until(lambda: len(self._pods(namespace)) >= WORKERS)
            time.sleep(5)
            self.cpu.append(process.cpu() - before)
            self.rates["us"].append(created(self.audit, namespace))
            self.events.append(float(self._told(namespace, version)))
            self._run_all(namespace)
            time.sleep(5)
            self.resident.append(process.resident())
            return self._pods(namespace)[0]

    def _theirs(self, pod: Json) -> None:
        """Create as many Pods like that one as fast as the server takes them."""
        namespace = self.kept.enter_context(self.cluster.namespace())
        keeper = {"metadata": {"name": "keeper", "namespace": namespace}}
        kept = self.cluster.client.create(CONFIG_MAPS, keeper)
        transport = HttpTransport(
            lambda: load(Settings(kubeconfig=self.cluster.kubeconfig)),
            Clock.system(),
        )

        def send(index: int) -> int:
            body = orjson.dumps(like(pod, kept, index))
            query = (("fieldValidation", "Warn"),)
            call = Call("POST", PODS.path(namespace), query=query, body=body)
            return transport.request(call).status

        with ThreadPoolExecutor(IN_FLIGHT) as pool:
            assert set(pool.map(send, range(WORKERS))) == {201}
        transport.close()
        self.rates["they"].append(created(self.audit, namespace))

    def _submit(self, namespace: str) -> None:
        job: Any = yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))
        job["metadata"] = {"name": "big", "namespace": namespace}
        job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"] = WORKERS
        job["spec"]["launcherCreationPolicy"] = "WaitForWorkersReady"
        self.cluster.client.create(MPIJOBS, job)

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


def like(pod: Json, owner: Json, index: int) -> Json:
    """Write a Pod like that one, owned by something that is there."""
    meta = pod["metadata"]
    reference = meta["ownerReferences"][0] | {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
    }
    own = {key: meta[key] for key in ("labels", "annotations") if key in meta}
    own |= {"name": f"like-{index}", "ownerReferences": [reference]}
    spec = {
        key: value
        for key, value in pod["spec"].items()
        if key not in {"nodeName", "serviceAccountName", "tolerations"}
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": own, "spec": spec}


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
