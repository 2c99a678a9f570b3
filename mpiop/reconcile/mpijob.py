"""The MPIJob as mpiop means it: both API versions in one frozen model.

Pod templates stay opaque JSON: a field that we do not know must reach the child.
`parse.py` makes these values; nothing else does.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

import attrs

Json = Mapping[str, object]


class RemoteShell(StrEnum):
    """How the launcher starts processes in the workers."""

    SSH = "SSH"
    KUBECTL_EXEC = "KubectlExec"


class CleanPodPolicy(StrEnum):
    """Which Pods are removed after the verdict."""

    NONE = "None"
    RUNNING = "Running"
    ALL = "All"


class LauncherCreationPolicy(StrEnum):
    """When the launcher Job is created."""

    AT_STARTUP = "AtStartup"
    WAIT_FOR_WORKERS_READY = "WaitForWorkersReady"


class MPIImplementation(StrEnum):
    """Whose environment variables and hostfile format are used."""

    OPEN_MPI = "OpenMPI"
    INTEL = "Intel"
    MPICH = "MPICH"


class WorkerFailurePolicy(StrEnum):
    """What a lost worker means under a running launcher."""

    RESTART_JOB = "RestartJob"
    KEEP_LAUNCHER = "KeepLauncher"


@attrs.frozen
class FieldError:
    """One thing wrong with a manifest: where, what, and what to write instead."""

    path: str
    message: str

    def __str__(self) -> str:
        """Read as `spec.slotsPerWorker: must be at least 1, is 0`."""
        return f"{self.path}: {self.message}"


@attrs.frozen
class ReplicaSpec:
    """Launcher or Worker: how many, from which template."""

    replicas: int
    template: Json
    restart_policy: str


@attrs.frozen
class SchedulingPolicy:
    """What gang schedulers are told (used from the real-cluster issue on)."""

    min_available: int | None = None
    queue: str = ""
    min_resources: Json | None = None
    priority_class: str = ""
    schedule_timeout_seconds: int | None = None


@attrs.frozen
class RunPolicy:
    """The job's clocks and policies; seconds are whole seconds."""

    clean_pod_policy: CleanPodPolicy
    backoff_limit: int
    worker_failure_policy: WorkerFailurePolicy
    suspend: bool = False
    ttl_seconds_after_finished: int | None = None
    active_deadline_seconds: int | None = None
    managed_by: str | None = None
    scheduling: SchedulingPolicy | None = None


@attrs.frozen
class MPIJob:
    """One MPIJob with every default filled in."""

    name: str
    namespace: str
    uid: str
    generation: int
    resource_version: str
    created: datetime | None
    deleting: bool
    annotations: Mapping[str, str]
    labels: Mapping[str, str]
    slots_per_worker: int
    run_launcher_as_worker: bool
    launcher: ReplicaSpec
    worker: ReplicaSpec | None
    run_policy: RunPolicy
    remote_shell: RemoteShell
    main_container: str
    ssh_auth_mount_path: str
    launcher_creation_policy: LauncherCreationPolicy
    mpi_implementation: MPIImplementation

    @property
    def worker_replicas(self) -> int:
        """Number of workers; 0 where there is no Worker section."""
        return self.worker.replicas if self.worker is not None else 0

    @property
    def elastic(self) -> bool:
        """Whether the launcher outlives a worker (and discover_hosts.sh is kept)."""
        return (
            self.run_policy.worker_failure_policy is WorkerFailurePolicy.KEEP_LAUNCHER
        )


@attrs.frozen
class Install:
    """What an installation fixes for all its jobs.

    Attributes:
        kubectl_image: image of the init container that brings `kubectl`; it must
            have `sh` and `kubectl` on PATH.
        cluster_domain: appended to host names where set, e.g. `cluster.local`.
        gang_scheduler: schedules the Pods of a job together: `volcano`, `kubernetes`,
            or the name of a scheduler that has the coscheduling plugin; "" for none.
        launcher_runs_workloads: a v1 launcher that asks for a GPU takes ranks as well.
        force_delete_lost_workers_after: seconds after which a worker that should have
            ended is deleted without its kubelet's leave; 0 for never.
    """

    kubectl_image: str = "mpiop/mpiop:latest"
    cluster_domain: str = ""
    gang_scheduler: str = ""
    launcher_runs_workloads: bool = True
    force_delete_lost_workers_after: float = 0.0
