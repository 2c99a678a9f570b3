"""What of an object the server decides, whoever writes it: identity and bookkeeping."""

from collections.abc import Iterator
from typing import Any, Final

from .context import Backend, Call, Object
from .errors import StatusError, conflict, invalid, version_missing
from .schema import FieldError

_GENERATED: Final = frozenset(
    {
        ("", "pods"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("batch", "jobs"),
        ("discovery.k8s.io", "endpointslices"),
        ("scheduling.k8s.io", "priorityclasses"),
    }
)
"""Built-in kinds whose metadata.generation the server counts."""
_VERSION_REQUIRED: Final = frozenset(
    {
        ("apiextensions.k8s.io", "customresourcedefinitions"),
        ("coordination.k8s.io", "leases"),
    }
)
"""Built-in kinds that are never updated without a resourceVersion."""
_KEPT: Final = (
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "namespace",
    "resourceVersion",
    "uid",
)
_PREFIX_LENGTH: Final = 58


def needs_version(call: Call) -> bool:
    """Whether this kind is never updated without a resourceVersion."""
    return call.resource.custom or call.resource.storage in _VERSION_REQUIRED


def new_metadata(backend: Backend, call: Call, obj: Object) -> None:
    """Give a new object its name, identity and birthday.

    Raises:
        StatusError: 422, it is to have no name; 500, it claims a resourceVersion.
    """
    meta = obj.setdefault("metadata", {})
    if meta.get("resourceVersion"):
        message = "resourceVersion should not be set on objects to be created"
        raise StatusError(500, "", message)
    for field in _KEPT:
        meta.pop(field, None)
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = meta["generateName"][:_PREFIX_LENGTH] + backend.suffix()
    if not meta.get("name"):
        message = "Required value: name or generateName is required"
        error = FieldError("metadata.name", "FieldValueRequired", message)
        raise invalid(call.resource, "", [error])
    if call.namespace:
        meta["namespace"] = call.namespace
    meta["uid"] = backend.uid()
    meta["creationTimestamp"] = backend.now()
    if call.resource.custom or call.resource.storage in _GENERATED:
        meta["generation"] = 1


def check_preconditions(call: Call, old: Object, given: Any) -> None:  # noqa: ANN401
    """Let a write pass only over the incarnation and state that it names.

    In a patch another uid is no precondition but invalid, see settle().

    Raises:
        StatusError: 409, or 422 where a PUT lacks a resourceVersion that it needs.
    """
    meta = old["metadata"]
    if call.verb != "patch" and given.get("uid", meta["uid"]) != meta["uid"]:
        why = (
            f"Precondition failed: UID in precondition: {given['uid']}, "
            f"UID in object meta: {meta['uid']}"
        )
        raise conflict(call.resource, call.name, why)
    lacks_version = call.verb == "update" and not given.get("resourceVersion")
    if lacks_version and needs_version(call):
        raise version_missing(call.resource, call.name)
    if (given.get("resourceVersion") or meta["resourceVersion"]) != (
        meta["resourceVersion"]
    ):
        raise conflict(call.resource, call.name)


def settle(call: Call, old: Object, obj: Object) -> list[FieldError]:
    """Restore in `obj` what this call may not change; say what it must not ask for."""
    resource = call.resource
    if call.subresource:
        status, meta = obj.get("status"), obj["metadata"]
        obj.clear()
        obj.update({key: value for key, value in old.items() if key != "status"})
        if status is not None:
            obj["status"] = status
        if not resource.custom:
            obj["metadata"] = meta
    elif resource.kind.status:
        obj.pop("status", None)
        if "status" in old:
            obj["status"] = old["status"]
    if resource.custom and call.subresource:
        obj["metadata"] = dict(old["metadata"])
        return []
    errors = list(_other_uid(old, obj))
    return errors + list(_restore_metadata(old["metadata"], obj["metadata"]))


def _other_uid(old: Object, obj: Object) -> Iterator[FieldError]:
    uid = obj["metadata"].get("uid", old["metadata"]["uid"])
    if uid != old["metadata"]["uid"]:
        message = f'Invalid value: "{uid}": field is immutable'
        yield FieldError("metadata.uid", "FieldValueInvalid", message)


def _restore_metadata(old: Object, meta: Object) -> Iterator[FieldError]:
    for field in _KEPT:
        meta.pop(field, None)
        if field in old:
            meta[field] = old[field]
    added = set(meta.get("finalizers", ())) - set(old.get("finalizers", ()))
    if added and "deletionTimestamp" in old:
        listed = ", ".join(f'"{one}"' for one in sorted(added))
        message = (
            "Forbidden: no new finalizers can be added if the object is being deleted, "
            f"found new finalizers []string{{{listed}}}"
        )
        yield FieldError("metadata.finalizers", "FieldValueForbidden", message)


def count_generation(call: Call, old: Object, obj: Object) -> None:
    """Raise metadata.generation where more than metadata and status changed."""
    resource = call.resource
    if call.subresource or "generation" not in old["metadata"]:
        return
    ignored = {"apiVersion", "kind", "metadata"}
    if resource.kind.status:
        ignored.add("status")
    if any(old.get(key) != obj.get(key) for key in (old.keys() | obj.keys()) - ignored):
        obj["metadata"]["generation"] = old["metadata"]["generation"] + 1
