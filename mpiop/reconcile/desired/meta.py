"""Metadata that every child has: name, labels of both generations, the owner."""

from mpiop.reconcile import names
from mpiop.reconcile.mpijob import Json, MPIJob


def metadata(job: MPIJob, name: str, **labels: str) -> dict[str, object]:
    """Give the metadata of a child that is neither Pod nor launcher Job."""
    return {
        "name": name,
        "namespace": job.namespace,
        "labels": {names.APP: job.name, **identity(job), **labels},
        "ownerReferences": [owner(job)],
    }


def owner(job: MPIJob) -> Json:
    """Give the controller reference; always of the stored version."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": job.name,
        "uid": job.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def identity(job: MPIJob) -> dict[str, str]:
    """Label a child as this very job's, not as an older one's of the same name."""
    return {names.JOB_UID: job.uid}


def selector(job: MPIJob) -> dict[str, str]:
    """Select launcher and workers, as upstream's Service does."""
    return {names.OPERATOR_NAME: names.OPERATOR, names.JOB_NAME: job.name}


def pod_labels(job: MPIJob, role: str) -> dict[str, str]:
    """Label a Pod of a role in the way of both upstream generations."""
    return {
        **selector(job),
        names.JOB_ROLE: role,
        names.REPLICA_TYPE: role,
        names.V1_GROUP_NAME: names.GROUP,
        names.V1_JOB_NAME: job.name,
        names.V1_JOB_ROLE: role,
        **identity(job),
    }
