"""The headless Service: one DNS name per Pod, published before the Pod is ready."""

from mpiop.reconcile import names
from mpiop.reconcile.desired import meta
from mpiop.reconcile.mpijob import Json, MPIJob


def service(job: MPIJob) -> Json:
    """Give the Service; readiness never takes a name away (design 6)."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": meta.metadata(job, names.service(job.name)),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": meta.selector(job),
        },
    }
