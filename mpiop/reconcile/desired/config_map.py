"""The ConfigMap: hostfile, discover_hosts.sh, and the scripts of the transport."""

from collections.abc import Sequence

from mpiop.reconcile import names
from mpiop.reconcile.desired import environment, meta, scripts, ssh
from mpiop.reconcile.mpijob import (
    Install,
    Json,
    MPIImplementation,
    MPIJob,
    RemoteShell,
)


def config_map(job: MPIJob, install: Install, running: Sequence[str]) -> Json:
    """Give the ConfigMap.

    Args:
        job: the job.
        install: gives the cluster domain.
        running: names of the workers that run now; only an elastic job lists just
            these in discover_hosts.sh.
    """
    exec_only = job.remote_shell is RemoteShell.KUBECTL_EXEC
    files = _kubexec(job) if exec_only else ssh.files(job)
    agent = environment.AGENTS[job.remote_shell]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": meta.metadata(job, names.config_map(job.name)),
        "data": {
            "hostfile": hostfile(job, install),
            "discover_hosts.sh": discover_hosts(job, install, running),
            "wait.sh": scripts.fill(scripts.WAIT, agent=agent),
            **files,
        },
    }


def hostfile(job: MPIJob, install: Install) -> str:
    """List every host with its slots, in the implementation's format."""
    colon = job.mpi_implementation is not MPIImplementation.OPEN_MPI
    form = "{}:{}\n" if colon else "{} slots={}\n"
    return "".join(
        form.format(meta.host(job, pod, install.cluster_domain), job.slots_per_worker)
        for pod in _pods(job)
    )


def discover_hosts(job: MPIJob, install: Install, running: Sequence[str]) -> str:
    """Write Horovod's script: hosts in numeric order, with slots over exec as in v1."""
    slots = (
        f":{job.slots_per_worker}"
        if job.remote_shell is RemoteShell.KUBECTL_EXEC
        else ""
    )
    alive = {*running, f"{job.name}-launcher"}
    lines = [
        f"echo {meta.host(job, pod, install.cluster_domain)}{slots}\n"
        for pod in _pods(job)
        if not job.elastic or pod in alive
    ]
    return "#!/bin/sh\n" + "".join(lines)


def _pods(job: MPIJob) -> list[str]:
    first = [f"{job.name}-launcher"] if job.run_launcher_as_worker else []
    return first + [names.worker(job.name, i) for i in range(job.worker_replicas)]


def _kubexec(job: MPIJob) -> dict[str, str]:
    container = f"-c {job.main_container} " if job.main_container else ""
    script = scripts.fill(
        scripts.KUBEXEC, mount=names.KUBECTL_MOUNT, container=container
    )
    return {environment.AGENTS[RemoteShell.KUBECTL_EXEC]: script}
