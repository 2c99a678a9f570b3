"""What should exist beside what does: creates for the missing, patches for the drifted.

Nothing is written to a child that is not ours, and a name that is taken is not tried
again until the shell has forgotten that it was.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, cast

from mpiop.reconcile import names
from mpiop.reconcile.actions import (
    Action,
    Create,
    CreateLauncher,
    CreateSSHSecret,
    Delete,
    Patch,
    Ref,
)
from mpiop.reconcile.desired import (
    access,
    config_map,
    launcher,
    service,
    ssh_secret,
    worker,
)
from mpiop.reconcile.drift import mended
from mpiop.reconcile.facts import Facts
from mpiop.reconcile.mpijob import Json, RemoteShell
from mpiop.reconcile.policies import clean_up, gang, startup, worker_loss
from mpiop.reconcile.snapshot import FindingKind
from mpiop.reconcile.views import PodView, ref_of

MOUNT_SECONDS: Final = 60.0
_BLOCKING: Final = (FindingKind.FOREIGN, FindingKind.TAKEN, FindingKind.DENIED)


def blocked(facts: Facts) -> bool:
    """Whether a name or a right that a child needs is known not to be had now."""
    return any(facts.found(kind) for kind in _BLOCKING)


def running(facts: Facts) -> tuple[Action, ...]:
    """Make and mend everything of a job that is not suspended.

    What cannot be made keeps nothing from ending that has to end.
    """
    if blocked(facts):
        return tuple(_end_attempt(facts))
    if gang.held(facts) or gang.lacking(facts):
        return (*_base(facts), *_names(facts), *_surplus(facts))
    return (
        *_base(facts),
        *gang.actions(facts),
        *_workers(facts),
        *_names(facts),
        *_launcher(facts),
        *_surplus(facts),
        *_end_attempt(facts),
    )


def suspended(facts: Facts) -> tuple[Action, ...]:
    """Make what a suspended job has: everything but workers, its Job suspended."""
    if blocked(facts):
        return ()
    actions = [*_base(facts), *_names(facts)]
    if facts.launcher_job is None and facts.launcher_alive is None:
        if facts.attempt == 0:
            actions += _secret(facts)
        actions.append(_create_launcher(facts, suspend=True))
    return tuple(actions)


def _base(facts: Facts) -> Iterator[Action]:
    """Make what a Pod of the job mounts or is granted."""
    job = facts.job
    alive = sorted(pod.name for pod in facts.workers.values() if pod.phase == "Running")
    manifests = [config_map.config_map(job, facts.install, alive)]
    if job.remote_shell is RemoteShell.KUBECTL_EXEC:
        if access.service_account_name(job) == names.access(job.name):
            manifests.append(access.service_account(job))
        manifests += [access.role(job), access.role_binding(job)]
    yield from _kept(facts, manifests)


def _names(facts: Facts) -> Iterator[Action]:
    """Make the Service; after the workers, each of which it would be told of."""
    return _kept(facts, [service.service(facts.job)])


def _kept(facts: Facts, manifests: Iterable[Json]) -> Iterator[Action]:
    """Create what is missing and mend what drifted."""
    for manifest in manifests:
        ref = ref_of(manifest)
        found = [c for c in facts.others(ref.kind) if c.name == ref.name]
        if not found:
            yield Create(ref, manifest)
        elif not found[0].deleted:
            child, started = found[0], facts.launcher_started
            patch = mended(ref.kind, manifest, child.digests, started=started)
            if patch:
                yield Patch(ref, patch, child.resource_version)


def _secret(facts: Facts) -> list[Action]:
    """Ask for the ssh Secret; that it exists already is success (design 5.8)."""
    if facts.job.remote_shell is not RemoteShell.SSH:
        return []
    manifest = ssh_secret.ssh_secret(facts.job)
    return [CreateSSHSecret(ref_of(manifest), manifest)]


def _workers(facts: Facts) -> Iterator[Action]:
    """Create missing workers and remove ended ones, so that their names come free.

    While a loss is being judged under a running launcher nothing is replaced: the
    attempt is over, and its workers' identity is evidence.
    """
    if _holding(facts):
        return
    if not facts.job.elastic and not facts.launcher_started and _stuck_on_mount(facts):
        yield from _secret(facts)
    strange = not facts.launcher_inherited  # it has no key of ours: of no use to us
    for pod in facts.workers.values():
        if pod.terminal or pod.disruption or (pod.inherited and strange):
            yield from clean_up.delete(facts, (pod,))
    held = {pod.index for pod in facts.leaving}
    missing = [
        index
        for index in range(facts.job.worker_replicas)
        if index not in facts.workers and index not in held
    ]
    if missing and not facts.workers:
        yield from _secret(facts)
    if missing:
        for manifest in worker.workers(facts.job, facts.install, missing):
            yield Create(ref_of(manifest), manifest)


def _holding(facts: Facts) -> bool:
    """Whether the attempt is to be judged before its workers may change."""
    job = facts.launcher_job
    ended = job is not None and bool(job.terminal)
    return ended or facts.recorded.missing is not None


def _stuck_on_mount(facts: Facts) -> bool:
    """Whether a Pod on a node has not started for a minute, and says no reason."""
    return any(
        pod.node and not pod.started and not pod.waiting and not pod.terminal
        for pod in facts.workers.values()
        if facts.since(pod.created) >= MOUNT_SECONDS
    )


def _launcher(facts: Facts) -> Iterator[Action]:
    job = facts.launcher_job
    if startup.launcher_wait(facts) != 0.0 or _holding(facts):
        return
    if job is None and not facts.launcher_started:
        if not facts.job.worker_replicas:
            yield from _secret(facts)
        yield _create_launcher(facts, suspend=False)
    elif job is None or job.inherited:
        return
    elif job.at_rest and not (job.terminal or job.deleted):
        patch = launcher.scheduling_patch(facts.job, facts.install, job)
        spec = cast("Mapping[str, object]", patch.get("spec", {}))
        yield CreateLauncher(
            Ref("Job", facts.job.namespace, job.name),
            facts.job.uid,
            facts.attempt,
            suspended=False,
            resume={**patch, "spec": {**spec, "suspend": False}},
            resource_version=job.resource_version,
            reset=job.started,
        )


def _create_launcher(facts: Facts, *, suspend: bool) -> CreateLauncher:
    manifest = launcher.launcher_job(
        facts.job, facts.install, facts.attempt, suspend=suspend
    )
    return CreateLauncher(
        Ref(
            "Job",
            facts.job.namespace,
            names.launcher_job(facts.job.name, facts.attempt),
        ),
        facts.job.uid,
        facts.attempt,
        suspended=suspend,
        manifest=manifest,
    )


def _surplus(facts: Facts) -> tuple[Action, ...]:
    """Remove workers beyond the replicas, once the identity no longer counts them.

    An elastic job's is no evidence, and a worker may wait for the room that they have.
    """
    identity = None if facts.job.elastic else facts.recorded.identity
    if identity is not None and identity.count > facts.job.worker_replicas:
        return ()
    return clean_up.delete(facts, facts.surplus)


def _end_attempt(facts: Facts) -> Iterator[Action]:
    """Delete the launcher Pod of an attempt that cannot succeed any more."""
    pod = facts.launcher_alive
    if pod is None or pod.deleted is not None:
        return
    lost = facts.recorded.missing
    if lost is None:
        return
    late = facts.since(lost.since) >= worker_loss.GRACE_SECONDS
    job = facts.launcher_job
    if late and job is not None and job.inherited:  # it would make another Pod
        yield clean_up.suspend(facts, job)
    elif late or lost.unreached:
        yield Delete(Ref("Pod", facts.job.namespace, pod.name), pod.uid)


def replace_workers(facts: Facts) -> tuple[Action, ...]:
    """Remove every worker: ranks of the ended attempt may live on in them."""
    pods: tuple[PodView, ...] = (*facts.workers.values(), *facts.surplus)
    return clean_up.delete(facts, pods)
