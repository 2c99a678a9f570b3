"""The scheduler: gives a Pod the first node that fits, or says why none does."""

from collections import Counter
from collections.abc import Hashable, Iterator
from datetime import datetime
from typing import Any, Final, cast

from mpiop.local.apiserver.schema.quantity import parse_quantity
from mpiop.local.client import NODES, PODS, Client, Json

from .cache import Caches, Change
from .objects import (
    condition,
    deleting,
    holds,
    key_of,
    labels_of,
    phase,
    selects,
    set_condition,
    timestamp,
)
from .recorder import About, Recorder

_NAME: Final = "default-scheduler"
_GATED: Final = "Scheduling is blocked due to non-empty scheduling gates"


class Scheduler:
    """Binds Pods; it does not add up what a node's Pods ask for.

    A Pod that asks for more than a whole node has does stay Pending.
    """

    def __init__(self, client: Client, caches: Caches, events: Recorder) -> None:
        self._client = client
        self._caches = caches
        self._events = events

    def keys(self, change: Change) -> Iterator[Hashable]:
        """A Pod that waits for a node, or all such Pods when a node changes."""
        if change.resource == PODS and change.new is not None and _waits(change.new):
            yield key_of(change.new)
        elif change.resource == NODES and _matters(change):
            yield from (key_of(p) for p in self._caches.all(PODS) if _waits(p))

    def sync(self, key: Hashable, now: datetime) -> None:
        """Bind the Pod, or write condition PodScheduled=False."""
        namespace, name = cast(tuple[str, str], key)
        pod = self._caches.get(PODS, namespace, name)
        if pod is None or not _waits(pod):
            return
        if pod["spec"].get("schedulingGates"):
            self._refuse(pod, "SchedulingGated", _GATED, now)
            return
        nodes = list(self._caches.all(NODES))
        problems: Counter[str] = Counter()
        for node in nodes:
            problem = _problem(pod, node)
            if not problem:
                self._bind(pod, node["metadata"]["name"])
                return
            problems[problem] += 1
        why = ", ".join(f"{count} {problem}" for problem, count in problems.items())
        head = f"0/{len(nodes)} nodes are available"
        message = f"{head}: {why}." if nodes else "no nodes available to schedule pods"
        if self._refuse(pod, "Unschedulable", message, now):
            self._events.warning(_about(pod), "FailedScheduling", message)

    def _bind(self, pod: Json, node: str) -> None:
        meta = pod["metadata"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {
                "name": meta["name"],
                "namespace": meta["namespace"],
                "uid": meta["uid"],
            },
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        self._client.create_sub(PODS, pod, "binding", binding)
        place = f"{meta['namespace']}/{meta['name']} to {node}"
        self._events.normal(_about(pod), "Scheduled", f"Successfully assigned {place}")

    def _refuse(self, pod: Json, reason: str, message: str, now: datetime) -> bool:
        seen = pod.get("status", {}).get("conditions") or ()
        conditions: list[dict[str, Any]] = [dict(item) for item in seen]
        wanted = {
            "type": "PodScheduled",
            "status": "False",
            "reason": reason,
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": timestamp(now),
        }
        if not set_condition(conditions, wanted):
            return False
        version = pod["metadata"]["resourceVersion"]
        patch = {
            "metadata": {"resourceVersion": version},
            "status": {"conditions": conditions},
        }
        self._client.patch(PODS, pod, patch, "status")
        return True


def _about(pod: Json) -> About:
    return About(pod, "v1", "Pod", _NAME)


def _waits(pod: Json) -> bool:
    spec = pod["spec"]
    mine = spec.get("schedulerName", _NAME) == _NAME and not spec.get("nodeName")
    return mine and not deleting(pod) and phase(pod) == "Pending"


def _matters(change: Change) -> bool:
    """Whether a node changed in what a Pod's place depends on (not its heartbeat)."""
    if change.old is None or change.new is None:
        return True
    return _facts(change.old) != _facts(change.new)


def _facts(node: Json) -> tuple[object, ...]:
    ready = condition(node, "Ready")
    return (
        labels_of(node),
        node.get("spec"),
        node.get("status", {}).get("allocatable"),
        ready and ready["status"],
    )


def _problem(pod: Json, node: Json) -> str:
    """Why the Pod cannot be on the node, in kube-scheduler's words; else nothing."""
    spec = node.get("spec") or {}
    if spec.get("unschedulable"):
        return "node(s) were unschedulable"
    if not holds(node, "Ready"):
        return "node(s) had untolerated taint(s)"
    if not selects(pod["spec"].get("nodeSelector") or {}, labels_of(node)):
        return "node(s) didn't match Pod's node affinity/selector"
    allocatable = node.get("status", {}).get("allocatable") or {}
    for what in ("cpu", "memory"):
        asked = sum(
            parse_quantity(container.get("resources", {}).get("requests", {})[what])
            for container in pod["spec"].get("containers") or ()
            if what in (container.get("resources", {}).get("requests") or {})
        )
        if what in allocatable and asked > parse_quantity(allocatable[what]):
            return f"Insufficient {what}"
    return ""
