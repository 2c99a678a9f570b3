"""Who owns ssh, which hosts there are, and what they are called."""

from collections.abc import Iterable, Iterator
from typing import Final

from mpiop.reconcile import names
from mpiop.reconcile.mpijob import (
    Install,
    Json,
    MPIImplementation,
    MPIJob,
    RemoteShell,
)
from mpiop.reconcile.reading import items, text

CLUSTER_DOMAIN: Final = "cluster.local"


def launcher_host(job: MPIJob) -> str:
    """Name the launcher as host; the same in every attempt."""
    return f"{job.name}-launcher"


def host_name(job: MPIJob, install: Install, pod: str) -> str:
    """Name a Pod as mpirun does: in full for ssh, as itself for kubectl exec."""
    if job.remote_shell is RemoteShell.KUBECTL_EXEC:
        return pod
    domain = f".{install.cluster_domain}" if install.cluster_domain else ""
    return f"{pod}.{job.name}.{job.namespace}.svc{domain}"


def search_domain(job: MPIJob, install: Install) -> str:
    """Give the DNS domain in which the job's Pods have their short names."""
    domain = install.cluster_domain or CLUSTER_DOMAIN
    return f"{job.name}.{job.namespace}.svc.{domain}"


def pods(job: MPIJob, workers: Iterable[str]) -> Iterator[str]:
    """Go through the hosts of a job: the launcher first where it is a worker too."""
    if job.run_launcher_as_worker:
        yield launcher_host(job)
    yield from workers


def hostfile(job: MPIJob, install: Install) -> str:
    """Write the hostfile; it lists all workers, whether they run or not."""
    workers = (names.worker(job.name, i) for i in range(job.worker_replicas))
    open_mpi = job.mpi_implementation is MPIImplementation.OPEN_MPI
    slots = f" slots={job.slots_per_worker}" if open_mpi else f":{job.slots_per_worker}"
    return "".join(
        f"{host_name(job, install, pod)}{slots}\n" for pod in pods(job, workers)
    )


def discover_hosts(job: MPIJob, install: Install, workers: Iterable[str]) -> str:
    """Write Horovod's discovery script, in the order of the hostfile.

    Upstream's v1 tells slots, its v2 does not; users' images rely on either.
    """
    v1 = job.remote_shell is RemoteShell.KUBECTL_EXEC
    slots = f":{job.slots_per_worker}" if v1 else ""
    lines = (
        f"echo {host_name(job, install, pod)}{slots}\n" for pod in pods(job, workers)
    )
    return "#!/bin/sh\n" + "".join(lines)


def own_ssh(job: MPIJob) -> bool:
    """Whether both ends of ssh are ours: workers that have no command of their own."""
    return job.remote_shell is RemoteShell.SSH and not has_command(job)


def has_command(job: MPIJob) -> bool:
    """Whether the worker says itself what it runs."""
    if job.worker is None:
        return False
    main = items(job.worker.template.get("spec"), "containers")[0]
    if job.remote_shell is RemoteShell.KUBECTL_EXEC:
        return bool(main.get("command"))
    return bool(main.get("command") or main.get("args"))


def main_container(template: Json) -> Json:
    """Give a template's first container, the MPI container."""
    return items(template.get("spec"), "containers")[0]


def main_name(template: Json) -> str:
    """Name it."""
    return text(main_container(template), "name")
