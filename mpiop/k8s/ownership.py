"""Whose an object is that sits where a child of ours should be (design 5.3)."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import cast

from mpiop.k8s.api import Api, Written
from mpiop.k8s.errors import Conflict, Invalid
from mpiop.k8s.subject import Subject
from mpiop.reconcile import names
from mpiop.reconcile.actions import Ref
from mpiop.reconcile.mpijob import Json
from mpiop.reconcile.reading import dig, items, text


class Owner(StrEnum):
    """Whom the controller ownerReference names."""

    US = "us"
    OLDER = "older"  # a job of the same name that is no more; or already on its way out
    FOREIGN = "foreign"


def controller(live: Json) -> str:
    """Give the uid of the controller ownerReference, "" where there is none."""
    for one in items(live, "metadata", "ownerReferences"):
        if one.get("controller") is True:
            return text(one, "uid")
    return ""


def adopting(live: Json, labels: Mapping[str, str]) -> Sequence[Json]:
    """Give the JSON patch by which a child of another operator becomes ours."""
    operations = [*labelling(live, {"metadata": {"labels": labels}})]
    if operations and dig(live, "spec", "ttlSecondsAfterFinished") is not None:
        operations.append({"op": "remove", "path": "/spec/ttlSecondsAfterFinished"})
    return operations


def owner_of(live: Json, job: Subject) -> Owner:
    """Tell whose an object is, by uid; name and labels prove nothing."""
    controllers = (
        one
        for one in items(live, "metadata", "ownerReferences")
        if one.get("controller") is True
    )
    found = next(controllers, {})
    if text(found, "uid") == job.uid:
        return Owner.US
    leaving = dig(live, "metadata", "deletionTimestamp") is not None
    namesake = (found.get("kind"), found.get("name")) == (names.KIND, job.name)
    return Owner.OLDER if leaving or namesake else Owner.FOREIGN


def labelling(live: Json, manifest: Json) -> Sequence[Json]:
    """Give the JSON patch that adds the labels that an object of ours lacks.

    It applies to exactly the object that was read. Empty where none is missing.
    """
    meta = live["metadata"]
    wanted = cast("Json", dig(manifest, "metadata", "labels") or {})
    has = cast("Json", dig(meta, "labels") or {})
    missing = {k: v for k, v in wanted.items() if has.get(k) != v}
    if not missing:
        return ()
    tests: list[Json] = [
        {"op": "test", "path": f"/metadata/{field}", "value": text(meta, field)}
        for field in ("uid", "resourceVersion")
    ]
    if not has:
        return [*tests, {"op": "add", "path": "/metadata/labels", "value": missing}]
    return [
        *tests,
        *(
            {"op": "add", "path": f"/metadata/labels/{_escape(key)}", "value": value}
            for key, value in missing.items()
        ),
    ]


def label(api: Api, ref: Ref, live: Json, operations: Sequence[Json]) -> Written:
    """Apply a patch to exactly the object that was read.

    Raises:
        Conflict: it has changed since.
    """
    try:
        return api.patch_json(ref, operations) if operations else Written(live)
    except Invalid as error:  # the answer to a test that fails
        raise Conflict(409, "Conflict", error.message) from error


def explain(ref: Ref, owner: Owner) -> str:
    """Say what is in the way and what to do about it."""
    if owner is Owner.OLDER:
        return (
            f'{ref.kind} "{ref.name}" is left from an earlier object and on its way'
            " out; the job goes on once it is gone"
        )
    return (
        f'{ref.kind} "{ref.name}" exists and does not belong to this MPIJob: delete'
        " or rename it, or give the MPIJob another name"
    )


def _escape(token: str) -> str:
    return token.replace("~", "~0").replace("/", "~1")
