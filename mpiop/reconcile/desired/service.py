"""The headless Service: gives launcher and workers their DNS names."""

from mpiop.reconcile import names
from mpiop.reconcile.desired.meta import metadata, selector
from mpiop.reconcile.mpijob import Json, MPIJob


def service(job: MPIJob) -> Json:
    """Give the Service.

    Names are published before Pods are ready: the launcher's own remote start proves
    readiness, and a daemon must be able to call a launcher that only waits.
    """
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(job, names.service(job.name)),
        "spec": {
            "clusterIP": "None",
            "selector": selector(job),
            "publishNotReadyAddresses": True,
        },
    }
