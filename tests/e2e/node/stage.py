"""A job on the node to which something happens, and what was seen of it.

A stage is a namespace with a diary; a played job is a job in it. `strike` marks the
moment at which something happens; `told` says when the status named it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import attrs

from mpiop.local.client import (
    CONFIG_MAPS,
    JOBS,
    PODS,
    SERVICES,
    Deletion,
    Json,
    Resource,
)
from mpiop.reconcile import names
from tests.e2e.node import install, jobs
from tests.e2e.node.diary import Diary, Entry, watching
from tests.e2e.node.install import Site
from tests.e2e.node.jobs import Cell
from tests.e2e.node.node import Node
from tests.support.cluster import MPIJOBS, Cluster

PATIENCE: Final = 400.0
MPIRUN: Final = "mpirun --allow-run-as-root -np 2 mpi-test"
# Ranks of the first attempt live until they are ended; of later ones a moment.
LATER: Final = f'[ "$ATTEMPT" -gt 0 ] && exec {MPIRUN} reduce'
ONCE: Final = f"{LATER}; exec {MPIRUN} hang"
# The same by a script that ends well whatever mpirun says, as many do.
CARELESS: Final = f"{LATER}; {MPIRUN} hang; exit 0"
_ATTEMPT: Final = {
    "name": "ATTEMPT",
    "valueFrom": {"fieldRef": {"fieldPath": f"metadata.labels['{names.ATTEMPT}']"}},
}
_CHILDREN: Final = (PODS, JOBS, SERVICES, CONFIG_MAPS, Resource("v1", "secrets"))
_COLUMNS: Final = ("phase", "result", "workers", "restarts", "reason", "message")


def manifest(name: str, script: str = ONCE, **cell: Any) -> dict[str, Any]:  # noqa: ANN401
    """Write a job whose launcher runs a script of the shell."""
    container = {"env": [_ATTEMPT], **cell.pop("container", {})}
    policy = {"cleanPodPolicy": "Running", **cell.pop("run_policy", {})}
    launcher = ("/bin/sh", "-c", script)
    found = Cell(launcher=launcher, container=container, run_policy=policy, **cell)
    return found.manifest(name)


@attrs.frozen
class Stage:
    """A namespace on a node with an operator, and all that was told of it."""

    site: Site
    cluster: Cluster
    namespace: str
    diary: Diary

    def kubectl(self, *words: str) -> str:
        """Run kubectl in the namespace, as the administrator."""
        return install.kubectl(self.site, *words, namespace=self.namespace)

    def play(self, name: str, script: str = ONCE, **cell: Any) -> "Played":  # noqa: ANN401
        """Create a job whose launcher runs a script of the shell."""
        return self.submit(manifest(name, script, **cell))

    def submit(self, manifest: Json) -> "Played":
        """Create a job."""
        jobs.create(self.cluster, self.namespace, manifest)
        return Played(self, str(manifest["metadata"]["name"]))

    @property
    def node(self) -> Node:
        """Our node, for what cannot be seen or done through an API server."""
        assert isinstance(self.site, Node), "a test of needs('node') alone asks for it"
        return self.site

    def containers(self) -> list[str]:
        """List the containers that our node has of this namespace."""
        mine = f'labels."io.kubernetes.pod.namespace"=={self.namespace}'
        listed = self.node.inside("ctr", "-n", "k8s.io", "containers", "ls", "-q", mine)
        return listed.stdout.split()


@contextmanager
def stage(site: Site, cluster: Cluster) -> Iterator[Stage]:
    """Make a namespace and keep its diary; nothing of it is left on our node."""
    with cluster.namespace() as namespace, watching(cluster, namespace) as diary:
        found = Stage(site, cluster, namespace, diary)
        yield found
        for one in cluster.client.list(MPIJOBS, namespace)["items"]:
            cluster.client.delete(MPIJOBS, one, Deletion(policy="Background"))
        if isinstance(site, Node):
            await_(lambda: not found.containers(), "no container is left")


@attrs.define
class Played:
    """One job on the stage.

    Attributes:
        struck: when something happened to it.
        figure: how long it took until that was seen, in words.
        shown: what `kubectl get mpijob -o wide` printed of it at its end.
    """

    stage: Stage
    name: str
    struck: float = 0.0
    figure: str = ""
    shown: str = ""

    @property
    def status(self) -> Json:
        """Its status now."""
        found = self.stage.cluster.client.get(MPIJOBS, self.stage.namespace, self.name)
        return found.get("status") or {}

    def worker(self, index: int) -> str:
        """Name a worker."""
        return names.worker(self.name, index)

    @property
    def launcher(self) -> str:
        """Name the launcher Pod that lives."""
        (found,) = (
            pod["metadata"]["name"]
            for pod in self.pods(names.LAUNCHER)
            if pod["status"]["phase"] not in {"Succeeded", "Failed"}
        )
        return str(found)

    def pods(self, role: str) -> list[Json]:
        """List its Pods in one role."""
        selector = f"{names.JOB_NAME}={self.name},{names.JOB_ROLE}={role}"
        listed = self.stage.cluster.client.list(
            PODS, self.stage.namespace, labelSelector=selector
        )
        found: list[Json] = listed["items"]
        return found

    def placed(self, pod: str) -> str:
        """Name a Pod and its node, as a status does."""
        for role in (names.WORKER, names.LAUNCHER):
            for entry in self.stage.diary.pods(self.name, role):
                if entry.name == pod and (node := entry.obj["spec"].get("nodeName")):
                    return f"{pod} on node {node}"
        raise AssertionError(f"{pod} was on no node: {self.story()}")

    def log(self) -> str:
        """Read what its launchers printed."""
        return jobs.launcher_log(self.stage.cluster, self.stage.namespace, self.name)

    def until_ranks(self) -> None:
        """Wait until every rank of the first attempt has said where it is."""
        self.until(lambda status: status.get("phase") == "LauncherRunning")
        await_(lambda: "rank 1 of 2" in self.log(), f"the ranks of {self.name} run")

    def until(self, holds: Callable[[Json], Any]) -> Json:
        """Wait until its status is as wanted; give it."""
        last: list[Json] = []

        def look() -> bool:
            last[:] = [self.status]
            return bool(holds(last[0]))

        try:
            await_(look, f"{self.name} is as wanted")
        except AssertionError as error:
            raise AssertionError(f"{error}: {last}") from None
        return last[0]

    def ends(self) -> Json:
        """Wait until it is cleaned up; see that no two launchers lived at once."""
        status = self.until(lambda status: status.get("phase") == "Cleaned")
        self.shown = self.stage.kubectl("get", "mpijob", self.name, "-o", "wide")
        cells = [status["phase"], status["result"], status["reason"]]
        assert set(cells) <= set(self.shown.split()), self.shown
        assert self.stage.diary.most_launchers(self.name) == 1
        launchers = self.stage.diary.launchers(self.name)
        assert launchers == {
            str(attempt): 1 for attempt in range(int(status["restarts"]) + 1)
        }
        left = self.pods(names.WORKER)
        ended = [pod["status"]["phase"] in {"Succeeded", "Failed"} for pod in left]
        assert all(ended), left
        return status

    def recovers(self, restarts: int = 1, most: int | None = None) -> Json:
        """See it succeed on all workers after `restarts`, or up to `most`, restarts."""
        status = self.ends()
        assert status["result"] == "Succeeded", status
        assert restarts <= status["restarts"] <= (most or restarts), status
        assert "allreduce 3" in self.log()
        return status

    def removed(self) -> None:
        """Delete the job; see that it never had two launchers, and leaves nothing."""
        assert self.stage.diary.most_launchers(self.name) == 1
        cluster, namespace = self.stage.cluster, self.stage.namespace
        jobs.remove(cluster, cluster.client.get(MPIJOBS, namespace, self.name))

        def left() -> list[str]:
            return [
                f"{resource.plural} {one['metadata']['name']}"
                for resource in _CHILDREN
                for one in cluster.client.list(resource, namespace)["items"]
                if one["metadata"]["name"].startswith(f"{self.name}-")
            ]

        await_(lambda: not left(), f"nothing of {self.name} is left")

    def now(self) -> float:
        """Give the seconds since the strike."""
        return time.monotonic() - self.struck

    def strike(self) -> None:
        """Mark the moment at which something happens."""
        self.struck = time.monotonic()

    def kill(self, pod: str, signal: str = "SIGKILL") -> None:
        """Send a signal to process 1 of a Pod's only container, from the node."""
        found = self.stage.cluster.client.get(PODS, self.stage.namespace, pod)
        self.strike()
        self.stage.node.kill(found, signal)

    def execute(self, pod: str, script: str) -> None:
        """Run a script of the shell in a Pod, however it ends."""
        words = ("exec", pod, "--", "/bin/sh", "-c", script)
        try:
            self.stage.kubectl(*words)
        except AssertionError:
            return

    def evict(self, pod: str) -> None:
        """Evict a Pod as `kubectl drain` does."""
        meta = {"name": pod, "namespace": self.stage.namespace}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
        self.strike()
        self.stage.cluster.client.create_sub(PODS, {"metadata": meta}, "eviction", body)

    def named(self, *words: str) -> float:
        """Give the seconds from the strike until a status said all these words."""
        for entry in self.after():
            if all(word in entry.said for word in words):
                return entry.at - self.struck
        raise AssertionError(f"{words} was never said of {self.name}: {self.story()}")

    def changed(self, pod: str) -> float:
        """Give the seconds from the strike until a Pod showed that it is no more."""
        for role in (names.WORKER, names.LAUNCHER):
            for entry in self.stage.diary.pods(self.name, role):
                if entry.name == pod and entry.at >= self.struck and entry.lost:
                    return entry.at - self.struck
        raise AssertionError(f"nothing happened to {pod}")

    def report(self, pod: str, *words: str) -> None:
        """Keep how soon the status named a cause; it must have.

        Args:
            pod: to which it happened.
            words: which the status must say.
        """
        seen, changed = self.named(*words), self.changed(pod)
        self.figure = (
            f"named after {seen:.1f} s, {seen - changed:.1f} s after the Pod showed it"
        )

    def after(self) -> list[Entry]:
        """List what was told of it since the strike."""
        told = self.stage.diary.jobs(self.name)
        return [entry for entry in told if entry.at >= self.struck]

    def story(self) -> str:
        """Write what its status said, line by line, and what a user saw at the end."""
        lines: list[str] = []
        shown: tuple[str, ...] = ()
        for entry in self.stage.diary.jobs(self.name):
            now = tuple(str(entry.status.get(column, "")) for column in _COLUMNS)
            if now != shown:
                lines.append(f"{entry.at - self.struck:+7.1f} s  {'  '.join(now)}")
            shown = now
        return "\n".join([self.name, *lines, *self.shown.splitlines()])


def await_(look: Callable[[], Any], what: str) -> None:
    """Wait until something is so."""
    end = time.monotonic() + PATIENCE
    while not look():
        assert time.monotonic() < end, f"not in {PATIENCE:g} s: {what}"
        time.sleep(0.3)
