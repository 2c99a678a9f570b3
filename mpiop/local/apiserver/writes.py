"""Creating, updating and patching objects."""

from typing import Final

import attrs

from . import schema
from .admission import admit_create, admit_namespace
from .authz import check_escalation
from .context import Backend, Call, Object, decode_json, metadata
from .errors import (
    StatusError,
    already_exists,
    bad_request,
    conflict,
    invalid,
    invalid_patch,
    not_found,
    unsupported_media,
)
from .managed_fields import record_writer
from .ownership import (
    check_preconditions,
    count_generation,
    new_metadata,
    settle,
)
from .schema import DecodeError, PatchError
from .schema.patch import JSON, MERGE, STRATEGIC

_CUSTOM_PATCHES: Final = (JSON, MERGE)
_PATCHES: Final = (JSON, MERGE, STRATEGIC)
_CREATED_BY_UPDATE: Final = frozenset(
    {
        ("", "events"),
        ("", "services"),
        ("coordination.k8s.io", "leases"),
        ("rbac.authorization.k8s.io", "clusterrolebindings"),
        ("rbac.authorization.k8s.io", "clusterroles"),
        ("rbac.authorization.k8s.io", "rolebindings"),
        ("rbac.authorization.k8s.io", "roles"),
    }
)


@attrs.frozen
class Written:
    """An object as a write left it (or would have), and what is to be told."""

    obj: Object
    warnings: tuple[str, ...] = ()
    created: bool = False


def create(backend: Backend, call: Call) -> Written:
    """Make an object.

    Raises:
        StatusError: 400, 403, 404, 409 or 422.
    """
    return create_object(backend, call, call.body())


def create_object(backend: Backend, call: Call, obj: Object) -> Written:
    """Make an object out of a decoded body; see create()."""
    resource = call.resource
    check_type(call, obj)
    admit_namespace(backend, call)
    warnings = decode(call, obj)
    asked = metadata(obj).get("name") or metadata(obj).get("generateName", "")
    new_metadata(backend, call, obj)
    schema.default(resource.schema, obj)
    admit_create(backend, call, obj, asked)
    partial = schema.prepare_create(resource.schema, obj)
    if errors := schema.check(resource.schema, obj):
        raise invalid(resource, metadata(obj).get("name", ""), errors)
    check_escalation(backend, call, obj)
    name = obj["metadata"]["name"]
    key = (call.namespace, name)
    record_writer({}, obj, call, backend.now())
    if existing := backend.store.get(resource.storage, key):
        deleting = "deletionTimestamp" in existing.obj["metadata"]
        raise already_exists(resource, name, deleting=deleting)
    if not call.dry_run:
        stored = resource.storable(obj)
        record = backend.store.put(resource.storage, key, stored, partial=partial)
        obj = record.copy(resource)
    return Written(obj, warnings, created=True)


def update(backend: Backend, call: Call) -> Written:
    """Replace an object, or the part of it that the subresource stands for.

    Raises:
        StatusError: 400, 404, 409 or 422.
    """
    obj = call.body()
    check_type(call, obj)
    warnings = decode(call, obj)
    if metadata(obj).get("name") != call.name:
        given = metadata(obj).get("name", "")
        raise bad_request(
            f"the name of the object ({given}) does not match the name on the URL "
            f"({call.name})"
        )
    if call.record(backend) is None:
        if call.resource.storage in _CREATED_BY_UPDATE and not call.subresource:
            return _create_by_update(backend, call, obj, warnings)
        raise not_found(call.resource, call.name)
    return _replace(backend, call, obj, warnings)


def _create_by_update(
    backend: Backend, call: Call, obj: Object, warnings: tuple[str, ...]
) -> Written:
    if uid := metadata(obj).get("uid"):
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: "
        raise conflict(call.resource, call.name, why)
    version = obj["metadata"].pop("resourceVersion", None)
    made = create_object(backend, call, obj)
    if call.dry_run and version:  # only what is stored gets a version of its own
        made.obj["metadata"]["resourceVersion"] = version
    return attrs.evolve(made, warnings=warnings)


def patch(backend: Backend, call: Call) -> Written:
    """Change an object by a patch of the request's content type.

    Raises:
        StatusError: 400, 404, 409, 415 or 422.
    """
    resource = call.resource
    served = _CUSTOM_PATCHES if resource.custom else _PATCHES
    if call.request.headers.get("content-type", "").partition(";")[0] not in served:
        raise unsupported_media(", ".join(served))
    record = call.record(backend)
    if record is None:
        raise not_found(resource, call.name)
    old = record.copy(resource)
    obj = _patched(call, old)
    check_type(call, obj)
    try:
        warnings = decode(call, obj)
    except StatusError as refusal:
        raise invalid_patch(_patched(call, old), refusal.message) from refusal
    return _replace(backend, call, obj, warnings)


def _patched(call: Call, old: Object) -> Object:
    media = call.request.headers.get("content-type", "")
    change = decode_json(call.request.body)
    try:
        return schema.apply_patch(media, call.resource.schema, old, change)
    except PatchError as error:
        raise StatusError(error.status, error.reason, error.message) from error


def check_type(call: Call, obj: Object) -> None:
    """Let a body be only of the type, and for the namespace, of its path.

    Raises:
        StatusError: 400.
    """
    resource = call.resource
    for field, wanted, words in (
        ("apiVersion", resource.group_version, "API version"),
        ("kind", resource.kind_name, "kind"),
    ):
        given = obj.setdefault(field, wanted)
        if given != wanted:
            raise bad_request(
                f"the {words} in the data ({given}) does not match the expected "
                f"{words} ({wanted})"
            )
    meta = obj.setdefault("metadata", {})
    if not isinstance(meta, dict):
        raise bad_request(f"{resource.kind_name}: metadata is no object")
    if call.namespace and meta.get("namespace", "") not in {"", call.namespace}:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent "
            "on the request"
        )


def decode(call: Call, obj: Object) -> tuple[str, ...]:
    """Drop unknown fields in place; the answer is what to warn of.

    Raises:
        StatusError: 400, a wrong type, or an unknown field where that is an error.
    """
    try:
        unknown = schema.decode(call.resource.schema, obj)
    except DecodeError as error:
        raise bad_request(str(error)) from error
    match call.request.param("fieldValidation") or "Warn":
        case "Ignore":
            return ()
        case "Warn":
            return tuple(unknown)
        case "Strict":
            if unknown:
                raise _strict(call, unknown)
            return ()
        case other:
            raise bad_request(f'fieldValidation: Unsupported value: "{other}"')


def _strict(call: Call, unknown: list[str]) -> StatusError:
    text = f"strict decoding error: {', '.join(unknown)}"
    if call.verb != "patch":
        gvk = call.resource.kind.gvk
        prefix = f'{gvk.kind} in version "{gvk.version}" cannot be handled as a'
        text = f"{prefix} {gvk.kind}: {text}"
    return bad_request(text)


def _replace(
    backend: Backend, call: Call, obj: Object, warnings: tuple[str, ...]
) -> Written:
    resource = call.resource
    record = call.record(backend)
    assert record is not None
    old = record.copy(resource)
    check_preconditions(call, old, metadata(obj))
    errors = settle(call, old, obj)
    if call.subresource:
        errors += schema.check_status_update(resource.schema, old, obj)
    else:
        schema.prepare_update(resource.schema, old, obj)
        schema.default(resource.schema, obj)
        errors += schema.check_update(resource.schema, old, obj)
    if errors:
        raise invalid(resource, call.name, errors)
    check_escalation(backend, call, obj)
    count_generation(call, old, obj)
    record_writer(old, obj, call, backend.now())
    if obj == old and not record.partial:
        return Written(old, warnings)
    if not call.dry_run:
        obj = keep(backend, call, obj)
    return Written(obj, warnings)


def keep(backend: Backend, call: Call, obj: Object) -> Object:
    """Store the next state of an object.

    What takes the last hold off an object that is being deleted is never stored: the
    answer has it at the version before, watchers see the stored state go.
    """
    resource, meta = call.resource, obj["metadata"]
    if (
        "deletionTimestamp" in meta
        and not meta.get("finalizers")
        and not meta.get("deletionGracePeriodSeconds")
        and not (resource.kind_name == "Namespace" and obj["spec"].get("finalizers"))
    ):
        backend.store.remove(resource.storage, call.key)
        return obj
    record = backend.store.put(resource.storage, call.key, resource.storable(obj))
    return record.copy(resource)
