"""Reads a manifest of either API version into one `MPIJob`, or says what is wrong.

Nothing here raises for what a user wrote: every mistake becomes a `FieldError` with
the field, what is wrong, and what to write instead.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

import attrs

from mpiop.reconcile import defaults, names, validation
from mpiop.reconcile.fields import Field, instead, listed, shown
from mpiop.reconcile.mpijob import (
    CleanPodPolicy,
    FieldError,
    Json,
    LauncherCreationPolicy,
    MPIImplementation,
    MPIJob,
    RemoteShell,
    ReplicaSpec,
    RunPolicy,
    SchedulingPolicy,
    WorkerFailurePolicy,
)

REPLICA_TYPES: Final = ("Launcher", "Worker")
Value = TypeVar("Value")


class RestartPolicy(StrEnum):
    """What users may write; all mean that the operator retries the launcher."""

    NEVER = "Never"
    ON_FAILURE = "OnFailure"
    ALWAYS = "Always"
    EXIT_CODE = "ExitCode"


def parse(
    manifest: Json,
    *,
    remote_shell: RemoteShell | None = None,
    launcher_runs_workloads: bool = True,
) -> MPIJob | tuple[FieldError, ...]:
    """Read an MPIJob, filling in the defaults of its version.

    Args:
        manifest: the object, of any shape.
        remote_shell: the recorded one; it wins over the field, and the annotation
            mpiop/remote-shell over both.
        launcher_runs_workloads: whether v1's GPU launcher takes ranks as well.
    """
    errors: list[FieldError] = []
    root = Field("", manifest, errors)
    _check_type(root)
    if errors:
        return tuple(errors)
    job = _job(root, remote_shell)
    if errors or job is None:
        return tuple(errors)
    if launcher_runs_workloads and _computes(root, job):
        return attrs.evolve(job, run_launcher_as_worker=True)
    return job


def _computes(root: Field, job: MPIJob) -> bool:
    """Whether the launcher is one of v1's that have a GPU of their own."""
    version = defaults.DEFAULTS[defaults.origin(root.mapping())]
    return version.gpu_launcher_works and defaults.asks_for_gpu(job.launcher.template)


def _check_type(root: Field) -> None:
    """Refuse what is not an MPIJob of a known version."""
    known = {
        "apiVersion": (names.API_VERSION, names.V1),
        "kind": (names.KIND,),
    }
    for key, words in known.items():
        field = root.get(key)
        word = field.string()
        if word is None and field.value is None:
            field.wrong(f"must be set; write {listed(words)}")
        elif word is not None and word not in words:
            field.wrong(f"{shown(word)} is not known; write {listed(words)}")


def _job(root: Field, recorded: RemoteShell | None) -> MPIJob | None:
    manifest = root.mapping()
    meta, spec = root.get("metadata"), root.get("spec")
    meta.mapping()
    version = defaults.DEFAULTS[defaults.origin(manifest)]
    spec.mapping()
    if spec.errors and spec.errors[-1].path == spec.path:
        return None
    replicas = _replica_types(spec.get("mpiReplicaSpecs"))
    launcher = _replica_spec(
        replicas.get("Launcher"), version.launcher_restart_policy, most=1
    )
    worker = _replica_spec(replicas.get("Worker"), "Never")
    validation.check_name(meta.get("name"), worker.replicas if worker else 0)
    shell = _remote_shell(root, recorded)
    policy = _run_policy(spec, launcher.template if launcher else {}, version)
    labels = meta.get("labels").strings()
    if launcher is None:
        return None
    return MPIJob(
        name=_or(meta.get("name").string(), ""),
        namespace=_or(meta.get("namespace").string(), "default"),
        uid=_or(meta.get("uid").string(), ""),
        generation=_or(meta.get("generation").integer(0), 0),
        resource_version=_or(meta.get("resourceVersion").string(), ""),
        created=meta.get("creationTimestamp").time(),
        deleting=meta.get("deletionTimestamp").value is not None,
        annotations=meta.get("annotations").strings(),
        labels=labels,
        slots_per_worker=_or(spec.get("slotsPerWorker").integer(1), 1),
        run_launcher_as_worker=bool(spec.get("runLauncherAsWorker").boolean()),
        launcher=launcher,
        worker=worker,
        run_policy=policy,
        remote_shell=shell,
        main_container=_or(spec.get("mainContainer").string(), ""),
        ssh_auth_mount_path=_mount_path(spec.get("sshAuthMountPath")),
        launcher_creation_policy=_or(
            spec.get("launcherCreationPolicy").choice(LauncherCreationPolicy),
            LauncherCreationPolicy.AT_STARTUP,
        ),
        mpi_implementation=_or(
            spec.get("mpiImplementation").choice(MPIImplementation),
            MPIImplementation.OPEN_MPI,
        ),
    )


def _or(value: Value | None, default: Value) -> Value:
    return default if value is None else value


def _replica_types(replicas: Field) -> Field:
    """Check which replica types there are."""
    found = replicas.mapping()
    if replicas.value is None:
        replicas.wrong("must be set; write Launcher: and, mostly, Worker: below it")
    elif isinstance(replicas.value, Mapping) and found.get("Launcher") is None:
        replicas.get("Launcher").wrong(
            "must be set: the launcher runs mpirun; write Launcher: with a template"
        )
    for key in found:
        if key not in REPLICA_TYPES:
            field = replicas.get(str(key))
            field.wrong(
                "is no replica type; only Launcher and Worker are;"
                f" {instead(str(key), REPLICA_TYPES)}"
            )
    return replicas


def _replica_spec(
    field: Field, restart_policy: str, most: int | None = None
) -> ReplicaSpec | None:
    """Read Launcher or Worker; None where it is absent or no object."""
    if not isinstance(field.value, Mapping):
        field.mapping()
        return None
    count = field.get("replicas")
    replicas = count.integer(1)
    if most is not None and replicas is not None and replicas > most:
        count.wrong(f"must be {most}, is {replicas}: a job has one launcher")
    template = field.get("template")
    if template.value is None:
        template.wrong("must be set; write spec.containers below it")
    elif isinstance(template.value, Mapping):
        validation.check_template(template)
    policy = field.get("restartPolicy").choice(RestartPolicy)
    return ReplicaSpec(
        replicas=_or(replicas, 1),
        template=template.mapping(),
        restart_policy=str(policy or restart_policy),
    )


def _remote_shell(root: Field, recorded: RemoteShell | None) -> RemoteShell:
    stated = root.get("spec").get("remoteShell").choice(RemoteShell)
    override = root.get("metadata").get("annotations").get(names.REMOTE_SHELL)
    chosen = override.choice(RemoteShell) or recorded
    return chosen or defaults.remote_shell(root.mapping(), stated)


def _mount_path(field: Field) -> str:
    path = _or(field.string(), defaults.SSH_AUTH_MOUNT_PATH)
    if not path.startswith("/") or ":" in path:
        field.wrong(f"must be an absolute path without a colon, is {shown(path)}")
    return path


def _run_policy(spec: Field, launcher: Json, version: defaults.Defaults) -> RunPolicy:
    policy = spec.get("runPolicy")
    policy.mapping()
    legacy = spec.get("cleanPodPolicy").choice(CleanPodPolicy)
    clean = policy.get("cleanPodPolicy").choice(CleanPodPolicy)
    failure = policy.get("workerFailurePolicy").choice(WorkerFailurePolicy)
    return RunPolicy(
        clean_pod_policy=clean or legacy or CleanPodPolicy.NONE,
        backoff_limit=_or(policy.get("backoffLimit").integer(0), version.backoff_limit),
        worker_failure_policy=failure or defaults.worker_failure_policy(launcher),
        suspend=bool(policy.get("suspend").boolean()),
        ttl_seconds_after_finished=policy.get("ttlSecondsAfterFinished").integer(0),
        active_deadline_seconds=policy.get("activeDeadlineSeconds").integer(0),
        managed_by=validation.manager(policy.get("managedBy")),
        scheduling=_scheduling(policy.get("schedulingPolicy")),
    )


def _scheduling(policy: Field) -> SchedulingPolicy | None:
    policy.mapping()
    if not isinstance(policy.value, Mapping):
        return None
    resources = policy.get("minResources")
    for name in resources.mapping():
        resources.get(name).quantity()
    return SchedulingPolicy(
        min_available=policy.get("minAvailable").integer(0),
        queue=_or(policy.get("queue").string(), ""),
        min_resources=resources.mapping() or None,
        priority_class=_or(policy.get("priorityClass").string(), ""),
        schedule_timeout_seconds=policy.get("scheduleTimeoutSeconds").integer(0),
    )
