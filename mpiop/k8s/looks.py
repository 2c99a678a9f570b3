"""The live reads that a plan asks for before it decides."""

from collections.abc import Iterable, Mapping
from typing import assert_never

from mpiop.k8s.api import Api
from mpiop.k8s.errors import ApiError
from mpiop.reconcile.actions import Look, LookEvents, LookLog, LookPriority
from mpiop.reconcile.mpijob import Json
from mpiop.reconcile.reading import text


def answers(
    api: Api, namespace: str, looks: Iterable[Look]
) -> Mapping[Look, str | None]:
    """Answer each look; None where it cannot be had, which stops no plan."""
    return {look: _answer(api, namespace, look) for look in looks}


def _answer(api: Api, namespace: str, look: Look) -> str | None:
    try:
        match look:
            case LookLog(pod, container, lines):
                return api.log(namespace, pod, container, lines).strip()
            case LookEvents(ref, uid):
                return _newest_warning(api.events(ref.namespace, uid))
            case LookPriority(name):
                return str(api.priority(name))
            case _:
                assert_never(look)
    except ApiError:  # no such right, no such log (any more), no such kubelet
        return None


def _newest_warning(events: Iterable[Json]) -> str:
    warnings = [event for event in events if event.get("type") == "Warning"]
    newest = max(warnings, key=_when, default={})
    return text(newest, "message")


def _when(event: Json) -> str:
    """Order Events by when they were last seen; RFC 3339 sorts as text."""
    return (
        text(event, "series", "lastObservedTime")
        or text(event, "lastTimestamp")
        or text(event, "eventTime")
        or text(event, "metadata", "creationTimestamp")
    )
