"""The live reads that a plan asks for before it decides."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import assert_never

from mpiop.k8s.api import Api
from mpiop.k8s.errors import ApiError, NotFound
from mpiop.k8s.ownership import controller
from mpiop.reconcile import names
from mpiop.reconcile.actions import (
    Look,
    LookEvents,
    LookInherited,
    LookKilled,
    LookLog,
    LookPriority,
    Ref,
)
from mpiop.reconcile.mpijob import Json
from mpiop.reconcile.reading import text


def answers(
    api: Api, namespace: str, looks: Iterable[Look]
) -> Mapping[Look, str | None]:
    """Answer each look; None where it cannot be had, which stops no plan.

    What another operator left has to be known: an error about that is raised.
    """
    return {look: _answer(api, namespace, look) for look in looks}


def _answer(api: Api, namespace: str, look: Look) -> str | None:
    if isinstance(look, LookInherited):
        return "\n".join(_inherited(api, look))
    try:
        match look:
            case LookLog(pod, container, lines):
                return api.log(namespace, pod, container, lines).strip()
            case LookEvents(ref, uid):
                about = f"involvedObject.uid={uid}"
                return _newest_warning(api.events(ref.namespace, about))
            case LookKilled(where, pods, container):
                return "\n".join(_killed(api, where, pods, container))
            case LookPriority(name):
                return str(api.priority(name))
            case _:
                assert_never(look)
    except ApiError:  # no such right, no such log (any more), no such kubelet
        return None


def _inherited(api: Api, look: LookInherited) -> Iterator[str]:
    """Go through the job's launcher Job and Pods that lack our label."""
    owners = {look.uid}
    job: Json = {}
    with suppress(NotFound):
        job = api.get(Ref("Job", look.namespace, names.launcher_job(look.job, 0)))
    if controller(job) == look.uid:
        owners.add(text(job, "metadata", "uid"))
        if not _labelled(job):
            yield f"Job {text(job, 'metadata', 'name')} {look.uid}"
    seen: set[str] = set()
    for label in (names.JOB_NAME, names.V1_JOB_NAME):
        for pod in _pods(api, look.namespace, f"{label}={look.job}"):
            name = text(pod, "metadata", "name")
            if controller(pod) in owners and not _labelled(pod) and name not in seen:
                seen.add(name)
                yield f"Pod {name} {controller(pod)}"


def _labelled(manifest: Json) -> bool:
    return bool(text(manifest, "metadata", "labels", names.JOB_UID))


def _pods(api: Api, namespace: str, selector: str) -> Iterator[Json]:
    page = api.list_page("Pod", namespace, (("labelSelector", selector),))
    yield from page.items
    while page.more:
        query = (("labelSelector", selector),)
        page = api.list_page("Pod", namespace, query, page.more)
        yield from page.items


def _killed(api: Api, namespace: str, pods: str, container: str) -> Iterator[str]:
    """Go through the stops of a container of these Pods, a Pod's first one each."""
    path = f"spec.containers{{{container}}}"
    about = f"involvedObject.kind=Pod,involvedObject.fieldPath={path},reason=Killing"
    seen: set[str] = set()
    for event in sorted(api.events(namespace, about), key=_first):
        name = text(event, "involvedObject", "name")
        uid = text(event, "involvedObject", "uid")
        if name.startswith(pods) and _first(event) and uid not in seen:
            seen.add(uid)
            yield f"{name} {uid} {_first(event)} {text(event, 'source', 'host')}"


def _newest_warning(events: Iterable[Json]) -> str:
    warnings = [event for event in events if event.get("type") == "Warning"]
    newest = max(warnings, key=_when, default={})
    return text(newest, "message")


def _first(event: Json) -> str:
    """Order Events by when they were first seen."""
    return text(event, "firstTimestamp") or text(event, "eventTime")


def _when(event: Json) -> str:
    """Order Events by when they were last seen; RFC 3339 sorts as text."""
    return (
        text(event, "series", "lastObservedTime")
        or text(event, "lastTimestamp")
        or text(event, "eventTime")
        or text(event, "metadata", "creationTimestamp")
    )
