"""MPIJobs for the node's tests, and where their ranks said that they ran."""

import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import attrs

from mpiop.local.apiserver.wire import Request
from mpiop.local.client import PODS, Deletion, Json
from mpiop.reconcile import names
from tests.e2e.node import configs, images
from tests.support.cluster import MPIJOBS, Cluster
from tests.support.manifests import HARDENED

PATIENCE: Final = 180.0
IMPLEMENTATIONS: Final = {
    "openmpi4": "OpenMPI",
    "openmpi5": "OpenMPI",
    "mpich": "MPICH",
    "intel": "Intel",
}
_SAID: Final = re.compile(r"rank (\d+) of (\d+) on (\S+)")


@attrs.frozen
class Cell:
    """One combination that must run.

    Attributes:
        command: what mpirun runs.
        launcher: what the launcher runs; mpirun where it is left out.
        worker: what workers run; sshd where it is left out.
        restricted: whether its namespace enforces restricted Pods; their root file
            systems are read-only then.
        ranks: asked for by -np; 0 for one a slot.
        container: more of both containers; `workers_container` of the workers' alone.
    """

    mpi: str = "openmpi5"
    shell: str = "SSH"
    user: int = 0
    workers: int = 2
    slots: int = 1
    ranks: int = 0
    command: Sequence[str] = ("mpi-test", "reduce")
    launcher: Sequence[str] = ()
    worker: Sequence[str] = ()
    spec: Mapping[str, Any] = attrs.field(factory=dict)
    pod: Mapping[str, Any] = attrs.field(factory=dict)
    container: Mapping[str, Any] = attrs.field(factory=dict)
    workers_container: Mapping[str, Any] = attrs.field(factory=dict)
    restricted: bool = False
    run_policy: Mapping[str, Any] = attrs.field(factory=dict)

    @property
    def size(self) -> int:
        """How many ranks there are."""
        return self.ranks or self.workers * self.slots

    @property
    def mpirun(self) -> list[str]:
        """What the launcher runs where it has no command of its own."""
        root = ["--allow-run-as-root"] if "openmpi" in self.mpi else []
        return ["mpirun", *root, "-np", str(self.size), *self.command]

    def manifest(self, name: str) -> dict[str, Any]:
        """Write the MPIJob."""
        return {
            "apiVersion": "kubeflow.org/v2beta1",
            "kind": "MPIJob",
            "metadata": {"name": name},
            "spec": {
                "mpiImplementation": IMPLEMENTATIONS[self.mpi],
                "remoteShell": self.shell,
                "slotsPerWorker": self.slots,
                "runPolicy": {"backoffLimit": 0, **self.run_policy},
                "mpiReplicaSpecs": {
                    "Launcher": self._replica(
                        "launcher", list(self.launcher) or self.mpirun
                    ),
                    "Worker": {
                        "replicas": self.workers,
                        **self._replica("worker", self.worker),
                    },
                },
                **self.spec,
            },
        }

    def _replica(self, name: str, command: Sequence[str]) -> dict[str, Any]:
        security: dict[str, Any] = {}
        if self.restricted:
            security = {**HARDENED, "readOnlyRootFilesystem": True}
        if self.user:
            security["runAsUser"] = self.user
        container = {
            "name": name,
            "image": images.image(self.mpi),
            "imagePullPolicy": "IfNotPresent",
            "securityContext": security,
            "resources": {"requests": {"cpu": "20m"}},  # else others starve it
            **({"command": list(command)} if command else {}),
            **self.container,
            **(self.workers_container if name == "worker" else {}),
        }
        return {"template": {"spec": {"containers": [container], **self.pod}}}


def layout(log: str) -> dict[int, str]:
    """Read which rank ran where off the launcher's log."""
    return {int(rank): host for rank, _, host in _SAID.findall(log)}


def asked(cell: Cell, name: str) -> Counter[str]:
    """Say how many ranks each host should run: slots fill up one host after another.

    A Pod in its node's network goes by the node's name.
    """
    pods = [f"{name}-worker-{index}" for index in range(cell.workers)]
    if cell.spec.get("runLauncherAsWorker"):
        pods.insert(0, f"{name}-launcher")
    if cell.pod.get("hostNetwork"):
        pods = [configs.NAME for _ in pods]
    return Counter([pod for pod in pods for _ in range(cell.slots)][: cell.size])


def create(cluster: Cluster, namespace: str, manifest: Json) -> Json:
    """Create a job as its user would."""
    placed = {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}
    return cluster.client.create(MPIJOBS, placed)


def ended(cluster: Cluster, namespace: str, name: str) -> Json | None:
    """Give a job once it has a verdict and is cleaned up."""
    found = cluster.find(MPIJOBS, namespace, name) or {}
    phase = found.get("status", {}).get("phase")
    return found if phase in {"Cleaned", "Succeeded", "Failed"} else None


def launcher_log(cluster: Cluster, namespace: str, name: str) -> str:
    """Read what the launchers of a job printed, the last one's last."""
    selector = f"{names.JOB_NAME}={name},{names.JOB_ROLE}={names.LAUNCHER}"
    listed = cluster.client.list(PODS, namespace, labelSelector=selector)["items"]
    pods = sorted(listed, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    paths = (PODS.path(namespace, pod["metadata"]["name"], "log") for pod in pods)
    logs = [cluster.http.handle(Request("GET", path)).body for path in paths]
    return "\n".join(log.decode() for log in logs if isinstance(log, bytes))


def await_end(cluster: Cluster, namespace: str, name: str) -> Json:
    """Wait for a verdict; give the job, whatever became of it in time."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found = ended(cluster, namespace, name)
        if found is not None:
            return found
        time.sleep(0.5)
    return cluster.client.get(MPIJOBS, namespace, name)


def remove(cluster: Cluster, job: Json) -> None:
    """Delete a job, so that its Pods make room."""
    cluster.client.delete(MPIJOBS, job, Deletion(policy="Background"))
