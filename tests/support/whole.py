"""Everything for real: an embedded cluster, its node, an operator, and jobs in it."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

import attrs
import orjson

from mpiop.cli import bundle
from mpiop.cli.operating import Background
from mpiop.k8s import credentials
from mpiop.k8s.clock import Clock
from mpiop.k8s.http import HttpTransport
from mpiop.k8s.operator import connect
from mpiop.k8s.settings import Settings
from mpiop.k8s.transport import Call, Method
from mpiop.local.cluster import Cluster, Options

Json = Mapping[str, Any]
PATIENCE: Final = 90.0  # seconds; how long anything may take on a busy machine
_CORE: Final = ("pods", "configmaps", "secrets", "services", "serviceaccounts")
_GROUPED: Final = (
    ("batch/v1", "jobs"),
    ("rbac.authorization.k8s.io/v1", "roles"),
    ("rbac.authorization.k8s.io/v1", "rolebindings"),
)


class World:
    """Use with `with`; a cluster in namespaces, and an operator in the background."""

    def __init__(self) -> None:
        self._ending = ExitStack()

    def __enter__(self) -> Self:
        try:
            cluster = self._ending.enter_context(
                Cluster(Options(isolation="namespaces"))
            )
            cluster.apply(bundle.definitions())
            settings = Settings(kubeconfig=str(cluster.kubeconfig), leader_elect=False)
            self.kubeconfig = cluster.kubeconfig
            self._ending.enter_context(Background(connect(settings)))
            self._transport = HttpTransport(
                lambda: credentials.load(settings), Clock.system()
            )
            self._ending.callback(self._transport.close)
        except BaseException:
            self._ending.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.close()

    def call(self, method: Method, path: str, body: Json | None = None) -> Any:  # noqa: ANN401
        """Send a request; give its answer, None where there is no such object."""
        kind = "application/merge-patch+json" if method == "PATCH" else ""
        where = urlsplit(path)
        reply = self._transport.request(
            Call(
                method,
                where.path,
                tuple(parse_qsl(where.query)),
                body=b"" if body is None else orjson.dumps(body),
                content_type=kind or "application/json",
            )
        )
        if reply.status == 404:
            return None
        assert reply.status < 400, reply
        return orjson.loads(reply.body)

    def submit(self, manifest: Json) -> "Submitted":
        """Create an MPIJob."""
        path = f"/apis/{manifest['apiVersion']}/namespaces/default/mpijobs"
        made = self.call("POST", path, manifest)
        return Submitted(self, made["metadata"]["name"], made["metadata"]["uid"])

    def kubectl(self, *words: str) -> list[str]:
        """Write a kubectl's command line."""
        program = Path(sys.executable).with_name("kubectl")
        return [str(program), f"--kubeconfig={self.kubeconfig}", *words]

    def run(self, *words: str) -> str:
        """Run a kubectl that must succeed; give its output."""
        done = subprocess.run(
            self.kubectl(*words),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done
        return done.stdout


@attrs.frozen
class Process:
    """A process in a container; `first` where it is the container's own."""

    pid: int
    host: str
    first: bool


def processes(*hosts: str) -> list[Process]:
    """Find what runs in the containers of Pods with these host names.

    Only what this process has started: the machine may run the same tests twice.
    """
    found = []
    for pid in _descendants(os.getpid()):
        entry = Path(f"/proc/{pid}")
        try:
            status = (entry / "status").read_text(encoding="utf-8")
            host = (entry / "root/etc/hostname").read_text(encoding="utf-8").strip()
        except OSError:  # it has ended, or is the machine's own
            continue
        numbers = status.partition("NSpid:")[2].partition("\n")[0].split()
        if host in hosts and len(numbers) > 1:
            found.append(Process(pid, host, first=numbers[-1] == "1"))
    return found


def _descendants(ancestor: int) -> list[int]:
    """List all processes below one: what is orphaned in a node stays below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
                parent = int(stat.rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found = [ancestor]
    for pid in found:
        found += children.get(pid, ())
    return found[1:]


@attrs.frozen
class Submitted:
    """An MPIJob in the cluster; what it was when a wait fails is in the message."""

    world: World
    name: str
    uid: str

    @property
    def path(self) -> str:
        """Where the API server has it."""
        return f"/apis/kubeflow.org/v2beta1/namespaces/default/mpijobs/{self.name}"

    @property
    def status(self) -> Json:
        """Its status as it is now."""
        found = self.world.call("GET", self.path)
        assert found is not None, f"{self.name} is gone"
        status: Json = found.get("status", {})
        return status

    def pods(self) -> dict[str, Json]:
        """Its Pods by name: of a launcher, its Job's name."""
        query = f"labelSelector=mpiop/job-uid={self.uid}"
        found = self.world.call("GET", f"/api/v1/namespaces/default/pods?{query}")
        return {
            pod["metadata"]["labels"].get("job-name", pod["metadata"]["name"]): pod
            for pod in found["items"]
        }

    def jobs(self) -> dict[str, Json]:
        """Its launcher Jobs by name."""
        query = f"labelSelector=mpiop/job-uid={self.uid}"
        path = f"/apis/batch/v1/namespaces/default/jobs?{query}"
        return {
            job["metadata"]["name"]: job
            for job in self.world.call("GET", path)["items"]
        }

    def owned(self) -> list[str]:
        """Everything that came to be for it and is there: kind and name."""
        paths = [(f"/api/v1/namespaces/default/{plural}", plural) for plural in _CORE]
        paths += [
            (f"/apis/{group}/namespaces/default/{plural}", plural)
            for group, plural in _GROUPED
        ]
        return [
            f"{plural}/{item['metadata']['name']}"
            for path, plural in paths
            for item in self.world.call("GET", path)["items"]
            if item["metadata"].get("labels", {}).get("mpiop/job-uid") == self.uid
        ]

    def log(self, pod: str) -> str:
        """What a Pod (a launcher by its Job's name) has written."""
        name = self.pods()[pod]["metadata"]["name"]
        return self.world.run("logs", name)

    def until(
        self, holds: Callable[[Json], object], patience: float = PATIENCE
    ) -> Json:
        """Wait until the status is as wanted; give it."""
        end = time.monotonic() + patience
        while not holds(status := self.status):
            assert time.monotonic() < end, self._told(status)
            time.sleep(0.05)
        return status

    def until_phase(self, *phases: str) -> Json:
        """Wait until it is in one of these phases; give its status."""
        return self.until(lambda status: status.get("phase") in phases)

    def until_pods(self, holds: Callable[[dict[str, Json]], object]) -> dict[str, Json]:
        """Wait until its Pods are as wanted; give them."""
        end = time.monotonic() + PATIENCE
        while not holds(pods := self.pods()):
            assert time.monotonic() < end, self._told(list(pods.values()))
            time.sleep(0.05)
        return pods

    def patch(self, spec: Json) -> None:
        """Change its spec."""
        self.world.call("PATCH", self.path, {"spec": spec})

    def suspend(self, *, wanted: bool = True) -> None:
        """Suspend it, or resume it."""
        self.patch({"runPolicy": {"suspend": wanted}})

    def delete(self) -> None:
        """Delete it, wait until nothing is left of it; then nothing runs, either."""
        hosts = [pod["spec"].get("hostname", "") for pod in self.pods().values()]
        self.world.call("DELETE", self.path)
        end = time.monotonic() + PATIENCE
        while left := self.owned():
            assert time.monotonic() < end, left
            time.sleep(0.05)
        assert self.world.call("GET", self.path) is None
        assert not processes(*hosts), processes(*hosts)

    def delete_pod(self, name: str, grace: int = 0) -> None:
        """Delete one of its Pods."""
        path = f"/api/v1/namespaces/default/pods/{name}?gracePeriodSeconds={grace}"
        self.world.call("DELETE", path)

    def kill(self, pod: str) -> None:
        """End the main process of a worker Pod as the kernel would: by SIGKILL."""
        found = [one for one in processes(pod) if one.first]
        assert found, f"{pod} has no process"
        for one in found:
            os.kill(one.pid, signal.SIGKILL)

    def execute(self, pod: str, command: str) -> str:
        """Run a command line in a Pod (a launcher by its Job's name)."""
        name = self.pods()[pod]["metadata"]["name"]
        return self.world.run("exec", name, "--", "/bin/sh", "-c", command)

    def _told(self, what: object) -> str:
        return f"{self.name}: {json.dumps(what, indent=1)}"
