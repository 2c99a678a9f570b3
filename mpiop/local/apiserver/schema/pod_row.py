"""The row kubectl prints for a Pod."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from .ages import age, human_duration, parse_time

Json = Mapping[str, Any]


def pod_row(pod: Json, now: datetime) -> list[Any]:
    """Give NAME READY STATUS RESTARTS AGE, then the wide columns."""
    spec, status = pod.get("spec", {}), pod.get("status", {})
    tally = _tally(pod)
    restarts = str(tally.restarts)
    if tally.restarts and tally.last is not None:
        restarts += f" ({human_duration(now - tally.last)} ago)"
    return [
        pod["metadata"]["name"],
        f"{tally.ready}/{tally.total}",
        tally.reason,
        restarts,
        age(pod, now),
        status.get("podIP") or "<none>",
        spec.get("nodeName") or "<none>",
        status.get("nominatedNodeName") or "<none>",
        _gates(spec, status),
    ]


@attrs.define
class _Tally:
    reason: str
    total: int
    ready: int = 0
    restarts: int = 0
    last: datetime | None = None
    initializing: bool = False

    def count(self, container: Json) -> None:
        self.restarts += container.get("restartCount", 0)
        ended = container.get("lastState", {}).get("terminated", {}).get("finishedAt")
        when = parse_time(ended)
        if when is not None and (self.last is None or when > self.last):
            self.last = when


def _tally(pod: Json) -> _Tally:
    spec, status = pod.get("spec", {}), pod.get("status", {})
    sidecars = {
        container["name"]
        for container in spec.get("initContainers", ())
        if container.get("restartPolicy") == "Always"
    }
    tally = _Tally(
        reason=status.get("reason") or status.get("phase", ""),
        total=len(spec.get("containers", ())) + len(sidecars),
    )
    if _condition(status, "PodScheduled").get("reason") == "SchedulingGated":
        tally.reason = "SchedulingGated"
    _init(tally, spec, status, sidecars)
    if (
        not tally.initializing
        or _condition(status, "Initialized").get("status") == "True"
    ):
        _main(tally, status, sidecars)
    if "deletionTimestamp" in pod["metadata"]:
        if status.get("reason") == "NodeLost":
            tally.reason = "Unknown"
        elif status.get("phase") not in {"Succeeded", "Failed"}:
            tally.reason = "Terminating"
    return tally


def _init(tally: _Tally, spec: Json, status: Json, sidecars: set[str]) -> None:
    for index, container in enumerate(status.get("initContainerStatuses", ())):
        tally.count(container)
        state = container.get("state", {})
        terminated, waiting = state.get("terminated"), state.get("waiting", {})
        if terminated is not None and terminated.get("exitCode") == 0:
            continue
        if container["name"] in sidecars and container.get("started"):
            tally.ready += bool(container.get("ready"))
            continue
        if terminated is not None:
            tally.reason = f"Init:{_ending(terminated)}"
        elif waiting.get("reason", "PodInitializing") != "PodInitializing":
            tally.reason = f"Init:{waiting['reason']}"
        else:
            tally.reason = f"Init:{index}/{len(spec.get('initContainers', ()))}"
        tally.initializing = True
        return


def _main(tally: _Tally, status: Json, sidecars: set[str]) -> None:
    tally.restarts, tally.last, running = 0, None, False
    for container in status.get("initContainerStatuses", ()):
        if container["name"] in sidecars:
            tally.count(container)
    for container in reversed(status.get("containerStatuses", ())):
        tally.count(container)
        state = container.get("state", {})
        if state.get("waiting", {}).get("reason"):
            tally.reason = state["waiting"]["reason"]
        elif "terminated" in state:
            tally.reason = _ending(state["terminated"])
        elif container.get("ready") and "running" in state:
            running = True
            tally.ready += 1
    if tally.reason == "Completed" and running:
        ready = _condition(status, "Ready").get("status") == "True"
        tally.reason = "Running" if ready else "NotReady"


def _ending(terminated: Json) -> str:
    if terminated.get("reason"):
        return str(terminated["reason"])
    if terminated.get("signal"):
        return f"Signal:{terminated['signal']}"
    return f"ExitCode:{terminated.get('exitCode', 0)}"


def _condition(status: Json, kind: str) -> Json:
    for condition in status.get("conditions", ()):
        if condition.get("type") == kind:
            found: Json = condition
            return found
    return {}


def _gates(spec: Json, status: Json) -> str:
    gates = spec.get("readinessGates", ())
    if not gates:
        return "<none>"
    true = sum(
        _condition(status, gate["conditionType"]).get("status") == "True"
        for gate in gates
    )
    return f"{true}/{len(gates)}"
