"""runPolicy.ttlSecondsAfterFinished: the MPIJob itself goes, its children follow."""

from mpiop.reconcile.actions import Delete, Ref
from mpiop.reconcile.facts import Facts


def remaining(facts: Facts) -> float | None:
    """Seconds until the job is to be deleted, 0 once it is, None for never."""
    seconds = facts.job.run_policy.ttl_seconds_after_finished
    if seconds is None or not facts.finished:
        return None
    return max(0.0, seconds - facts.since(facts.recorded.completion_time))


def deletion(facts: Facts) -> Delete:
    """Delete this MPIJob, exactly as it was seen."""
    job = facts.job
    ref = Ref("MPIJob", job.namespace, job.name)
    return Delete(ref, job.uid, job.resource_version)
