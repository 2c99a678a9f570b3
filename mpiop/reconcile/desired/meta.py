"""Metadata of children: names, labels of every generation, the owner."""

from collections.abc import Mapping

from mpiop.reconcile import names
from mpiop.reconcile.mpijob import MPIJob, RemoteShell


def owner(job: MPIJob) -> dict[str, object]:
    """Reference the MPIJob as controller; always by the stored version."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": job.name,
        "uid": job.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def labels(job: MPIJob) -> dict[str, str]:
    """Label any child: upstream's `app` and our uid."""
    return {names.APP: job.name, names.JOB_UID: job.uid}


def selector(job: MPIJob) -> dict[str, str]:
    """Select launcher and workers, as Kueue does."""
    return {names.OPERATOR_NAME: names.OPERATOR, names.JOB_NAME: job.name}


def pod_labels(job: MPIJob, role: str, replica_index: int | None) -> dict[str, str]:
    """Label a launcher or worker Pod for users of both upstream generations."""
    found = {
        **labels(job),
        **selector(job),
        names.JOB_ROLE: role,
        names.REPLICA_TYPE: role,
        names.V1_GROUP_NAME: names.GROUP,
        names.V1_JOB_NAME: job.name,
        names.V1_JOB_ROLE: role,
    }
    if replica_index is not None:
        found[names.REPLICA_INDEX] = found[names.V1_REPLICA_INDEX] = str(replica_index)
    return found


def metadata(
    job: MPIJob, name: str, extra: Mapping[str, str] | None = None
) -> dict[str, object]:
    """Give the metadata of an own child."""
    return {
        "name": name,
        "namespace": job.namespace,
        "labels": {**labels(job), **(extra or {})},
        "ownerReferences": [owner(job)],
    }


def host(job: MPIJob, pod: str, cluster_domain: str) -> str:
    """Name a Pod as the hostfile does: by DNS over ssh, by its name over exec."""
    if job.remote_shell is RemoteShell.KUBECTL_EXEC:
        return pod
    name = f"{pod}.{names.service(job.name)}.{job.namespace}.svc"
    return f"{name}.{cluster_domain}" if cluster_domain else name
