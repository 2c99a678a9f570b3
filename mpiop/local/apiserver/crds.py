"""CustomResourceDefinitions: serving what they define, and taking it down again."""

from typing import Final

from .context import Backend, Call, Object
from .deletion import DeleteOptions, delete_record
from .registry import Resource
from .store import Record
from .wire import Request
from .writes import keep

STORAGE: Final = ("apiextensions.k8s.io", "customresourcedefinitions")
_FINALIZER: Final = "customresourcecleanup.apiextensions.k8s.io"


def _call(backend: Backend, name: str) -> Call:
    resource = backend.registry.find("apiextensions.k8s.io/v1", STORAGE[1])
    assert resource is not None
    return Call(Request("PUT", ""), "update", resource, name=name)


def settle_definition(backend: Backend, name: str) -> None:
    """Bring what is served in line with a definition that was written."""
    call = _call(backend, name)
    record = call.record(backend)
    if record is None:
        backend.registry.uninstall(name)
        return
    crd = record.copy(call.resource)
    backend.registry.install(crd)
    if "deletionTimestamp" in crd["metadata"]:
        _take_down(backend, name)
        return
    settled = _established(crd, backend.now())
    finalizers = settled["metadata"].setdefault("finalizers", [])
    if _FINALIZER not in finalizers:
        finalizers.append(_FINALIZER)
    if settled != record.obj:
        keep(backend, call, settled)


def settle_instance(backend: Backend, resource: Resource) -> None:
    """Let a definition go with the last of its objects."""
    name = f"{resource.plural}.{resource.group}"
    record = backend.store.get(STORAGE, ("", name))
    if record is None or "deletionTimestamp" not in record.obj["metadata"]:
        return
    if not backend.store.select(resource.storage):
        call = _call(backend, name)
        crd = record.copy(call.resource)
        left = [one for one in crd["metadata"]["finalizers"] if one != _FINALIZER]
        crd["metadata"]["finalizers"] = left
        keep(backend, call, crd)
        if call.record(backend) is None:
            backend.registry.uninstall(name)


def _take_down(backend: Backend, name: str) -> None:
    for resource in backend.registry.of_crd(name)[:1]:
        for record in backend.store.select(resource.storage):
            _delete_instance(backend, resource, record)
        settle_instance(backend, resource)


def _delete_instance(backend: Backend, resource: Resource, record: Record) -> None:
    meta = record.obj["metadata"]
    request = Request("DELETE", "")
    call = Call(request, "delete", resource, meta.get("namespace", ""), meta["name"])
    delete_record(backend, call, record, DeleteOptions())


def _established(crd: Object, now: str) -> Object:
    names = dict(crd["spec"]["names"])
    storage = next(one["name"] for one in crd["spec"]["versions"] if one.get("storage"))
    status = crd.get("status") or {}
    known = {one["type"]: one for one in status.get("conditions", ())}
    conditions = []
    for type_, reason, message in (
        ("NamesAccepted", "NoConflicts", "no conflicts found"),
        ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ):
        fresh = {
            "type": type_,
            "status": "True",
            "lastTransitionTime": now,
            "reason": reason,
            "message": message,
        }
        conditions.append(known.get(type_, fresh))
    stored = list(dict.fromkeys([*status.get("storedVersions", ()), storage]))
    return {
        **crd,
        "status": {
            "conditions": conditions,
            "acceptedNames": names,
            "storedVersions": stored,
        },
    }
