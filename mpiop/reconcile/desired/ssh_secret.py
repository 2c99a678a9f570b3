"""The ssh Secret without its keys: making them is the executor's, and random."""

from mpiop.reconcile import names
from mpiop.reconcile.desired import meta
from mpiop.reconcile.mpijob import Json, MPIJob


def ssh_secret(job: MPIJob) -> Json:
    """Give the Secret; immutable, and named after the uid so that a name is ours."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": meta.metadata(job, names.ssh_secret(job.name, job.uid)),
        "type": "kubernetes.io/ssh-auth",
        "immutable": True,
    }
