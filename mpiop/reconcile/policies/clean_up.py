"""cleanPodPolicy: what goes after the verdict, and whether it has gone.

A launcher that is not terminal at the verdict (a deadline) is ended first, whatever
the policy: its Job is suspended, which ends its Pod and lets no other come.
"""

from mpiop.reconcile.actions import Action, Delete, Patch, Ref
from mpiop.reconcile.facts import Facts
from mpiop.reconcile.mpijob import CleanPodPolicy
from mpiop.reconcile.views import JobView, PodView


def removed(facts: Facts) -> tuple[PodView, ...]:
    """List the Pods that the policy removes, those on their way out included."""
    policy = facts.job.run_policy.clean_pod_policy
    if policy is CleanPodPolicy.NONE:
        return ()
    workers = (*facts.workers.values(), *facts.surplus, *facts.leaving)
    if policy is CleanPodPolicy.RUNNING:
        return tuple(pod for pod in workers if not _ended(pod) or pod.deleted)
    return (*workers, *facts.launchers)


def _ended(pod: PodView) -> bool:
    """A worker that was lost stays, for its log, though its phase lags behind."""
    return pod.terminal or pod.over


def cleaned(facts: Facts) -> bool:
    """Whether all that the policy removes is gone; never with policy None."""
    if facts.job.run_policy.clean_pod_policy is CleanPodPolicy.NONE:
        return False
    return not removed(facts) and facts.launcher_alive is None


def actions(facts: Facts) -> tuple[Action, ...]:
    """End what still runs, then remove what the policy removes."""
    return (*end_launcher(facts), *delete(facts, removed(facts)))


def end_launcher(facts: Facts) -> tuple[Action, ...]:
    """Suspend every launcher Job that could still have a running Pod.

    A launcher without a Job, which v1 left, is deleted.
    """
    bare = facts.bare_launcher
    jobs = [job for job in facts.jobs.values() if not (job.terminal or job.deleted)]
    return (
        *(suspend(facts, job) for job in jobs if not job.suspended),
        *delete(facts, (bare,) if bare is not None and not bare.terminal else ()),
    )


def suspend(facts: Facts, job: JobView) -> Patch:
    """Suspend a launcher Job: its Pod ends, no other comes."""
    ref = Ref("Job", facts.job.namespace, job.name)
    return Patch(ref, {"spec": {"suspend": True}}, job.resource_version)


def delete(facts: Facts, pods: tuple[PodView, ...]) -> tuple[Action, ...]:
    """Delete Pods by uid, those aside that are going already."""
    return tuple(
        Delete(Ref("Pod", facts.job.namespace, pod.name), pod.uid)
        for pod in pods
        if pod.deleted is None
    )
