"""What a plan looks at in a child: small frozen views, projected from its JSON.

The shell caches these and not the objects: a worker costs a few hundred bytes.
Nothing here decides; a view repeats what the API server said.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import cast

import attrs

from mpiop.reconcile import drift, names, pod_status
from mpiop.reconcile.actions import KindName, Ref
from mpiop.reconcile.gang import API_VERSIONS, GangKind, marked, wait_reason
from mpiop.reconcile.mpijob import Json
from mpiop.reconcile.pod_status import Ended
from mpiop.reconcile.reading import dig, integer, items, parse_time, text


@attrs.frozen
class PodView:
    """A Pod of the job, as far as a plan needs it.

    Attributes:
        owner: uid of the controller ownerReference, "" where there is none.
        deleted: when its deletion was asked for, None while it was not.
        started: its main container (the first) has started at least once.
        started_at: when the main container's present or last run started.
        ended: the newest end of the main container, of this run or the one before.
        waiting: reason and message of a container that waits (image, config, crash).
        init_ended: the end of the first failed init container.
        disruption: reason and message of condition DisruptionTarget.
        disrupted_at: since when it says so.
        unschedulable: message of condition PodScheduled=False.
        gang: whose gang it belongs to.
        due: until when its grace lets it end, once its deletion is asked for.
        inherited: an operator before this one made it.
        over: every container has ended for good; its phase will say so in a moment.
        unready_since: when its kubelet saw last that a container is not ready (any
            more), None while all are.
        tries_since: since when its init container tries to reach every worker.
    """

    name: str
    uid: str
    resource_version: str
    job_uid: str
    role: str
    index: int
    attempt: int
    owner: str
    deleted: datetime | None
    created: datetime | None
    phase: str
    reason: str
    message: str
    node: str
    ready: bool
    started: bool
    started_at: datetime | None
    ended: Ended | None
    restarts: int
    waiting: str
    init_ended: Ended | None
    disruption: str
    unschedulable: str
    gang: GangKind | None = None
    due: datetime | None = None
    inherited: bool = False
    over: bool = False
    unready_since: datetime | None = None
    tries_since: datetime | None = None
    disrupted_at: datetime | None = None

    @property
    def terminal(self) -> bool:
        """Whether no container of it runs or will run."""
        return self.phase in {"Succeeded", "Failed"}


@attrs.frozen
class JobView:
    """A launcher Job.

    Attributes:
        terminal: "Complete", "Failed" or "" while it is neither.
        reason: of the terminal condition (BackoffLimitExceeded, PodFailurePolicy).
        ended: time of the terminal condition.
        started: status.startTime is set.
        labels, annotations, node_selector: keys of those of its Pod template.
        active: how many Pods it counts as active.
        halted: its controller has seen that it is suspended.
        gang: whose gang its Pod will belong to.
        inherited: an operator before this one made it; it retries by itself.
    """

    name: str
    uid: str
    resource_version: str
    owner: str
    deleted: bool
    created: datetime | None
    attempt: int
    suspended: bool
    terminal: str
    reason: str
    message: str
    ended: datetime | None
    started: bool
    labels: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    node_selector: tuple[str, ...] = ()
    active: int = 0
    halted: bool = False
    gang: GangKind | None = None
    inherited: bool = False

    @property
    def at_rest(self) -> bool:
        """Whether it is suspended, and its template may be changed by now.

        The API server refuses that while a Job that has started counts active Pods,
        or its controller has not seen yet that it is suspended.
        """
        seen = self.halted or not self.started
        return self.suspended and self.active == 0 and seen


@attrs.frozen
class ChildView:
    """Any other child: identity, and a digest of each of its values.

    Attributes:
        digests: what `drift.digests` gives.
        waiting: why it waits (PodGroup), "" where it does not.
    """

    kind: KindName
    name: str
    uid: str
    resource_version: str
    owner: str
    deleted: bool
    digests: Mapping[str, str] = attrs.field(factory=dict)
    waiting: str = ""


def _owner(meta: object) -> str:
    for reference in items(meta, "ownerReferences"):
        if reference.get("controller") is True:
            return text(reference, "uid")
    return ""


def _number(labels: object, key: str) -> int:
    found = text(labels, key)
    return int(found) if found.isdecimal() else -1


def _deleted(meta: object) -> datetime | None:
    """When the deletion was asked for: deletionTimestamp less the grace period."""
    when = parse_time(dig(meta, "deletionTimestamp"))
    if when is None:
        return None
    seconds = integer(meta, "deletionGracePeriodSeconds")
    return when.fromtimestamp(when.timestamp() - seconds, tz=when.tzinfo)


def pod_view(manifest: Json) -> PodView:
    """Project a Pod."""
    meta, status = manifest.get("metadata"), manifest.get("status")
    labels = dig(meta, "labels")
    main = pod_status.main_status(manifest)
    ended = pod_status.ended(main)
    running = parse_time(dig(main, "state", "running", "startedAt"))
    return PodView(
        name=text(meta, "name"),
        uid=text(meta, "uid"),
        resource_version=text(meta, "resourceVersion"),
        job_uid=text(labels, names.JOB_UID),
        role=text(labels, names.JOB_ROLE),
        index=_number(labels, names.INDEX),
        attempt=_number(labels, names.ATTEMPT),
        owner=_owner(meta),
        deleted=_deleted(meta),
        created=parse_time(dig(meta, "creationTimestamp")),
        phase=text(status, "phase"),
        reason=text(status, "reason"),
        message=text(status, "message"),
        node=text(manifest, "spec", "nodeName"),
        ready=pod_status.condition(manifest, "Ready", "True") is not None,
        started=running is not None
        or (ended is not None and ended.started is not None),
        started_at=running or (ended.started if ended else None),
        ended=ended,
        restarts=integer(main, "restartCount"),
        waiting=pod_status.waiting(manifest),
        init_ended=pod_status.init_ended(manifest),
        disruption=pod_status.said(
            pod_status.condition(manifest, "DisruptionTarget", "True")
        ),
        unschedulable=pod_status.said(
            pod_status.condition(manifest, "PodScheduled", "False")
        ),
        gang=marked(manifest),
        due=parse_time(dig(meta, "deletionTimestamp")),
        inherited=text(labels, names.INHERITED) != "",
        over=ended is not None and pod_status.over(manifest),
        unready_since=pod_status.since(manifest, "ContainersReady", "False"),
        disrupted_at=pod_status.since(manifest, "DisruptionTarget", "True"),
        tries_since=pod_status.init_running(manifest, names.WAIT_CONTAINER),
    )


def job_view(manifest: Json) -> JobView:
    """Project a launcher Job."""
    meta = manifest.get("metadata")
    verdict = pod_status.condition(
        manifest, "Complete", "True"
    ) or pod_status.condition(manifest, "Failed", "True")
    return JobView(
        name=text(meta, "name"),
        uid=text(meta, "uid"),
        resource_version=text(meta, "resourceVersion"),
        owner=_owner(meta),
        deleted=dig(meta, "deletionTimestamp") is not None,
        created=parse_time(dig(meta, "creationTimestamp")),
        attempt=_number(dig(meta, "labels"), names.ATTEMPT),
        suspended=dig(manifest, "spec", "suspend") is True,
        terminal=text(verdict, "type"),
        reason=text(verdict, "reason"),
        message=text(verdict, "message"),
        ended=parse_time(dig(verdict, "lastTransitionTime")),
        started=dig(manifest, "status", "startTime") is not None,
        labels=_keys(manifest, "metadata", "labels"),
        annotations=_keys(manifest, "metadata", "annotations"),
        node_selector=_keys(manifest, "spec", "nodeSelector"),
        active=integer(manifest, "status", "active"),
        halted=pod_status.condition(manifest, "Suspended", "True") is not None,
        gang=marked(dig(manifest, "spec", "template")),
        inherited=text(meta, "labels", names.INHERITED) != "",
    )


def _keys(manifest: Json, *path: str) -> tuple[str, ...]:
    found = dig(manifest, "spec", "template", *path)
    return tuple(map(str, found)) if isinstance(found, Mapping) else ()


def child_view(kind: KindName, manifest: Json) -> ChildView:
    """Project a child that is neither Pod nor Job."""
    meta = manifest.get("metadata")
    return ChildView(
        kind=kind,
        name=text(meta, "name"),
        uid=text(meta, "uid"),
        resource_version=text(meta, "resourceVersion"),
        owner=_owner(meta),
        deleted=dig(meta, "deletionTimestamp") is not None,
        digests=drift.digests(kind, manifest),
        waiting=wait_reason(manifest) if kind in API_VERSIONS else "",
    )


def ref_of(manifest: Json) -> Ref:
    """Name the object of a manifest."""
    meta = manifest.get("metadata")
    return Ref(
        cast("KindName", text(manifest, "kind")),
        text(meta, "namespace"),
        text(meta, "name"),
    )
