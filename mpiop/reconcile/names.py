"""Every label, annotation, condition type, reason and object name that mpiop writes.

Labels of both upstream generations are kept (users and Kueue select by them);
what mpiop itself relies on starts with `mpiop/`.
"""

import hashlib
from typing import Final

GROUP: Final = "kubeflow.org"
STORED_VERSION: Final = "v2beta1"
API_VERSION: Final = f"{GROUP}/{STORED_VERSION}"
V1: Final = f"{GROUP}/v1"
KIND: Final = "MPIJob"

# Labels of mpi-operator v2beta1 and the Training Operator.
OPERATOR_NAME: Final = "training.kubeflow.org/operator-name"
JOB_NAME: Final = "training.kubeflow.org/job-name"
JOB_ROLE: Final = "training.kubeflow.org/job-role"
REPLICA_INDEX: Final = "training.kubeflow.org/replica-index"
REPLICA_TYPE: Final = "training.kubeflow.org/replica-type"
OPERATOR: Final = "mpi-operator"
# Labels of mpi-operator v1.
V1_GROUP_NAME: Final = "group-name"
V1_JOB_NAME: Final = "mpi-job-name"
V1_JOB_ROLE: Final = "mpi-job-role"
V1_REPLICA_INDEX: Final = "replica-index"
APP: Final = "app"

# What mpiop itself relies on.
JOB_UID: Final = "mpiop/job-uid"
ATTEMPT: Final = "mpiop/attempt"
INDEX: Final = "mpiop/index"  # 0..N-1, also where replica-index is shifted by one
INHERITED: Final = "mpiop/inherited"  # made by an operator before this one
REMOTE_SHELL: Final = "mpiop/remote-shell"
WAIT: Final = "mpiop/wait"
FIELD_MANAGER: Final = "mpiop"

LONGEST_LABEL: Final = 63  # characters of a DNS label, and of a label's value

LAUNCHER: Final = "launcher"
WAIT_CONTAINER: Final = "mpiop-wait"
WORKER: Final = "worker"

CONFIG_MOUNT: Final = "/etc/mpi"
KUBECTL_MOUNT: Final = "/opt/kube"


def launcher_job(job: str, attempt: int) -> str:
    """Name the launcher Job of an attempt: `-launcher`, `-launcher-r1`, ...

    A Job's name is a label too, so that of a long job is cut, and told from others
    cut alike by a digest.
    """
    if attempt == 0:
        return f"{job}-launcher"
    suffix = f"-launcher-r{attempt}"
    if len(job) + len(suffix) > LONGEST_LABEL:
        digest = hashlib.sha256(job.encode()).hexdigest()[:6]
        suffix = f"-{digest}{suffix}"
    return job[: LONGEST_LABEL - len(suffix)] + suffix


def worker(job: str, index: int | str) -> str:
    """Name a worker Pod; also its host name. Without an index, what all begin with."""
    return f"{job}-worker-{index}"


def service(job: str) -> str:
    """Name the headless Service: the job's own name, so that DNS reads well."""
    return job


def pod_group(job: str) -> str:
    """Name the PodGroup of a gang scheduler."""
    return job


def config_map(job: str) -> str:
    """Name the ConfigMap with hostfile, discover_hosts.sh and our scripts."""
    return f"{job}-config"


def ssh_secret(job: str, uid: str) -> str:
    """Name the ssh Secret; it carries the uid, so AlreadyExists means ours."""
    return f"{job}-ssh-{uid}"


def access(job: str) -> str:
    """Name the ServiceAccount, Role and RoleBinding of a KubectlExec launcher."""
    return f"{job}-launcher"
