"""Deleting: preconditions, grace, finalizers and what becomes of dependents."""

from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from .context import Backend, Call, Object, part, timestamp
from .errors import bad_request, not_found, other_than_meant, success
from .store import Record
from .wire import Response
from .writes import keep

_POLICY_FINALIZERS: Final = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}
_POLICIES: Final = frozenset({"Background", *_POLICY_FINALIZERS})
_RETURNED: Final = frozenset({("", "pods"), ("", "serviceaccounts"), ("", "services")})
"""Kinds whose deletion answers with the object instead of a Status."""
_JOBS: Final = ("batch", "jobs")
_JOB_WARNING: Final = (
    "child pods are preserved by default when jobs are deleted; set "
    "propagationPolicy=Background to remove them or set propagationPolicy=Orphan to "
    "suppress this warning"
)
_LONGEST_GRACE: Final = 2**31 - 1
_DONE: Final = frozenset({"Succeeded", "Failed"})


@attrs.frozen
class DeleteOptions:
    """How to delete: seconds of grace (None: as the object says), and on what terms."""

    grace: int | None = None
    policy: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False


def delete_options(call: Call) -> DeleteOptions:
    """Read the options of a call, from its body or its query.

    Raises:
        StatusError: 400.
    """
    return options_from(call.body() if call.request.body.strip() else {}, call)


def options_from(body: dict[str, Any], call: Call) -> DeleteOptions:
    """Read the options of a decoded body, completed by the call's query; see above."""
    param = call.request.param
    grace: Any = body.get("gracePeriodSeconds", param("gracePeriodSeconds") or None)
    policy = body.get("propagationPolicy") or param("propagationPolicy") or None
    orphan = body.get("orphanDependents", param("orphanDependents") or None)
    if policy is None and orphan is not None:
        policy = "Orphan" if orphan in (True, "true") else "Background"
    if policy is not None and policy not in tuple(_POLICIES):
        raise bad_request(f'propagationPolicy: Unsupported value: "{policy}"')
    preconditions = part(body, "preconditions")
    dry_run = body.get("dryRun") or []
    if dry_run not in ([], ["All"]):
        raise bad_request(f"dryRun: Unsupported value: {dry_run}")
    try:
        grace = None if grace is None else int(grace)
    except (TypeError, ValueError) as error:
        raise bad_request(f"gracePeriodSeconds: {error}") from error
    if grace is not None and abs(grace) > _LONGEST_GRACE:
        raise bad_request(f"gracePeriodSeconds: {grace} is out of range")
    return DeleteOptions(
        grace,
        policy,
        preconditions.get("uid"),
        preconditions.get("resourceVersion"),
        call.dry_run or bool(dry_run),
    )


def delete(backend: Backend, call: Call) -> Response:
    """Delete one object.

    Raises:
        StatusError: 400, 404 or 409.
    """
    record = call.record(backend)
    if record is None:
        raise not_found(call.resource, call.name)
    return delete_record(backend, call, record, delete_options(call))


def delete_record(
    backend: Backend, call: Call, record: Record, options: DeleteOptions
) -> Response:
    """Delete an object that was found; see delete()."""
    _check_preconditions(call, record.obj, options)
    if call.resource.storage == _JOBS and options.policy is None:
        answer = _delete_marked(backend, call, record, _orphaning(record, options))
        return attrs.evolve(answer, warnings=(_JOB_WARNING,))
    return _delete_marked(backend, call, record, options)


def _orphaning(record: Record, options: DeleteOptions) -> DeleteOptions:
    """What a Job's deletion means that does not say: as before policies came up."""
    chosen = record.obj["metadata"].get("finalizers", ())
    if any(one in _POLICY_FINALIZERS.values() for one in chosen):
        return options
    return attrs.evolve(options, policy="Orphan")


def _delete_marked(
    backend: Backend, call: Call, record: Record, options: DeleteOptions
) -> Response:
    old = record.copy(call.resource)
    new = record.copy(call.resource)
    _mark(backend, new, options)
    meta = new["metadata"]
    stays = (
        meta.get("finalizers")
        or meta["deletionGracePeriodSeconds"]
        or (new["kind"] == "Namespace" and new["spec"].get("finalizers"))
    )
    if options.dry_run:
        return Response(200, new)
    if stays:
        return Response(200, new if new == old else keep(backend, call, new))
    # Watchers see the grace shortened to nothing before the object goes, as from etcd:
    # of Pods, the one kind that has grace.
    resource = call.resource
    if marked := new["kind"] == "Pod" and new != old:
        backend.store.put(resource.storage, call.key, resource.storable(new))
    last = backend.store.remove(resource.storage, call.key).copy(resource)
    if marked or resource.storage in _RETURNED:
        return Response(200, last)
    details = {
        "name": call.name,
        "group": resource.group,
        "kind": resource.plural,
        "uid": meta["uid"],
    }
    return Response(200, success({k: v for k, v in details.items() if v}))


def _check_preconditions(call: Call, obj: Object, options: DeleteOptions) -> None:
    meta = obj["metadata"]
    for field, words, wanted, guess in (
        ("uid", "UID", options.uid, "deleted and then recreated"),
        (
            "resourceVersion",
            "ResourceVersion",
            options.resource_version,
            "modified",
        ),
    ):
        if wanted is not None and wanted != meta[field]:
            why = (
                f"the {words} in the precondition ({wanted}) does not match the "
                f"{words} in record ({meta[field]}). The object might have been {guess}"
            )
            raise other_than_meant(call.resource, call.name, why)


def _mark(backend: Backend, obj: Object, options: DeleteOptions) -> None:
    """Set deletionTimestamp, grace and the finalizer of the policy."""
    meta = obj["metadata"]
    first = "deletionTimestamp" not in meta
    grace = _grace(obj, options)
    if first:
        meta["deletionTimestamp"] = timestamp(backend.clock() + timedelta(0, grace))
        meta["deletionGracePeriodSeconds"] = grace
        if "generation" in meta:
            meta["generation"] += 1
        if obj["kind"] == "Namespace":
            obj.setdefault("status", {})["phase"] = "Terminating"
    elif grace < meta.get("deletionGracePeriodSeconds", 0):
        earlier = meta["deletionGracePeriodSeconds"] - grace
        end = datetime.fromisoformat(meta["deletionTimestamp"])
        meta["deletionTimestamp"] = timestamp(end - timedelta(0, earlier))
        meta["deletionGracePeriodSeconds"] = grace
    if options.policy is not None and obj["kind"] != "Event":  # it owns nothing
        _apply_policy(meta, options.policy)


def _apply_policy(meta: Object, policy: str) -> None:
    others = [
        one
        for one in meta.get("finalizers", ())
        if one not in _POLICY_FINALIZERS.values()
    ]
    if wanted := _POLICY_FINALIZERS.get(policy):
        others.append(wanted)
    meta.pop("finalizers", None)
    if others:
        meta["finalizers"] = others


def _grace(obj: Object, options: DeleteOptions) -> int:
    """Give the seconds until the object may go; only Pods on a node have any."""
    if obj["kind"] != "Pod":
        return 0
    meta, spec = obj["metadata"], obj["spec"]
    if not spec.get("nodeName") or obj["status"].get("phase") in _DONE:
        return 0
    grace = options.grace
    if grace is None:
        known = meta.get("deletionGracePeriodSeconds")
        grace = spec["terminationGracePeriodSeconds"] if known is None else known
    # A negative grace is the shortest there is, but not "at once".
    return grace if grace >= 0 else 1
