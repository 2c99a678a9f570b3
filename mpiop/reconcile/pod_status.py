"""Readers of a Pod's status, and of conditions: what a view of it repeats."""

from collections.abc import Mapping
from datetime import datetime

import attrs

from mpiop.reconcile.mpijob import Json
from mpiop.reconcile.reading import dig, integer, items, parse_time, text


@attrs.frozen
class Ended:
    """A container's end, as its status tells it."""

    exit_code: int
    signal: int
    reason: str
    message: str
    started: datetime | None
    finished: datetime | None


def ended(status: Json) -> Ended | None:
    """Give the newest end of a container, of this run or the one before."""
    for state in ("state", "lastState"):
        end = dig(status, state, "terminated")
        if isinstance(end, Mapping):
            return Ended(
                exit_code=integer(end, "exitCode"),
                signal=integer(end, "signal"),
                reason=text(end, "reason"),
                message=text(end, "message"),
                started=parse_time(end.get("startedAt")),
                finished=parse_time(end.get("finishedAt")),
            )
    return None


def main_status(manifest: Json) -> Json:
    """Find the status of the main container, the first."""
    main = next(iter(items(manifest, "spec", "containers")), {})
    for status in items(manifest, "status", "containerStatuses"):
        if status.get("name") == main.get("name"):
            return status
    return {}


def over(manifest: Json) -> bool:
    """Whether every container has ended and none is started anew.

    A kubelet tells of the last end first, and of the phase that follows once it has
    taken the Pod apart.
    """
    if text(manifest, "spec", "restartPolicy") != "Never":
        return False
    return all(
        dig(status, "state", "terminated") is not None
        for field in ("initContainerStatuses", "containerStatuses")
        for status in items(manifest, "status", field)
    )


def waiting(manifest: Json) -> str:
    """Say why a container waits, where that is not the usual start."""
    for field in ("initContainerStatuses", "containerStatuses"):
        for status in items(manifest, "status", field):
            reason = text(status, "state", "waiting", "reason")
            if reason not in {"", "PodInitializing", "ContainerCreating"}:
                message = text(status, "state", "waiting", "message")
                return f"{reason}: {message}" if message else reason
    return ""


def init_ended(manifest: Json) -> Ended | None:
    """Give the end of the first failed init container."""
    for status in items(manifest, "status", "initContainerStatuses"):
        end = ended(status)
        if end is not None and end.exit_code != 0:
            return end
    return None


def init_running(manifest: Json, name: str) -> datetime | None:
    """Tell since when an init container runs; None while it does not."""
    for status in items(manifest, "status", "initContainerStatuses"):
        if status.get("name") == name:
            return parse_time(dig(status, "state", "running", "startedAt"))
    return None


def condition(manifest: Json, name: str, value: str) -> Json | None:
    """Find a condition with this status."""
    for condition in items(manifest, "status", "conditions"):
        if condition.get("type") == name and condition.get("status") == value:
            return condition
    return None


def since(manifest: Json, name: str, value: str) -> datetime | None:
    """Tell since when a condition has this status; None where it has not."""
    return parse_time(dig(condition(manifest, name, value), "lastTransitionTime"))


def said(condition: Json | None) -> str:
    """Give reason and message of a condition."""
    if condition is None:
        return ""
    said = (text(condition, "reason"), text(condition, "message"))
    return ": ".join(part for part in said if part) or text(condition, "type")
