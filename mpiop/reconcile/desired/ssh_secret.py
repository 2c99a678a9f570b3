"""The ssh Secret without its data: keys are random, so the executor makes them."""

from mpiop.reconcile import names
from mpiop.reconcile.desired.meta import metadata
from mpiop.reconcile.mpijob import Json, MPIJob


def ssh_secret(job: MPIJob) -> Json:
    """Give the Secret; it is never read nor changed, so it is immutable."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/ssh-auth",
        "immutable": True,
        "metadata": metadata(job, names.ssh_secret(job.name, job.uid)),
    }
