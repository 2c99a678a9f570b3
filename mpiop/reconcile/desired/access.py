"""What a KubectlExec launcher may do: exec into this job's workers, nothing else."""

from typing import Any, cast

from mpiop.reconcile import names
from mpiop.reconcile.desired import meta
from mpiop.reconcile.mpijob import Json, MPIJob

_RBAC = "rbac.authorization.k8s.io"


def service_account(job: MPIJob) -> Json:
    """Give the launcher's ServiceAccount."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": meta.metadata(job, names.access(job.name)),
    }


def account_name(job: MPIJob) -> str:
    """Name the ServiceAccount that the launcher runs as: the user's own if set."""
    spec = cast("dict[str, Any]", job.launcher.template["spec"])
    return str(spec.get("serviceAccountName") or names.access(job.name))


def role(job: MPIJob) -> Json:
    """Give the Role: read Pods, and exec into the workers by name."""
    pods = [names.worker(job.name, i) for i in range(job.worker_replicas)]
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "Role",
        "metadata": meta.metadata(job, names.access(job.name)),
        "rules": [
            {
                "apiGroups": [""],
                "resources": ["pods"],
                "verbs": ["get", "list", "watch"],
            },
            {
                "apiGroups": [""],
                "resources": ["pods/exec"],
                "resourceNames": pods,
                "verbs": ["create", "get"],
            },
        ],
    }


def role_binding(job: MPIJob) -> Json:
    """Give the RoleBinding."""
    name = names.access(job.name)
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": meta.metadata(job, name),
        "roleRef": {"apiGroup": _RBAC, "kind": "Role", "name": name},
        "subjects": [
            {
                "kind": "ServiceAccount",
                "name": account_name(job),
                "namespace": job.namespace,
            }
        ],
    }
