"""The PodGroup of a job, and the marks by which its Pods belong to it.

Launcher and workers are one gang: N+1 Pods or none, unless the user says how many.
"""

from collections.abc import Mapping
from typing import Any, Final, assert_never

from mpiop.reconcile import gang as schedulers
from mpiop.reconcile import names, quantity
from mpiop.reconcile.desired.meta import metadata
from mpiop.reconcile.gang import Gang, GangKind
from mpiop.reconcile.mpijob import Install, Json, MPIJob, ReplicaSpec, SchedulingPolicy
from mpiop.reconcile.reading import dig, items, text

_OURS: Final = ("mpiop/", "kubectl.kubernetes.io/")
NO_POLICY: Final = SchedulingPolicy()


def size(job: MPIJob) -> int:
    """Count the Pods of the gang: the workers and the launcher."""
    return job.worker_replicas + 1


def minimum(job: MPIJob) -> int:
    """Say how many of them start together or not at all."""
    asked = _policy(job).min_available
    return size(job) if asked is None else asked


def priority_class(job: MPIJob) -> str:
    """Name the gang's priority class: the policy's, the launcher's, the workers'."""
    found = [_policy(job).priority_class, class_of(job.launcher), class_of(job.worker)]
    return next(filter(None, found), "")


def class_of(replica: ReplicaSpec | None) -> str:
    """Name the priority class in a template, "" for none."""
    return (
        "" if replica is None else text(replica.template, "spec", "priorityClassName")
    )


def depends_on_priorities(job: MPIJob) -> bool:
    """Whether minResources depend on which of the two roles has the higher priority."""
    partial = 0 < minimum(job) < size(job) and job.worker is not None
    computed = _policy(job).min_resources is None
    return partial and computed and class_of(job.launcher) != class_of(job.worker)


def pod_group(job: MPIJob, gang: Gang, *, workers_first: bool = False) -> Json:
    """Give the job's PodGroup.

    Args:
        job: whose it is.
        gang: for which scheduler.
        workers_first: the workers' priority is higher than the launcher's.
    """
    meta = metadata(job, names.pod_group(job.name))
    kept = {k: v for k, v in job.annotations.items() if not k.startswith(_OURS)}
    if kept:
        meta["annotations"] = kept
    return {
        "apiVersion": gang.api_version,
        "kind": "PodGroup",
        "metadata": meta,
        "spec": _SPECS[gang.kind](job, workers_first),
    }


def min_resources(job: MPIJob, *, workers_first: bool) -> Mapping[str, object]:
    """Add up what the Pods ask for that start together; the user's figures win.

    As upstream: requests, else limits, of containers alone. Where fewer than all
    start together, those of the higher priority are counted first.
    """
    asked = _policy(job).min_resources
    if asked is not None:
        return asked
    least, workers = min(minimum(job), size(job)), job.worker_replicas
    launchers = min(1, least)
    if workers_first:
        launchers = min(launchers, least - min(workers, least))
    parts = [*_requests(job.launcher, launchers)]
    parts += _requests(job.worker, least - launchers)
    return quantity.total(parts)


def mark(pod: dict[str, Any], job: MPIJob, install: Install, role: str) -> None:
    """Make a built Pod (or the Pods of a template) one of the job's gang."""
    gang = schedulers.gang(install.gang_scheduler)
    if gang is None:
        return
    meta, spec, group = pod["metadata"], pod["spec"], names.pod_group(job.name)
    if gang.scheduler:
        spec["schedulerName"] = gang.scheduler
    match gang.kind:
        case GangKind.VOLCANO:
            marks = {schedulers.VOLCANO_GROUP: group, schedulers.VOLCANO_ROLE: role}
            meta["annotations"] = {**(meta.get("annotations") or {}), **marks}
        case GangKind.COSCHEDULING:
            mark = {schedulers.COSCHEDULING_GROUP: group}
            meta["labels"] = {**meta["labels"], **mark}
        case GangKind.KUBERNETES:
            spec["schedulingGroup"] = {"podGroupName": group}
            # kube-scheduler places no gang whose Pods differ in priority from it.
            if name := priority_class(job):
                spec["priorityClassName"] = name
        case _:
            assert_never(gang.kind)


def _policy(job: MPIJob) -> SchedulingPolicy:
    return job.run_policy.scheduling or NO_POLICY


def _requests(
    replica: ReplicaSpec | None, times: int
) -> list[tuple[Mapping[str, object], int]]:
    if replica is None or times <= 0:
        return []
    return [
        ({**_amounts(container, "limits"), **_amounts(container, "requests")}, times)
        for container in items(replica.template, "spec", "containers")
    ]


def _amounts(container: Json, key: str) -> Mapping[str, object]:
    found = dig(container, "resources", key)
    return found if isinstance(found, Mapping) else {}


def _volcano(job: MPIJob, workers_first: bool) -> Json:  # noqa: FBT001 (one of a table)
    queue = _policy(job).queue or job.annotations.get(schedulers.VOLCANO_QUEUE, "")
    named = {"queue": queue, "priorityClassName": priority_class(job)}
    return {**_members(job, workers_first), **{k: v for k, v in named.items() if v}}


def _coscheduling(job: MPIJob, workers_first: bool) -> Json:  # noqa: FBT001
    seconds = _policy(job).schedule_timeout_seconds
    timeout = {"scheduleTimeoutSeconds": seconds} if seconds is not None else {}
    return {**_members(job, workers_first), **timeout}


def _members(job: MPIJob, workers_first: bool) -> Json:  # noqa: FBT001
    resources = min_resources(job, workers_first=workers_first)
    found: dict[str, object] = {"minMember": minimum(job)}
    return {**found, "minResources": resources} if resources else found


def _native(job: MPIJob, _workers_first: bool) -> Json:  # noqa: FBT001
    """A gang whose loss of one Pod ends all is taken for others as a whole, too."""
    name = priority_class(job)
    return {
        "schedulingPolicy": {"gang": {"minCount": max(1, minimum(job))}},
        "disruptionMode": {"single": {}} if job.elastic else {"all": {}},
        **({"priorityClassName": name} if name else {}),
    }


_SPECS: Final = {
    GangKind.VOLCANO: _volcano,
    GangKind.COSCHEDULING: _coscheduling,
    GangKind.KUBERNETES: _native,
}
