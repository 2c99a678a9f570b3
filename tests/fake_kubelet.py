"""A scripted kubelet: it runs nothing, and reports what a real one would report.

Each method is one thing that happens to a Pod on its node. Pods are given as JSON, from
wherever; only their name counts, the kubelet reads them live before it writes.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from mpiop.local.client import NODES, PODS, Client, Deletion, Json
from mpiop.local.controllers.objects import (
    deleting,
    set_condition,
    timestamp,
    uid_of,
)

_TERMINAL: Final = frozenset({"Succeeded", "Failed"})
_TERMINATED_BY_SIGNAL: Final = 143
_STATUS_UNKNOWN: Final = 137


class FakeKubelet:
    """One node's kubelet.

    Args:
        client: of the API server, embedded or real.
        clock: tells the time that it reports.
        node: the node's name.
        namespace: the only one whose Pods it plays; "" for all.
    """

    def __init__(
        self,
        client: Client,
        clock: Callable[[], datetime],
        node: str = "node",
        namespace: str = "",
    ) -> None:
        self._client = client
        self._clock = clock
        self._addresses = 0
        self.node = node
        self.namespace = namespace

    def register(self, cpu: str = "8", memory: str = "16Gi", **labels: str) -> None:
        """Create the node, ready."""
        meta = {"name": self.node, "labels": labels | {"kubernetes.io/os": "linux"}}
        node = self._client.create(NODES, {"metadata": meta, "spec": {}})
        room = {"cpu": cpu, "memory": memory, "pods": "1000"}
        status = {
            "capacity": room,
            "allocatable": room,
            "conditions": [self._condition("Ready", "True", "KubeletReady")],
        }
        self._client.patch(NODES, node, {"status": status}, "status")
        # What a real server taints at first, and takes back once a node is ready.
        self._client.patch(NODES, node, {"spec": {"taints": None}})

    def pods(self) -> list[Json]:
        """List the Pods that are bound to the node."""
        items: list[Json] = self._client.list(PODS, self.namespace)["items"]
        return [pod for pod in items if pod["spec"].get("nodeName") == self.node]

    def init(self, pod: Json) -> Json:
        """Init containers run; the others wait for them."""
        live = self._live(pod)
        return self._report(
            live,
            "Pending",
            self._states(live, "initContainer", self._running()),
            self._states(live, "container", {"waiting": _waiting("PodInitializing")}),
        )

    def run(self, pod: Json) -> Json:
        """Containers have started; those without a readiness probe are ready."""
        live = self._live(pod)
        return self._report(
            live,
            "Running",
            self._states(live, "initContainer", self._ended(0)),
            self._states(live, "container", self._running()),
        )

    def ready(self, pod: Json) -> Json:
        """Every container is ready; one that has not started does so."""
        return self._set_ready(self.run(pod), ready=True)

    def unready(self, pod: Json) -> Json:
        """The readiness probe of every container fails."""
        return self._set_ready(self._live(pod), ready=False)

    def restart(self, pod: Json, exit_code: int) -> Json:
        """Every container ended and runs again, as restartPolicy wants it."""
        live = self._live(pod)
        states = self._states(live, "container", self._running())
        for state in states:
            state["state"] = self._running()
            state["lastState"] = self._ended(exit_code)
            state["restartCount"] += 1
        inits = self._states(live, "initContainer", self._ended(0))
        return self._report(live, "Running", inits, states)

    def succeed(self, pod: Json, message: str = "") -> Json:
        """Every container ends with 0, leaving a termination message."""
        return self.fail(pod, 0, message)

    def fail(self, pod: Json, exit_code: int = 1, message: str = "") -> Json:
        """Every container ends with that code, leaving a termination message."""
        return self._end(self._live(pod), exit_code, message=message)

    def fail_init(self, pod: Json, exit_code: int = 1) -> Json:
        """The init containers end with that code, the others never start."""
        live = self._live(pod)
        return self._report(
            live,
            "Failed",
            self._states(live, "initContainer", self._ended(exit_code)),
            self._states(live, "container", {"waiting": _waiting("PodInitializing")}),
        )

    def evict(self, pod: Json, message: str = "The node was low on memory.") -> Json:
        """The node needs the Pod's memory: DisruptionTarget, reason Evicted."""
        disrupted = self._condition(
            "DisruptionTarget", "True", "TerminationByKubelet", message
        )
        live = self._live(pod)
        conditions = [dict(item) for item in live["status"].get("conditions") or ()]
        set_condition(conditions, disrupted)
        live = {**live, "status": {**live["status"], "conditions": conditions}}
        why = {"reason": "Evicted", "message": message}
        return self._end(live, _STATUS_UNKNOWN, why)

    def finish_deletions(self, exit_code: int = _TERMINATED_BY_SIGNAL) -> list[str]:
        """End every Pod that is being deleted; give back their names.

        As a real kubelet: a terminal phase first (a Pod whose containers never started
        failed, with status unknown), then the deletion without grace. A finalizer may
        keep the object after it.
        """
        names = []
        for pod in self.pods():
            if deleting(pod):
                self.finish_deletion(pod, exit_code)
                names.append(pod["metadata"]["name"])
        return names

    def finish_deletion(
        self, pod: Json, exit_code: int = _TERMINATED_BY_SIGNAL
    ) -> None:
        """End one Pod that is being deleted."""
        live = self._live(pod)
        if live["status"].get("phase") not in _TERMINAL:
            started = live["status"].get("phase") == "Running"
            live = self._end(live, exit_code if started else _STATUS_UNKNOWN)
        if live["metadata"].get("deletionGracePeriodSeconds"):
            deletion = Deletion(uid=uid_of(live), grace_seconds=0)
            self._client.delete(PODS, live, deletion)

    def _live(self, pod: Json) -> Json:
        meta = pod["metadata"]
        return self._client.get(PODS, meta["namespace"], meta["name"])

    def _end(
        self,
        pod: Json,
        exit_code: int,
        extra: Mapping[str, str] | None = None,
        message: str = "",
    ) -> Json:
        inits = self._states(pod, "initContainer", self._ended(0))
        states = self._states(pod, "container", self._ended(exit_code, message))
        phase = "Failed" if exit_code else "Succeeded"
        return self._report(pod, phase, inits, states, extra)

    def _set_ready(self, pod: Json, *, ready: bool) -> Json:
        status = pod["status"]
        states = [{**state, "ready": ready} for state in status["containerStatuses"]]
        inits = list(status.get("initContainerStatuses") or ())
        return self._report(pod, "Running", inits, states)

    def _report(
        self,
        pod: Json,
        phase: str,
        inits: list[dict[str, Any]],
        states: list[dict[str, Any]],
        extra: Mapping[str, str] | None = None,
    ) -> Json:
        old = pod.get("status") or {}
        status: dict[str, Any] = {
            "phase": phase,
            "conditions": self._conditions(old, phase, inits, states),
            "containerStatuses": states,
            "hostIP": "10.0.0.1",
            "startTime": old.get("startTime") or timestamp(self._clock()),
            **(extra or {}),
        }
        if inits:
            status["initContainerStatuses"] = inits
        address = old.get("podIP") or self._address()
        status |= {"podIP": address, "podIPs": [{"ip": address}]}
        return self._client.patch(PODS, pod, {"status": status}, "status")

    def _address(self) -> str:
        self._addresses += 1
        return f"10.1.{self._addresses // 250}.{self._addresses % 250 + 1}"

    def _conditions(
        self,
        old: Json,
        phase: str,
        inits: list[dict[str, Any]],
        states: list[dict[str, Any]],
    ) -> list[dict[str, Any]]:
        conditions = [dict(item) for item in old.get("conditions") or ()]
        ended = phase in _TERMINAL
        initialized = all(
            state["state"].get("terminated", {}).get("exitCode") == 0 for state in inits
        )
        ready = not ended and all(state["ready"] for state in states)
        why = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(
            phase, "" if ready else "ContainersNotReady"
        )
        for kind, holds, reason in (
            ("PodReadyToStartContainers", not ended, ""),
            (
                "Initialized",
                initialized,
                "" if initialized else "ContainersNotInitialized",
            ),
            ("Ready", ready, why),
            ("ContainersReady", ready, why),
            ("PodScheduled", True, ""),
        ):
            status = "True" if holds else "False"
            set_condition(conditions, self._condition(kind, status, reason))
        return conditions

    def _condition(
        self, kind: str, status: str, reason: str = "", message: str = ""
    ) -> dict[str, Any]:
        now = timestamp(self._clock())
        condition = {"type": kind, "status": status, "lastTransitionTime": now}
        if reason:
            condition["reason"] = reason
        if message:
            condition["message"] = message
        return condition

    def _states(
        self, pod: Json, what: str, state: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """The statuses of all (init) containers, all in the same state."""
        old = {
            item["name"]: item
            for item in pod.get("status", {}).get(f"{what}Statuses") or ()
        }
        running, init = "running" in state, what == "initContainer"
        found = []
        for container in pod["spec"].get(f"{what}s") or ():
            name = container["name"]
            before = old.get(name, {})
            same = next(iter(state)) in before.get("state", {})
            kept = before["state"] if same else state
            probed = "readinessProbe" in container
            found.append(
                {
                    "name": name,
                    "image": container.get("image", ""),
                    "imageID": container.get("image", ""),
                    "containerID": f"fake://{uid_of(pod)}/{name}",
                    "state": kept,
                    "lastState": before.get("lastState", {}),
                    "restartCount": before.get("restartCount", 0),
                    "started": running,
                    "ready": state.get("terminated", {}).get("exitCode") == 0
                    if init
                    else running and (before.get("ready", False) or not probed),
                }
            )
        return found

    def _running(self) -> dict[str, Any]:
        return {"running": {"startedAt": timestamp(self._clock())}}

    def _ended(self, exit_code: int, message: str = "") -> dict[str, Any]:
        now = timestamp(self._clock())
        state = {
            "exitCode": exit_code,
            "reason": "Error" if exit_code else "Completed",
            "startedAt": now,
            "finishedAt": now,
        }
        return {"terminated": state | ({"message": message} if message else {})}


def _waiting(reason: str) -> dict[str, str]:
    return {"reason": reason}
