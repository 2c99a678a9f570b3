"""The ConfigMap: which hosts there are, and our scripts, mounted at /etc/mpi."""

import shlex
from collections.abc import Sequence
from typing import Final

from mpiop.reconcile import names
from mpiop.reconcile.desired import hosts
from mpiop.reconcile.desired.meta import metadata
from mpiop.reconcile.desired.scripts.account import ACCOUNT
from mpiop.reconcile.desired.scripts.agent import AGENT, REMOTE
from mpiop.reconcile.desired.scripts.ssh import (
    SESSION,
    SSHD,
    SSHD_CONFIG,
    ssh_config,
)
from mpiop.reconcile.desired.scripts.wait import WAIT
from mpiop.reconcile.mpijob import (
    Install,
    Json,
    MPIImplementation,
    MPIJob,
    RemoteShell,
)

RUN_MOUNT: Final = "/opt/mpiop"
# Each kubectl wants some 30 MB, of the launcher's memory limit.
BATCHES: Final = {RemoteShell.KUBECTL_EXEC: 8, RemoteShell.SSH: 32}


def config_map(job: MPIJob, install: Install, running: Sequence[str]) -> Json:
    """Give the ConfigMap.

    Args:
        job: whose.
        install: for the cluster's domain.
        running: worker Pods that run now; only an elastic job asks for them.
    """
    workers = [names.worker(job.name, index) for index in range(job.worker_replicas)]
    if job.elastic:
        workers = [name for name in workers if name in set(running)]
    data = {
        "hostfile": hosts.hostfile(job, install),
        "discover_hosts.sh": hosts.discover_hosts(job, install, workers),
        "agent.sh": _script(job, AGENT),
        "wait.sh": _script(job, WAIT),
    }
    if hosts.own_ssh(job):
        patterns = " ".join(
            (f"{job.name}-worker-*", f"{job.name}-launcher", f"{job.name}-launcher.*")
        )
        data |= {
            "account.sh": _script(job, ACCOUNT),
            "sshd.sh": _script(job, SSHD),
            "session.sh": "#!/bin/sh" + SESSION,
            "sshd_config": SSHD_CONFIG,
            "ssh_config": ssh_config(patterns, job.ssh_auth_mount_path),
        }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(job, names.config_map(job.name)),
        "data": data,
    }


def transport(job: MPIJob) -> str:
    """Name how the agent reaches a host: kubectl, ssh, or image-ssh."""
    if job.remote_shell is RemoteShell.KUBECTL_EXEC:
        return "kubectl"
    return "ssh" if hosts.own_ssh(job) else "image-ssh"


def run_mount(job: MPIJob) -> str:
    """Say where our scripts keep their own files while a Pod lives."""
    kubectl = job.remote_shell is RemoteShell.KUBECTL_EXEC
    return names.KUBECTL_MOUNT if kubectl else RUN_MOUNT


def _script(job: MPIJob, body: str) -> str:
    """Put a job's settings before a script; paths come from $0 and the environment."""
    hydra = job.mpi_implementation is not MPIImplementation.OPEN_MPI
    lines = [
        "#!/bin/sh",
        f"transport={transport(job)}",
        f"launcher={hosts.launcher_host(job)}",
        f"container={shlex.quote(_container(job))}",
        f"default_run={run_mount(job)}",
        f"hydra={'yes' if hydra else 'no'}",
        f"batch={BATCHES[job.remote_shell]}",
    ]
    if body is AGENT and job.remote_shell is RemoteShell.KUBECTL_EXEC:
        lines.append(f"remote='{REMOTE}'")
    return "\n".join(lines) + body


def _container(job: MPIJob) -> str:
    """Name the container to exec into: a sidecar may come first in a worker."""
    if job.main_container or job.worker is None:
        return job.main_container
    return hosts.main_name(job.worker.template)
