"""What the shell costs, over the embedded API server in the same thread."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, cast

import attrs
import orjson
import yaml

from bench.figure import Figure, cpu, scaled
from mpiop.k8s.reflector import Watching
from mpiop.local.client import PODS, Json
from mpiop.reconcile.plan import plan
from tests.support.deployed import definition
from tests.support.harness import Harness

SAMPLE = Path("deploy/samples/openmpi-helloworld-ssh.yaml")
SETTLED_WORKERS = 128
LIVES = (2, 16, 128, 1_000)
POD_EVENTS = 2_000


def figures() -> Iterator[Figure]:
    """Measure a settled reconcile, whole lives, and the reflector."""
    yield from settled_reconcile()
    for workers in LIVES:
        yield from life(workers)
    yield pod_event()


def world(workers: int) -> Harness:
    """Give a cluster with the CRD as shipped and one job over ssh, `big`."""
    found = Harness(plan, crd=definition())
    job: Any = yaml.safe_load(SAMPLE.read_text(encoding="utf-8"))
    job["metadata"]["name"] = "big"
    job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"] = workers
    found.create(job)
    return found


def running(workers: int) -> Harness:
    """Give a cluster whose job runs and does not end."""
    found = world(workers)
    found.node.launcher_seconds = 1e6
    found.run_until(lambda: found.phase("big") == "LauncherRunning")
    return found


def worker_pod() -> Json:
    """Give a running worker as the API server shows it."""
    found = running(1)
    found.operator.close()
    return found.client.get(PODS, "default", "big-worker-0")


def settled_reconcile() -> Iterator[Figure]:
    """Let the whole operator look again at a running job that needs nothing."""
    found = running(SETTLED_WORKERS)
    found.advance(60)
    key = found.operator.store.keys()[0]
    before = found.transport.writes

    def again() -> None:
        found.operator.queue.add(key)
        found.operator.step()

    spent = cpu(again, repeats=5, times=3)
    written = found.transport.writes - before
    found.operator.close()
    what = f"settled reconcile, {SETTLED_WORKERS} workers"
    yield Figure(what, "ms", scaled(spent, 1e3))
    yield Figure(f"{what}: writes", "writes", (written,), target=0, exact=True)


def life(workers: int) -> Iterator[Figure]:
    """Follow a job from its creation until it is cleaned, on virtual time."""
    found = world(workers)
    virtual: list[float] = []

    def live() -> None:
        virtual.append(found.run_until(lambda: found.phase("big") == "Cleaned"))

    spent = cpu(live, repeats=1)
    runs = found.node.launcher_seconds
    found.operator.close()
    what = f"life of {workers:,} workers"
    yield Figure(
        f"{what}: writes, ssh",
        "writes",
        (found.transport.writes,),
        target=2 * workers + 12,
        exact=True,
    )
    yield Figure(f"{what}: beside mpirun", "virtual s", (virtual[0] - runs,))
    # Operator, API server, controllers and kubelet together: they share the thread.
    yield Figure(f"{what}: the whole cluster", "CPU s", tuple(spent))


def pod_event() -> Figure:
    """Let the reflector of Pods take in changes of a worker, line by line."""
    found = running(1)
    reflector = found.operator.reflectors["Pod", ""]
    pod = found.client.get(PODS, "default", "big-worker-0")
    versions = count(10**6)

    def events() -> None:
        reflector.state = attrs.evolve(
            cast("Watching", reflector.state),
            stream=Canned([changed(pod, next(versions)) for _ in range(POD_EVENTS)]),
        )

    spent = cpu(reflector.step, repeats=3, before=events)
    found.operator.close()
    return Figure("reflector, one Pod event", "us", scaled(spent, 1e6 / POD_EVENTS))


@attrs.define
class Canned:
    """A watch that delivers what it was given."""

    lines: list[bytes]

    def read(self) -> list[bytes]:
        """Give all lines at once."""
        return self.lines

    def close(self) -> None:
        """Nothing is open."""


def changed(pod: Json, version: int) -> bytes:
    """Write a line of a watch: this Pod, changed once more."""
    meta = {**pod["metadata"], "resourceVersion": str(version)}
    return orjson.dumps({"type": "MODIFIED", "object": {**pod, "metadata": meta}})
