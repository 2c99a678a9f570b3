"""The environment that makes each MPI find its hosts and our remote-start agent.

A name that the user has set is never set again.
"""

from collections.abc import Iterable
from typing import Final, assert_never

from mpiop.reconcile import defaults, names
from mpiop.reconcile.desired import hosts
from mpiop.reconcile.fields import whole_number
from mpiop.reconcile.mpijob import Json, MPIImplementation, MPIJob, RemoteShell
from mpiop.reconcile.reading import dig, items, text

AGENT: Final = f"{names.CONFIG_MOUNT}/agent.sh"
HOSTFILE: Final = f"{names.CONFIG_MOUNT}/hostfile"
SSH_ARGS: Final = "-o ConnectionAttempts=10"
TERMINATION_LOG: Final = "/dev/termination-log"
BINDING: Final = (
    "OMPI_MCA_hwloc_base_binding_policy",
    "PRTE_MCA_hwloc_default_binding_policy",
)
PINNING: Final = "I_MPI_PIN"  # and, with more behind it, where to
Env = dict[str, str]


def launcher(job: MPIJob, run: str) -> list[Json]:
    """Give all that is set in the launcher's main container, in upstream's order."""
    main = hosts.main_container(job.launcher.template)
    match job.mpi_implementation:
        case MPIImplementation.OPEN_MPI:
            mpi = _open_mpi(job, main)
        case MPIImplementation.INTEL:
            mpi = _intel(job, main)
        case MPIImplementation.MPICH:
            mpi = _mpich(job)
        case _:
            assert_never(job.mpi_implementation)
    found: Env = {"K_MPI_JOB_ROLE": names.LAUNCHER, **mpi}
    computes = job.run_launcher_as_worker or defaults.asks_for_gpu(
        job.launcher.template
    )
    if not computes:
        found |= {"NVIDIA_VISIBLE_DEVICES": "", "NVIDIA_DRIVER_CAPABILITIES": ""}
    record = text(main, "terminationMessagePath") or TERMINATION_LOG
    found |= {"MPIOP_RUN": run, "MPIOP_RECORD": record}
    return [*plain(found), pod_address()]


def worker(run: str) -> list[Json]:
    """Give what is set in a worker's main container; `run` is empty without one."""
    found: Env = {"K_MPI_JOB_ROLE": names.WORKER}
    return list(plain(found | {"MPIOP_RUN": run} if run else found))


def plain(values: Env) -> Iterable[Json]:
    """Write names and values as a container has them."""
    return ({"name": name, "value": value} for name, value in values.items())


def pod_address() -> Json:
    """Tell a container its Pod's address."""
    return {
        "name": "MPIOP_POD_IP",
        "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}},
    }


def user_sets(container: Json) -> set[str]:
    """Name what the user sets."""
    return {text(entry, "name") for entry in items(container, "env")}


def _open_mpi(job: MPIJob, main: Json) -> Env:
    """Speak to Open MPI 4 (ORTE) and 5 (PRRTE); each ignores the other's names.

    keep_fqdn_hostnames is ORTE's alone: with it PRRTE calls the launcher itself.
    """
    slots = str(job.slots_per_worker)
    found: Env = {}
    if job.remote_shell is RemoteShell.SSH:
        found["OMPI_MCA_orte_keep_fqdn_hostnames"] = "true"
    found |= {
        "OMPI_MCA_orte_default_hostfile": HOSTFILE,
        "PRTE_MCA_prte_default_hostfile": HOSTFILE,
        "OMPI_MCA_plm_rsh_agent": AGENT,
        "PRTE_MCA_plm_ssh_agent": AGENT,
    }
    if job.remote_shell is RemoteShell.SSH:
        # Not PRTE_MCA_plm_ssh_args: of that, daemons that start daemons get no more
        # than what stands before the first = sign. The agent adds the same itself.
        found["OMPI_MCA_plm_rsh_args"] = SSH_ARGS
    else:  # a worker may not exec into another
        found |= {
            "OMPI_MCA_plm_rsh_no_tree_spawn": "1",
            "PRTE_MCA_plm_ssh_no_tree_spawn": "1",
            # v1 had no mpiImplementation: its users' Intel MPI found these, too.
            "I_MPI_HYDRA_BOOTSTRAP": "rsh",
            "I_MPI_HYDRA_BOOTSTRAP_EXEC": AGENT,
            **_unpinned(job, main),
        }
    found |= {
        "OMPI_MCA_orte_set_default_slots": slots,
        "PRTE_MCA_prte_set_default_slots": slots,
    }
    return found | _unbound(job, main)


def _intel(job: MPIJob, main: Json) -> Env:
    found = {"I_MPI_HYDRA_HOST_FILE": HOSTFILE}
    if job.remote_shell is RemoteShell.SSH:
        found["I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS"] = SSH_ARGS
    ssh = job.remote_shell is RemoteShell.SSH
    return {
        **found,
        "I_MPI_PERHOST": str(job.slots_per_worker),
        "I_MPI_HYDRA_BOOTSTRAP": "ssh" if ssh else "rsh",
        "I_MPI_HYDRA_BOOTSTRAP_EXEC": AGENT,
        **_unpinned(job, main),
    }


def binds_nothing(job: MPIJob) -> bool:
    """Whether it is mpiop that keeps ranks from being bound to cores (design 6)."""
    main = hosts.main_container(job.launcher.template)
    match job.mpi_implementation:
        case MPIImplementation.OPEN_MPI:
            return bool(_unbound(job, main))
        case MPIImplementation.INTEL:
            return bool(_unpinned(job, main))
        case MPIImplementation.MPICH:  # binds to cores only when asked to
            return False
        case _:
            assert_never(job.mpi_implementation)


def _unbound(job: MPIJob, main: Json) -> Env:
    """Keep Open MPI from binding, unless the user says anything of it."""
    chosen = bool(user_sets(main) & set(BINDING))
    return {} if whole_cores(job) or chosen else dict.fromkeys(BINDING, "none")


def _unpinned(job: MPIJob, main: Json) -> Env:
    """Keep Intel MPI from binding, unless the user says anything of it."""
    chosen = any(name.startswith(PINNING) for name in user_sets(main))
    return {} if whole_cores(job) or chosen else {PINNING: "0"}


def _mpich(job: MPIJob) -> Env:
    """Speak to Hydra; upstream's HYDRA_LAUNCH_EXTRA_ARGS is not what Hydra reads."""
    found = {"HYDRA_HOST_FILE": HOSTFILE}
    if job.remote_shell is RemoteShell.SSH:
        found["HYDRA_LAUNCH_EXTRA_ARGS"] = SSH_ARGS
        found["HYDRA_LAUNCHER_EXTRA_ARGS"] = SSH_ARGS
    return {**found, "HYDRA_LAUNCHER": "ssh", "HYDRA_LAUNCHER_EXEC": AGENT}


def whole_cores(job: MPIJob) -> bool:
    """Whether ranks have cores of their own: whole cpus, requests equal to limits.

    Without them, binding would put the ranks of all Pods of a node on core 0.
    """
    template = job.worker.template if job.worker else job.launcher.template
    main = hosts.main_container(template)
    limit = dig(main, "resources", "limits", "cpu")
    request = dig(main, "resources", "requests", "cpu")
    cores = whole_number(limit)
    same = request is None or whole_number(request) == cores
    return cores is not None and cores > 0 and same
