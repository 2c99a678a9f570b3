"""Environment variables that make each MPI implementation find hosts and our agent.

Each name is there for a fact of design section 6; Open MPI 4 reads the ORTE names,
Open MPI 5 the PRTE ones.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from mpiop.reconcile import names
from mpiop.reconcile.mpijob import MPIImplementation, MPIJob, RemoteShell

AGENTS: Final = {RemoteShell.SSH: "ssh.sh", RemoteShell.KUBECTL_EXEC: "kubexec.sh"}
HOSTFILE: Final = f"{names.CONFIG_MOUNT}/hostfile"
_BINDING: Final = (
    "OMPI_MCA_hwloc_base_binding_policy",
    "PRTE_MCA_hwloc_default_binding_policy",
)


def agent(job: MPIJob) -> str:
    """Give the path of the remote-start agent."""
    return f"{names.CONFIG_MOUNT}/{AGENTS[job.remote_shell]}"


def launcher(job: MPIJob) -> dict[str, str]:
    """Give the variables of the launcher's main container."""
    implementation = _IMPLEMENTATIONS[job.mpi_implementation]
    found = {"K_MPI_JOB_ROLE": names.LAUNCHER, **implementation(job)}
    if not job.run_launcher_as_worker and not _has_gpu(job):
        found |= {"NVIDIA_VISIBLE_DEVICES": "", "NVIDIA_DRIVER_CAPABILITIES": ""}
    return found


def worker(job: MPIJob) -> dict[str, str]:
    """Give the variables of a worker: Open MPI's tree start begins there, too."""
    found = {"K_MPI_JOB_ROLE": names.WORKER}
    if job.remote_shell is RemoteShell.SSH:
        found |= {
            "OMPI_MCA_plm_rsh_agent": agent(job),
            "PRTE_MCA_plm_ssh_agent": agent(job),
            "MPIOP_RECORD": "/dev/null",
        }
    return found


def _open_mpi(job: MPIJob) -> dict[str, str]:
    found = {
        "OMPI_MCA_orte_keep_fqdn_hostnames": "true",
        "OMPI_MCA_orte_default_hostfile": HOSTFILE,
        "OMPI_MCA_orte_set_default_slots": str(job.slots_per_worker),
        "OMPI_MCA_plm_rsh_agent": agent(job),
        "PRTE_MCA_prte_default_hostfile": HOSTFILE,
        "PRTE_MCA_plm_ssh_agent": agent(job),
    }
    if job.remote_shell is RemoteShell.KUBECTL_EXEC:
        # A worker has no right to exec into another: the launcher starts them all.
        found |= {
            "OMPI_MCA_plm_rsh_no_tree_spawn": "1",
            "PRTE_MCA_plm_ssh_no_tree_spawn": "1",
        }
    if not _whole_cores(job) and not _sets_binding(job):
        found |= dict.fromkeys(_BINDING, "none")
    return found


def _intel(job: MPIJob) -> dict[str, str]:
    return {
        "I_MPI_HYDRA_HOST_FILE": HOSTFILE,
        "I_MPI_PERHOST": str(job.slots_per_worker),
        "I_MPI_HYDRA_BOOTSTRAP": "ssh",
        "I_MPI_HYDRA_BOOTSTRAP_EXEC": agent(job),
    }


def _mpich(job: MPIJob) -> dict[str, str]:
    return {
        "HYDRA_HOST_FILE": HOSTFILE,
        "HYDRA_LAUNCHER": "ssh",
        "HYDRA_LAUNCHER_EXEC": agent(job),
    }


_IMPLEMENTATIONS: Final = {
    MPIImplementation.OPEN_MPI: _open_mpi,
    MPIImplementation.INTEL: _intel,
    MPIImplementation.MPICH: _mpich,
}


def _containers(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from template.get("spec", {}).get("containers", ())


def _has_gpu(job: MPIJob) -> bool:
    """Whether the launcher asks for a GPU, and so takes part (upstream 4.2)."""
    limits = [
        name
        for container in _containers(job.launcher.template)
        for name in (container.get("resources") or {}).get("limits") or {}
    ]
    return any("gpu" in name for name in limits)


def _whole_cores(job: MPIJob) -> bool:
    """Whether a worker has cores of its own: integer cpu, requests equal limits."""
    replica = job.worker or job.launcher
    resources = next(_containers(replica.template)).get("resources") or {}
    limit = (resources.get("limits") or {}).get("cpu")
    request = (resources.get("requests") or {}).get("cpu", limit)
    return limit is not None and str(limit).isdecimal() and str(request) == str(limit)


def _sets_binding(job: MPIJob) -> bool:
    names_set = {
        entry.get("name")
        for container in _containers(job.launcher.template)
        for entry in container.get("env") or ()
    }
    return bool(names_set & set(_BINDING))
