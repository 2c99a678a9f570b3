"""What every object's metadata has to obey."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .errors import FieldError, forbidden, invalid, required
from .names import Syntax, dns_label, dns_subdomain, label_value, qualified_name

Json = Mapping[str, Any]
_ANNOTATIONS_BYTES: Final = 256 * 1024
_IMMUTABLE: Final = "field is immutable"


def check_meta(
    obj: Json, *, namespaced: bool, name: Syntax = dns_subdomain
) -> list[FieldError]:
    """Judge name, namespace, labels, annotations, finalizers and owners."""
    return list(_meta(obj.get("metadata", {}), namespaced, name))


def _meta(meta: Json, namespaced: bool, syntax: Syntax) -> Iterator[FieldError]:  # noqa: FBT001
    if not meta.get("name"):
        yield required("metadata.name", "name or generateName is required")
    elif wrong := syntax(meta["name"]):
        yield invalid("metadata.name", meta["name"], wrong)
    if not namespaced and meta.get("namespace"):
        yield forbidden("metadata.namespace", "not allowed on this type")
    if namespaced and (wrong := dns_label(meta.get("namespace", "default"))):
        yield invalid("metadata.namespace", meta["namespace"], wrong)
    yield from check_labels(meta.get("labels", {}), "metadata.labels")
    yield from check_annotations(meta.get("annotations", {}), "metadata.annotations")
    for finalizer in meta.get("finalizers", ()):
        if wrong := qualified_name(finalizer):
            yield invalid("metadata.finalizers", finalizer, wrong)
    yield from _owners(meta.get("ownerReferences", ()))


def check_labels(labels: Json, path: str) -> Iterator[FieldError]:
    """Judge keys and values of labels, or of a selector."""
    for key, value in labels.items():
        if wrong := qualified_name(key):
            yield invalid(path, key, wrong)
        if wrong := label_value(value):
            yield invalid(path, value, wrong)


def check_annotations(annotations: Json, path: str) -> Iterator[FieldError]:
    """Judge keys of annotations and their size, 256 KiB in all."""
    for key in annotations:
        if wrong := qualified_name(key.lower()):
            yield invalid(path, key, wrong)
    size = sum(len(key) + len(value.encode()) for key, value in annotations.items())
    if size > _ANNOTATIONS_BYTES:
        yield FieldError(
            path,
            "FieldValueTooLong",
            f"Too long: may not be more than {_ANNOTATIONS_BYTES} bytes",
        )


def _owners(owners: list[Json]) -> Iterator[FieldError]:
    path = "metadata.ownerReferences"
    for index, owner in enumerate(owners):
        for field in ("apiVersion", "kind", "name", "uid"):
            if not owner.get(field):
                where = f"{path}[{index}].{field}"
                yield invalid(where, owner.get(field, ""), "must not be empty")
    controllers = [owner for owner in owners if owner.get("controller")]
    if len(controllers) > 1:
        named = " and ".join(f"{o.get('kind')}/{o.get('name')}" for o in controllers)
        yield invalid(
            path,
            owners,
            "Only one reference can have Controller set to true. Found several: "
            f"{named}",
        )


def check_meta_update(old: Json, new: Json) -> list[FieldError]:
    """Judge what nobody may change; the server has put in what it keeps itself."""
    before, after = old["metadata"], new["metadata"]
    errors = [
        invalid(f"metadata.{field}", after.get(field), _IMMUTABLE)
        for field in (
            "name",
            "namespace",
            "uid",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
        )
        if before.get(field) != after.get(field)
    ]
    if "deletionTimestamp" in before:
        added = [
            one
            for one in after.get("finalizers", ())
            if one not in before.get("finalizers", ())
        ]
        if added:
            errors.append(
                forbidden(
                    "metadata.finalizers",
                    "no new finalizers can be added if the object is being deleted, "
                    f"found new finalizers {added}",
                )
            )
    return errors
