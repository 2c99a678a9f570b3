"""What a KubectlExec launcher may do: exec into this job's workers, nothing else."""

from mpiop.reconcile import names
from mpiop.reconcile.desired.meta import metadata
from mpiop.reconcile.mpijob import Json, MPIJob
from mpiop.reconcile.reading import text

RBAC: str = "rbac.authorization.k8s.io"


def service_account_name(job: MPIJob) -> str:
    """Name the account the launcher runs as: the user's choice, else the job's own."""
    chosen = text(job.launcher.template, "spec", "serviceAccountName")
    return chosen or names.access(job.name)


def service_account(job: MPIJob) -> Json:
    """Give the job's own ServiceAccount."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(job, names.access(job.name)),
    }


def role(job: MPIJob) -> Json:
    """Give the Role; a WebSocket exec needs `get` beside `create`."""
    workers = [names.worker(job.name, index) for index in range(job.worker_replicas)]
    rules: list[Json] = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    ]
    if workers:  # a rule without names would allow every Pod
        rules.append(
            {
                "apiGroups": [""],
                "resources": ["pods/exec"],
                "resourceNames": workers,
                "verbs": ["create", "get"],
            }
        )
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "Role",
        "metadata": metadata(job, names.access(job.name)),
        "rules": rules,
    }


def role_binding(job: MPIJob) -> Json:
    """Bind the Role to the account that the launcher runs as."""
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": metadata(job, names.access(job.name)),
        "subjects": [
            {
                "kind": "ServiceAccount",
                "name": service_account_name(job),
                "namespace": job.namespace,
            }
        ],
        "roleRef": {
            "apiGroup": RBAC,
            "kind": "Role",
            "name": names.access(job.name),
        },
    }
