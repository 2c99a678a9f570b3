"""A Pod's status, computed from its containers as a kubelet does. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from mpiop.local.kubelet.objects import Json, timestamp

_FINAL: Final = frozenset({"Succeeded", "Failed"})
OURS: Final = (
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodScheduled",
)


@attrs.frozen
class Terminated:
    """How a container instance ended."""

    exit_code: int
    reason: str
    message: str = ""
    started: datetime | None = None
    finished: datetime | None = None
    id: str = ""


@attrs.define
class ContainerState:
    """What is known of a container; exactly one of the three states is set."""

    name: str
    image: str
    init: bool = False
    sidecar: bool = False  # an init container that goes on beside the others
    waiting: tuple[str, str] | None = ("ContainerCreating", "")  # reason, message
    running: datetime | None = None
    terminated: Terminated | None = None
    last: Terminated | None = None
    restarts: int = 0
    ready: bool = False
    started: bool = False
    id: str = ""

    def now_waiting(self, reason: str, message: str = "") -> None:
        """Record that it waits, and what for."""
        if self.terminated is not None:
            self.last = self.terminated
        self.waiting, self.running, self.terminated = (reason, message), None, None
        self.ready = self.started = False

    def now_running(self, since: datetime, identifier: str) -> None:
        """Record that an instance runs."""
        if self.terminated is not None:
            self.last = self.terminated
        self.waiting, self.running, self.terminated = None, since, None
        self.id = identifier

    def now_terminated(self, end: Terminated) -> None:
        """Record that the instance ended."""
        self.waiting, self.running, self.terminated = None, None, end
        self.ready = self.started = False

    @property
    def done(self) -> bool:
        """Tell whether an init container has done its part."""
        if self.sidecar:
            return self.started or self.terminated is not None
        return self.terminated is not None and self.terminated.exit_code == 0

    def as_json(self) -> dict[str, Any]:
        """Write it as a ContainerStatus."""
        found: dict[str, Any] = {
            "name": self.name,
            "image": self.image,
            "imageID": f"local://{self.image}" if self.id else "",
            "restartCount": self.restarts,
            "ready": self.done if self.init and not self.sidecar else self.ready,
            "started": self.started,
            "state": self._state(),
            "lastState": {} if self.last is None else _terminated(self.last),
        }
        if self.id:
            found["containerID"] = f"mpiop://{self.id}"
        return found

    def _state(self) -> dict[str, Any]:
        if self.waiting is not None:
            reason, message = self.waiting
            text = {"message": message} if message else {}
            return {"waiting": {"reason": reason, **text}}
        if self.running is not None:
            return {"running": {"startedAt": timestamp(self.running)}}
        assert self.terminated is not None
        return _terminated(self.terminated)


@attrs.frozen
class PodFacts:
    """What the status says beside its containers."""

    start: datetime
    now: datetime
    address: str = ""  # empty until the Pod has its sandbox
    host_address: str = ""
    over: bool = False  # nothing runs any more, nor will
    verdict: tuple[str, str] | None = None  # reason and message of a forced failure


def pod_status(
    states: Sequence[ContainerState],
    facts: PodFacts,
    former: Sequence[Json],
) -> dict[str, Any]:
    """Compute the part of the status that a kubelet writes.

    Args:
        states: of all containers, init containers first.
        facts: what else there is to say.
        former: conditions written before, whose times hold while they do.
    """
    phase = pod_phase(states, facts)
    status: dict[str, Any] = {
        "phase": phase,
        "startTime": timestamp(facts.start),
        "hostIP": facts.host_address,
        "hostIPs": [{"ip": facts.host_address}],
        "conditions": _conditions(states, facts, phase, former),
        "containerStatuses": [item.as_json() for item in states if not item.init],
    }
    if any(item.init for item in states):
        status["initContainerStatuses"] = [
            item.as_json() for item in states if item.init
        ]
    if facts.address:
        status["podIP"] = facts.address
        status["podIPs"] = [{"ip": facts.address}]
    if facts.verdict:
        status["reason"], status["message"] = facts.verdict
    return status


def pod_phase(states: Sequence[ContainerState], facts: PodFacts) -> str:
    """Say which phase the containers make.

    A final phase is not said while anything runs: the server lets an ended Pod's
    object go at once, and whoever sees it gone takes its processes for gone, too.
    """
    main = [item for item in states if not item.init]
    ended = [end for item in main if (end := item.terminated or _crashed(item))]
    if facts.over:
        good = len(ended) == len(main) and not any(end.exit_code for end in ended)
        return "Succeeded" if good and not facts.verdict else "Failed"
    if any(item.running for item in main):
        return "Running"
    return "Running" if ended and len(ended) == len(main) else "Pending"


def _crashed(state: ContainerState) -> Terminated | None:
    return state.last if state.waiting is not None else None


def _conditions(
    states: Sequence[ContainerState],
    facts: PodFacts,
    phase: str,
    former: Sequence[Json],
) -> list[dict[str, Any]]:
    main = [item for item in states if not item.init or item.sidecar]
    unready = [item.name for item in main if not item.ready]
    waiting = [item.name for item in states if item.init and not item.done]
    initialized = not waiting or phase == "Succeeded"
    if phase in _FINAL:
        ready = ("False", "PodCompleted" if phase == "Succeeded" else "PodFailed", "")
    elif unready:
        text = f"containers with unready status: [{' '.join(unready)}]"
        ready = ("False", "ContainersNotReady", text)
    else:
        ready = ("True", "", "")
    text = f"containers with incomplete status: [{' '.join(waiting)}]"
    wanted = {
        "PodReadyToStartContainers": (str(bool(facts.address)), "", ""),
        "Initialized": ("True", "PodCompleted" if phase == "Succeeded" else "", "")
        if initialized
        else ("False", "ContainersNotInitialized", text),
        "Ready": ready,
        "ContainersReady": ready,
        "PodScheduled": ("True", "", ""),
    }
    times = {item["type"]: item for item in former}
    return [_condition(name, wanted[name], times.get(name), facts) for name in OURS]


def _condition(
    name: str, wanted: tuple[str, str, str], former: Json | None, facts: PodFacts
) -> dict[str, Any]:
    value, reason, message = wanted
    since = timestamp(facts.now)
    if former and former["status"] == value:
        since = former.get("lastTransitionTime") or since
    found = {"type": name, "status": value, "lastTransitionTime": since}
    # Null, or the server's merge would keep what was there.
    return {**found, "reason": reason or None, "message": message or None}


def _terminated(end: Terminated) -> dict[str, Mapping[str, object]]:
    found: dict[str, object] = {"exitCode": end.exit_code, "reason": end.reason}
    if end.message:
        found["message"] = end.message
    if end.id:
        found["containerID"] = f"mpiop://{end.id}"
    found["startedAt"] = timestamp(end.started) if end.started else None
    found["finishedAt"] = timestamp(end.finished) if end.finished else None
    return {"terminated": found}
