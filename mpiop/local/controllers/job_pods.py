"""How a Job sees its Pods. Pure functions on Pods as JSON."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from mpiop.local.client import Json

from .objects import (
    condition,
    controller_reference,
    deleting,
    finalizers,
    holds,
    moment,
    phase,
)

TRACKING: Final = "batch.kubernetes.io/job-tracking"
_TERMINAL: Final = frozenset({"Succeeded", "Failed"})


def tracked(pod: Json) -> bool:
    """Whether the Job has still to count this Pod."""
    return TRACKING in finalizers(pod)


def active(pod: Json) -> bool:
    """Whether the Pod may still do the Job's work."""
    return phase(pod) not in _TERMINAL and not deleting(pod)


def terminating(pod: Json) -> bool:
    """Whether the Pod has been deleted and has not ended yet."""
    return phase(pod) not in _TERMINAL and deleting(pod)


def succeeded(pod: Json) -> bool:
    """Whether the Pod has done its work."""
    return phase(pod) == "Succeeded"


def waits_for_the_end(job: Json) -> bool:
    """Whether a Pod is replaced only once it has ended, not when it is terminating."""
    spec = job["spec"]
    return (
        spec.get("podReplacementPolicy") == "Failed"
        or spec.get("podFailurePolicy") is not None
    )


def failed(pod: Json, job: Json) -> bool:
    """Whether the Pod counts as a failure, or would if the policy ignored nothing."""
    if phase(pod) == "Failed":
        return True
    return terminating(pod) and not waits_for_the_end(job)


def restarts(pod: Json) -> int:
    """How often containers of a living Pod were started again."""
    if phase(pod) not in {"Pending", "Running"}:
        return 0
    return sum(status.get("restartCount", 0) for status in _statuses(pod))


def finished_at(pod: Json, now: datetime) -> datetime:
    """When the Pod ended: its last container's end, else the best guess there is."""
    ends = [
        ended["finishedAt"]
        for status in _statuses(pod)
        if (ended := status.get("state", {}).get("terminated"))
        and "finishedAt" in ended
    ]
    if ends:
        return max(map(moment, ends))
    not_ready = condition(pod, "Ready")
    if not_ready is not None and not_ready["status"] == "False":
        return moment(not_ready["lastTransitionTime"])
    if deleting(pod):
        return moment(pod["metadata"]["deletionTimestamp"])
    return now


def removal_order(pod: Json) -> tuple[bool, bool, bool, str]:
    """Sort those that lose least first: unassigned, pending, not ready, youngest."""
    created = pod["metadata"].get("creationTimestamp", "")
    return (
        bool(pod["spec"].get("nodeName")),
        phase(pod) == "Running",
        holds(pod, "Ready"),
        "".join(chr(0x7F - ord(char)) for char in created),
    )


def new_pod(job: Json) -> dict[str, Any]:
    """Write the next Pod of a Job, with a name for the server to complete."""
    meta, template = job["metadata"], job["spec"]["template"]
    given = template.get("metadata") or {}
    kept = [item for item in given.get("finalizers") or () if item != TRACKING]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "generateName": f"{meta['name']}-",
            "namespace": meta["namespace"],
            "labels": dict(given.get("labels") or {}),
            "annotations": dict(given.get("annotations") or {}),
            "finalizers": [*kept, TRACKING],
            "ownerReferences": [controller_reference(job, "batch/v1", "Job")],
        },
        "spec": template["spec"],
    }


def _statuses(pod: Json) -> Iterator[Json]:
    status = pod.get("status", {})
    yield from status.get("initContainerStatuses") or ()
    yield from status.get("containerStatuses") or ()
