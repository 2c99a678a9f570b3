"""A kubelet that plays its part by itself: workers get ready, launchers run and end."""

from collections.abc import Callable
from datetime import datetime

import attrs

from mpiop.local.client import Json
from tests.fake_kubelet import FakeKubelet

ROLE = "training.kubeflow.org/job-role"


@attrs.define
class Script:
    """What happens to Pods on the node; `step` does one round of it.

    Attributes:
        workers_ready: workers become ready as soon as they are bound.
        reaches: the launcher's init container ends when all workers are ready.
        launcher_seconds: how long a launcher runs.
        exits: exit codes of the launchers to come, in order; 0 once it is empty.
        held: names of Pods to which nothing happens.
        finishes: deleted Pods end at once.
        reports: launchers leave word that each worker was started, as the remote-start
            agent does.
    """

    kubelet: FakeKubelet
    clock: Callable[[], datetime]
    workers_ready: bool = True
    reaches: bool = True
    launcher_seconds: float = 5.0
    exits: list[int] = attrs.field(factory=list)
    held: set[str] = attrs.field(factory=set)
    finishes: bool = True
    reports: bool = False
    _ends: dict[str, float] = attrs.field(factory=dict)

    def end_launchers(self) -> None:
        """Let the launchers that run end at the next step."""
        self._ends = dict.fromkeys(self._ends, 0.0)

    def step(self) -> float | None:
        """Do what is due; give the seconds until the next end of a launcher."""
        pods = [
            p for p in self.kubelet.pods() if p["metadata"]["name"] not in self.held
        ]
        waits = [self._pod(pod, pods) for pod in pods]
        return min((wait for wait in waits if wait is not None), default=None)

    def _pod(self, pod: Json, pods: list[Json]) -> float | None:
        phase = pod["status"].get("phase", "Pending")
        if pod["metadata"].get("deletionTimestamp"):
            if self.finishes:
                self.kubelet.finish_deletion(pod)
            return None
        if phase in {"Succeeded", "Failed"}:
            return None
        if _role(pod) == "launcher":
            return self._launcher(pod, pods, phase)
        if self.workers_ready and not ready(pod):
            self.kubelet.ready(pod)
        return None

    def _launcher(self, pod: Json, pods: list[Json], phase: str) -> float | None:
        uid = pod["metadata"]["uid"]
        if phase == "Pending":
            if "containerStatuses" not in pod["status"]:
                self.kubelet.init(pod)
            elif self.reaches and all(
                ready(one) for one in pods if _role(one) == "worker"
            ):
                # Before it runs: who sees it run may end it at once, on another thread.
                self._ends[uid] = self.clock().timestamp() + self.launcher_seconds
                self.kubelet.run(pod)
            return None
        left = self._ends.get(uid, 0.0) - self.clock().timestamp()
        if left > 0:
            return left
        code = self.exits.pop(0) if self.exits else 0
        self.kubelet.fail(pod, code, _report(pods) if self.reports else "")
        return None


def _report(pods: list[Json]) -> str:
    """What the agent leaves of the workers, by their index."""
    indices = (
        pod["metadata"]["name"].rpartition("-")[2]
        for pod in pods
        if _role(pod) == "worker"
    )
    return "\n".join(f"+{index}" for index in sorted(indices, key=int))


def _role(pod: Json) -> str:
    return str((pod["metadata"].get("labels") or {}).get(ROLE, ""))


def ready(obj: Json) -> bool:
    """Whether a Pod or a node is."""
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
