"""What an MPIJob means where it says nothing: per API version, as users know it.

The CRD stores the same defaults at creation; here they serve manifests that never
passed an API server, and those stored before a field existed.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

import attrs

from mpiop.reconcile import names
from mpiop.reconcile.mpijob import Json, RemoteShell, WorkerFailurePolicy
from mpiop.reconcile.reading import dig, parse_time, text

SSH_AUTH_MOUNT_PATH: Final = "/root/.ssh"
DISCOVERY: Final = ("discover_hosts.sh", "--host-discovery-script")


@attrs.frozen
class Defaults:
    """The defaults in which the versions differ."""

    remote_shell: RemoteShell
    backoff_limit: int
    launcher_restart_policy: str
    gpu_launcher_works: bool  # a launcher that asks for a GPU takes ranks as well


DEFAULTS: Final[Mapping[str, Defaults]] = {
    names.V1: Defaults(RemoteShell.KUBECTL_EXEC, 0, "Never", gpu_launcher_works=True),
    names.API_VERSION: Defaults(
        RemoteShell.SSH, 6, "OnFailure", gpu_launcher_works=False
    ),
}


def origin(manifest: Json) -> str:
    """Tell the API version in which a job was written first.

    The operator reads every job as the stored version; only managedFields tell.
    """
    writers = [
        (when, version) for version, when in _writes(manifest) if version in DEFAULTS
    ]
    first = min(writers, key=lambda write: write[0], default=None)
    found = text(manifest, "apiVersion") if first is None else first[1]
    return found if found in DEFAULTS else names.API_VERSION


def remote_shell(manifest: Json, stated: RemoteShell | None) -> RemoteShell:
    """Choose the remote shell before one is recorded.

    A PUT through the other version without the field flips it to that version's
    default: where both have written and the value is the later one's default, the
    first one's counts.
    """
    first = origin(manifest)
    default = DEFAULTS[first].remote_shell
    others = {version for version, _ in _writes(manifest)} & (DEFAULTS.keys() - {first})
    if stated is None or any(DEFAULTS[o].remote_shell is stated for o in others):
        return default
    return stated


def _writes(manifest: Json) -> Iterator[tuple[str, datetime]]:
    entries = dig(manifest, "metadata", "managedFields")
    for entry in entries if isinstance(entries, list) else ():
        try:
            when = parse_time(dig(entry, "time"))
        except ValueError:
            when = None
        if when is not None and when.tzinfo and not dig(entry, "subresource"):
            yield text(entry, "apiVersion"), when


def worker_failure_policy(launcher: Json) -> WorkerFailurePolicy:
    """Tell what a lost worker means from how the launcher is started.

    Horovod elastic names its host discovery script and goes on without a worker.
    """
    containers = dig(launcher, "spec", "containers")
    for container in containers if isinstance(containers, list) else ():
        for field in ("command", "args", "env"):
            if any(
                hint in word
                for word in _words(dig(container, field))
                for hint in DISCOVERY
            ):
                return WorkerFailurePolicy.KEEP_LAUNCHER
    return WorkerFailurePolicy.RESTART_JOB


def asks_for_gpu(launcher: Json) -> bool:
    """Whether a launcher computes on a GPU itself, as v1's GPU launcher does."""
    containers = dig(launcher, "spec", "containers")
    limits = (
        dig(container, "resources", "limits")
        for container in (containers if isinstance(containers, list) else ())
    )
    return any("gpu" in name for one in limits if isinstance(one, dict) for name in one)


def _words(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _words(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _words(item)
