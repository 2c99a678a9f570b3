"""What a well-formed MPIJob may still have wrong: names, templates, quantities."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from mpiop.reconcile import names
from mpiop.reconcile.mpijob import FieldError, Json, MPIJob, ReplicaSpec
from mpiop.reconcile.views import dig

LONGEST_LABEL: Final = 63
_LABEL: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_QUANTITY: Final = re.compile(
    r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+|[EPTGMk]i?|Ki|[munm])?"
)


def errors(job: MPIJob) -> Iterator[FieldError]:
    """Yield everything wrong with a job, in the order of its fields."""
    yield from _name(job)
    yield from _template(job.launcher, "Launcher")
    if job.worker is not None:
        yield from _template(job.worker, "Worker")
    elif not job.run_launcher_as_worker and job.elastic:
        yield FieldError(
            "spec.mpiReplicaSpecs.Worker", "is missing; host discovery needs workers"
        )


def _name(job: MPIJob) -> Iterator[FieldError]:
    """A worker's name is a host name, so the job's name leaves room for the index."""
    if not job.name:
        yield FieldError("metadata.name", "is missing; every job needs a name")
        return
    last = names.worker(job.name, max(job.worker_replicas, 1) - 1)
    if len(last) > LONGEST_LABEL:
        room = LONGEST_LABEL - (len(last) - len(job.name))
        yield FieldError(
            "metadata.name",
            f'is too long: "{last}" has {len(last)} characters, a host name may have'
            f" {LONGEST_LABEL}; use at most {room} characters",
        )
    elif not _LABEL.fullmatch(job.name):
        yield FieldError(
            "metadata.name",
            f'is "{job.name}", must start with a letter and hold only lower-case'
            " letters, digits and -",
        )


def _template(replica: ReplicaSpec, role: str) -> Iterator[FieldError]:
    path = f"spec.mpiReplicaSpecs.{role}.template.spec.containers"
    containers = dig(replica.template, "spec", "containers")
    if not isinstance(containers, list) or not containers:
        yield FieldError(path, "is empty; a template needs at least one container")
        return
    for index, container in enumerate(containers):
        where = f"{path}[{index}]"
        if not isinstance(container, Mapping):
            yield FieldError(where, "must be an object with name and image")
            continue
        if not isinstance(container.get("name"), str) or not container["name"]:
            yield FieldError(f"{where}.name", "is missing; name the container")
        if not isinstance(container.get("image"), str) or not container["image"]:
            yield FieldError(f"{where}.image", "is missing; name an image")
        yield from _resources(container, f"{where}.resources")


def _resources(container: Json, path: str) -> Iterator[FieldError]:
    for section in ("limits", "requests"):
        amounts = dig(container, "resources", section)
        for name, amount in amounts.items() if isinstance(amounts, Mapping) else ():
            if isinstance(amount, int | float) and not isinstance(amount, bool):
                continue
            if not isinstance(amount, str) or not _QUANTITY.fullmatch(amount):
                yield FieldError(
                    f"{path}.{section}.{name}",
                    f'is "{amount}", not a quantity; write e.g. 500m, 2 or 1Gi',
                )
