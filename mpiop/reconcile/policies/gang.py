"""Gang scheduling: when the PodGroup comes and goes, and what it says while it waits.

It is there before the Pods that belong to it, and goes when none of them is left. With
all N+1 Pods in the gang the launcher never waits for ready workers, which would wait
for it: its Job comes with them, and its init container does the waiting.
"""

from collections.abc import Iterator
from typing import Final

from mpiop.reconcile import names
from mpiop.reconcile.actions import Action, Create, Delete, LookPriority, Patch, Ref
from mpiop.reconcile.desired import pod_group
from mpiop.reconcile.digest import digest
from mpiop.reconcile.facts import Facts
from mpiop.reconcile.gang import (
    API_VERSIONS,
    MIN_COUNT,
    MIN_RESOURCES,
    REMEDIES,
    Gang,
    GangKind,
    spec_values,
)
from mpiop.reconcile.mpijob import Json
from mpiop.reconcile.views import ChildView, PodView

_SIZES: Final = ("minMember", MIN_COUNT)


def together(facts: Facts) -> bool:
    """Whether workers are scheduled only together with the launcher."""
    return facts.gang is not None and (
        pod_group.minimum(facts.job) > facts.job.worker_replicas
    )


def looks(facts: Facts) -> tuple[LookPriority, ...]:
    """Ask for priorities where minResources are to be written that depend on them."""
    if facts.gang is None or facts.job.run_policy.suspend:
        return ()
    if not pod_group.depends_on_priorities(facts.job):
        return ()
    group = facts.pod_group
    if group is not None and not _resized(facts.gang, group, facts):
        return ()
    job = facts.job
    classes = (pod_group.class_of(job.launcher), pod_group.class_of(job.worker))
    return tuple(LookPriority(name) for name in classes if name)


def actions(facts: Facts) -> Iterator[Action]:
    """Make the PodGroup, or bring it in line with what the job asks for now."""
    gang, group = facts.gang, facts.pod_group
    if gang is None or gang.object_kind in facts.snapshot.unserved:
        return
    if group is not None and group.deleted:
        return
    job = facts.job
    manifest = pod_group.pod_group(job, gang, workers_first=_workers_first(facts))
    ref = Ref(gang.object_kind, job.namespace, names.pod_group(job.name))
    if group is None:
        yield Create(ref, manifest)
    elif spec := _drift(facts, gang, group, manifest):
        yield Patch(ref, {"spec": spec}, group.resource_version)


def lacking(facts: Facts) -> str:
    """Say what the cluster lacks for the Pods of a gang to start, "" for nothing.

    Pods without their group would never be scheduled, so none is made. What has
    started goes on.
    """
    gang = facts.gang
    if gang is None or gang.object_kind not in facts.snapshot.unserved:
        return ""
    if facts.launcher_started or facts.finished or facts.job.run_policy.suspend:
        return ""
    return (
        f"gang scheduling is on, and this cluster serves no PodGroup of"
        f" {gang.api_version}: {REMEDIES[gang.kind]}, or start the operator without"
        f" --gang-scheduling={facts.install.gang_scheduler}"
    )


def held(facts: Facts) -> bool:
    """Whether new Pods wait for an earlier PodGroup of that name to go.

    One that still has Pods stays as long as they do, and takes in others.
    """
    group = facts.pod_group
    going = facts.gang is not None and group is not None and group.deleted
    return going and not _staying(facts)


def removal(facts: Facts) -> tuple[Action, ...]:
    """Delete the PodGroup of a job that is over or suspended, after its Pods."""
    if _staying(facts):
        return ()
    return tuple(
        Delete(Ref(group.kind, facts.job.namespace, group.name), group.uid)
        for kind in API_VERSIONS
        for group in facts.others(kind)
        if not group.deleted
    )


def blocker(facts: Facts) -> str:
    """Say why the gang is not scheduled, "" where nothing of it waits for that."""
    group = facts.pod_group
    if facts.gang is None or group is None:
        return ""
    if held(facts):
        return f"PodGroup {group.name} of the last run is being deleted"
    pods = _unscheduled(facts)
    least, size = pod_group.minimum(facts.job), pod_group.size(facts.job)
    if not pods:
        return ""
    if least > size:
        return (
            f"schedulingPolicy.minAvailable is {least}, and the job has {size} Pods:"
            " they are never scheduled; lower it"
        )
    if not group.waiting:
        return ""
    found = f"{least} Pods are scheduled together or not at all: "
    found += f"PodGroup {group.name} waits ({group.waiting})"
    if ": " not in group.waiting and pods[0].unschedulable:
        found += f"; {pods[0].name}: {pods[0].unschedulable}"
    return found


def _workers_first(facts: Facts) -> bool:
    """Whether the workers' priority is known to be higher than the launcher's."""
    job, answers = facts.job, facts.snapshot.answers
    launcher, worker = (
        _value(answers.get(LookPriority(pod_group.class_of(replica))))
        for replica in (job.launcher, job.worker)
    )
    return worker > launcher


def _value(answer: str | None) -> int:
    """Read a priority; a class that is not there, or not ours to read, has 0."""
    digits = answer or ""
    return int(digits) if digits.lstrip("-").isdecimal() else 0


def _resized(gang: Gang, group: ChildView, facts: Facts) -> bool:
    wanted = spec_values(pod_group.pod_group(facts.job, gang))
    return any(
        group.digests.get(key) != digest(wanted[key]) for key in _SIZES if key in wanted
    )


def _drift(facts: Facts, gang: Gang, group: ChildView, manifest: Json) -> Json:
    """Give what differs; a started attempt keeps its PodGroup unless its size changes.

    Fields that the user leaves open may have been filled by the scheduler's webhooks,
    and of Kubernetes' own PodGroup all but the count is immutable.
    """
    resized = _resized(gang, group, facts)
    if facts.launcher_started and not resized:
        return {}
    wanted = dict(spec_values(manifest))
    for key in group.digests:
        if key.startswith(f"{MIN_RESOURCES}/"):
            wanted.setdefault(key, None)
    if pod_group.depends_on_priorities(facts.job) and not resized:
        wanted = {k: v for k, v in wanted.items() if not k.startswith(MIN_RESOURCES)}
    stale = {
        key: value
        for key, value in wanted.items()
        if group.digests.get(key) != digest(value)
    }
    if gang.kind is GangKind.KUBERNETES:
        count = stale.get(MIN_COUNT)
        return {"schedulingPolicy": {"gang": {MIN_COUNT: count}}} if count else {}
    resources = {k: stale.pop(k) for k in [*stale] if k.startswith(MIN_RESOURCES)}
    return {**stale, **_nested(resources)}


def _nested(resources: Json) -> Json:
    found = {key.removeprefix(f"{MIN_RESOURCES}/"): v for key, v in resources.items()}
    return {MIN_RESOURCES: found} if found else {}


def _staying(facts: Facts) -> bool:
    """Whether a Pod lives that is not on its way out."""
    launcher = facts.launcher_alive
    pods = (*facts.workers.values(), *facts.surplus)
    if launcher is not None and launcher.deleted is None:
        return True
    return any(not pod.terminal for pod in pods)


def _unscheduled(facts: Facts) -> list[PodView]:
    pods = [facts.workers[index] for index in sorted(facts.workers)]
    if facts.launcher is not None:
        pods.append(facts.launcher)
    return [pod for pod in pods if not pod.node and not pod.terminal]
