"""MPIJob manifests of both versions into one model, or what is wrong with them.

`parse` never raises: every mistake becomes a FieldError with a path and a remedy.
Defaults that differ by version are those of design section 2; a stored object has
them filled in already, a file on its way to `mpiop run` has not.
"""

import difflib
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar, cast

import attrs

from mpiop.reconcile import names, validation
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
from mpiop.reconcile.views import dig, parse_time, text

VERSIONS: Final = (names.V1, names.API_VERSION)
RESTART_POLICIES: Final = ("Never", "OnFailure", "Always", "ExitCode")
ROLES: Final = ("Launcher", "Worker")
_ELASTIC: Final = re.compile(r"discover_hosts\.sh|--host-discovery-script")
_E = TypeVar("_E", bound=StrEnum)


@attrs.define
class Reader:
    """Reads values out of JSON and collects what is wrong with them."""

    errors: list[FieldError] = attrs.field(factory=list)

    def wrong(self, path: str, message: str) -> None:
        """Note a mistake."""
        self.errors.append(FieldError(path, message))

    def mapping(self, value: object, path: str) -> Json:
        """Read an object; absent is empty."""
        if value is None:
            return {}
        if isinstance(value, Mapping):
            return value
        self.wrong(path, f"must be an object, is {_shown(value)}")
        return {}

    def number(self, value: object, path: str, least: int) -> int | None:
        """Read a whole number of at least `least`; absent is None."""
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            self.wrong(path, f"must be a whole number, is {_shown(value)}")
            return None
        if value < least:
            self.wrong(path, f"must be at least {least}, is {value}")
        return value

    def flag(self, value: object, path: str) -> bool:
        """Read true or false; absent is false."""
        if isinstance(value, bool) or value is None:
            return bool(value)
        self.wrong(path, f"must be true or false, is {_shown(value)}")
        return False

    def word(self, value: object, path: str, default: str = "") -> str:
        """Read a string."""
        if value is None:
            return default
        if isinstance(value, str):
            return value
        self.wrong(path, f"must be a string, is {_shown(value)}")
        return default

    def one_of(self, value: object, path: str, default: _E) -> _E:
        """Read a member of an enumeration, suggesting the nearest."""
        kinds = type(default)
        chosen = self.choice(value, path, tuple(kinds), default)
        return kinds(chosen)

    def choice(
        self, value: object, path: str, allowed: tuple[str, ...], default: str
    ) -> str:
        """Read one of some words, suggesting the nearest."""
        if value is None:
            return default
        if isinstance(value, str) and value in allowed:
            return value
        listed = ", ".join(allowed)
        near = difflib.get_close_matches(str(value), allowed, n=1, cutoff=0.5)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        self.wrong(path, f"is {_shown(value)}, must be one of {listed}{hint}")
        return default


def parse(
    manifest: Json, *, remote_shell: RemoteShell | None = None
) -> MPIJob | tuple[FieldError, ...]:
    """Read an MPIJob, with every default filled in.

    Args:
        manifest: as written by a user or stored by an API server.
        remote_shell: what the first reconcile recorded; wins over the field.

    Returns:
        The job, or all that is wrong with the manifest.
    """
    reader = Reader()
    version = manifest.get("apiVersion")
    if version not in VERSIONS:
        listed = " or ".join(VERSIONS)
        reader.wrong("apiVersion", f"is {_shown(version)}, must be {listed}")
    if manifest.get("kind") != names.KIND:
        reader.wrong("kind", f"is {_shown(manifest.get('kind'))}, must be {names.KIND}")
    if reader.errors:
        return tuple(reader.errors)
    job = _job(reader, manifest, remote_shell)
    if not reader.errors:
        reader.errors += validation.errors(job)
    return tuple(reader.errors) if reader.errors else job


def _job(reader: Reader, manifest: Json, recorded: RemoteShell | None) -> MPIJob:
    v1 = manifest.get("apiVersion") == names.V1
    meta = reader.mapping(manifest.get("metadata"), "metadata")
    spec = reader.mapping(manifest.get("spec"), "spec")
    replicas = _replicas(reader, spec, v1=v1)
    annotations = _strings(reader, meta, "annotations")
    shell = reader.one_of(
        spec.get("remoteShell"),
        "spec.remoteShell",
        RemoteShell.KUBECTL_EXEC if v1 else RemoteShell.SSH,
    )
    override = reader.one_of(
        annotations.get(names.REMOTE_SHELL),
        f"metadata.annotations[{names.REMOTE_SHELL}]",
        recorded or shell,
    )
    launcher = replicas.get("Launcher", ReplicaSpec(1, {}, "Never"))
    return MPIJob(
        name=reader.word(meta.get("name"), "metadata.name"),
        namespace=reader.word(meta.get("namespace"), "metadata.namespace"),
        uid=text(meta, "uid"),
        generation=cast("int", meta.get("generation") or 0),
        resource_version=text(meta, "resourceVersion"),
        created=parse_time(meta.get("creationTimestamp")),
        deleting=meta.get("deletionTimestamp") is not None,
        annotations=annotations,
        labels=_strings(reader, meta, "labels"),
        slots_per_worker=_or(
            reader.number(spec.get("slotsPerWorker"), "spec.slotsPerWorker", 1), 1
        ),
        run_launcher_as_worker=reader.flag(
            spec.get("runLauncherAsWorker"), "spec.runLauncherAsWorker"
        ),
        launcher=launcher,
        worker=replicas.get("Worker"),
        run_policy=_run_policy(reader, spec, launcher, v1=v1),
        remote_shell=override,
        main_container=reader.word(spec.get("mainContainer"), "spec.mainContainer"),
        ssh_auth_mount_path=reader.word(
            spec.get("sshAuthMountPath"), "spec.sshAuthMountPath", "/root/.ssh"
        ),
        launcher_creation_policy=reader.one_of(
            spec.get("launcherCreationPolicy"),
            "spec.launcherCreationPolicy",
            LauncherCreationPolicy.AT_STARTUP,
        ),
        mpi_implementation=reader.one_of(
            spec.get("mpiImplementation"),
            "spec.mpiImplementation",
            MPIImplementation.OPEN_MPI,
        ),
    )


def _replicas(reader: Reader, spec: Json, *, v1: bool) -> dict[str, ReplicaSpec]:
    path = "spec.mpiReplicaSpecs"
    found = reader.mapping(spec.get("mpiReplicaSpecs"), path)
    if "Launcher" not in found:
        reader.wrong(f"{path}.Launcher", "is missing; a job needs one Launcher")
    specs = {}
    for role, value in found.items():
        if role not in ROLES:
            near = difflib.get_close_matches(str(role), ROLES, n=1, cutoff=0.5)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            reader.wrong(
                f"{path}.{role}",
                f"is not a replica type, must be Launcher or Worker{hint}",
            )
            continue
        specs[role] = _replica(reader, value, f"{path}.{role}", role, v1=v1)
    return specs


def _replica(
    reader: Reader, value: object, path: str, role: str, *, v1: bool
) -> ReplicaSpec:
    spec = reader.mapping(value, path)
    count = _or(reader.number(spec.get("replicas"), f"{path}.replicas", 1), 1)
    if role == "Launcher" and count > 1:
        reader.wrong(f"{path}.replicas", f"must be 1, is {count}: one mpirun a job")
    policy = "Never" if v1 or role == "Worker" else "OnFailure"
    return ReplicaSpec(
        replicas=count,
        template=reader.mapping(spec.get("template"), f"{path}.template"),
        restart_policy=reader.choice(
            spec.get("restartPolicy"),
            f"{path}.restartPolicy",
            RESTART_POLICIES,
            policy,
        ),
    )


def _run_policy(
    reader: Reader, spec: Json, launcher: ReplicaSpec, *, v1: bool
) -> RunPolicy:
    path = "spec.runPolicy"
    policy = reader.mapping(spec.get("runPolicy"), path)
    alias = reader.one_of(
        spec.get("cleanPodPolicy"), "spec.cleanPodPolicy", CleanPodPolicy.NONE
    )
    failure = (
        WorkerFailurePolicy.KEEP_LAUNCHER
        if _discovers(launcher.template)
        else WorkerFailurePolicy.RESTART_JOB
    )

    def number(field: str) -> int | None:
        return reader.number(policy.get(field), f"{path}.{field}", 0)

    return RunPolicy(
        clean_pod_policy=reader.one_of(
            policy.get("cleanPodPolicy"), f"{path}.cleanPodPolicy", alias
        ),
        backoff_limit=_or(number("backoffLimit"), 0 if v1 else 6),
        worker_failure_policy=reader.one_of(
            policy.get("workerFailurePolicy"), f"{path}.workerFailurePolicy", failure
        ),
        suspend=reader.flag(policy.get("suspend"), f"{path}.suspend"),
        ttl_seconds_after_finished=number("ttlSecondsAfterFinished"),
        active_deadline_seconds=number("activeDeadlineSeconds"),
        managed_by=reader.word(policy.get("managedBy"), f"{path}.managedBy") or None,
        scheduling=_scheduling(reader, policy),
    )


def _scheduling(reader: Reader, policy: Json) -> SchedulingPolicy | None:
    path = "spec.runPolicy.schedulingPolicy"
    if policy.get("schedulingPolicy") is None:
        return None
    found = reader.mapping(policy.get("schedulingPolicy"), path)
    resources = found.get("minResources")
    return SchedulingPolicy(
        min_available=reader.number(
            found.get("minAvailable"), f"{path}.minAvailable", 0
        ),
        queue=reader.word(found.get("queue"), f"{path}.queue"),
        min_resources=None
        if resources is None
        else reader.mapping(resources, f"{path}.minResources"),
        priority_class=reader.word(found.get("priorityClass"), f"{path}.priorityClass"),
        schedule_timeout_seconds=reader.number(
            found.get("scheduleTimeoutSeconds"), f"{path}.scheduleTimeoutSeconds", 0
        ),
    )


def _discovers(template: Json) -> bool:
    """Whether the launcher asks for hosts while it runs, as Horovod elastic does."""
    containers = dig(template, "spec", "containers")
    words: list[object] = []
    for container in containers if isinstance(containers, list) else ():
        for field in ("command", "args"):
            value = dig(container, field)
            words += value if isinstance(value, list) else []
        env = dig(container, "env")
        words += (
            [dig(entry, "value") for entry in env if env]
            if isinstance(env, list)
            else []
        )
    return any(isinstance(word, str) and _ELASTIC.search(word) for word in words)


def _strings(reader: Reader, meta: Json, field: str) -> Mapping[str, str]:
    found = reader.mapping(meta.get(field), f"metadata.{field}")
    return {
        str(key): reader.word(value, f"metadata.{field}[{key}]")
        for key, value in found.items()
    }


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    said = f'"{value}"' if isinstance(value, str) else repr(value)
    return said if len(said) <= 60 else f"{said[:57]}..."  # noqa: PLR2004 - one line
