"""Semantic validation: the causes of a 422 answer."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import attrs

from .crd_check import check_crd
from .custom import CustomKind
from .errors import FieldError
from .job_check import check_job, check_new_job
from .kinds import BUILTINS, Gvk
from .meta_check import check_meta, check_meta_update
from .names import Syntax, dns_label, dns_label_1035, dns_subdomain, path_segment
from .other_checks import (
    check_binding,
    check_config_map,
    check_endpoint_slice,
    check_event,
    check_lease,
    check_priority_class,
    check_role,
    check_secret,
    check_service,
)
from .pod_check import check_pod
from .update_checks import (
    immutable,
    update_binding,
    update_crd,
    update_data,
    update_job,
    update_pod,
    update_service,
)

Json = Mapping[str, Any]


def check(kind: Gvk | CustomKind, obj: Json) -> list[FieldError]:
    """Judge an object that is to be created, defaults already in."""
    if isinstance(kind, CustomKind):
        return kind.check(obj)
    return _check(kind, obj) + list(_RULES.get(kind, _Rules()).new(obj))


def check_update(kind: Gvk | CustomKind, old: Json, new: Json) -> list[FieldError]:
    """Judge the new state of an object: all of `check`, and what must not change."""
    if isinstance(kind, CustomKind):
        return kind.check(new, old)
    updated = _RULES.get(kind, _Rules()).update(old, new)
    return check_meta_update(old, new) + _check(kind, new) + list(updated)


def check_status_update(
    kind: Gvk | CustomKind, old: Json, new: Json
) -> list[FieldError]:
    """Judge a write to the status subresource: metadata, a custom status schema."""
    if isinstance(kind, CustomKind):
        return kind.check(new, old)
    return check_meta_update(old, new)


def _check(kind: Gvk, obj: Json) -> list[FieldError]:
    rules = _RULES.get(kind, _Rules())
    errors = check_meta(obj, namespaced=BUILTINS[kind].namespaced, name=rules.name)
    return errors + list(rules.always(obj))


def _nothing(_obj: Json) -> Iterator[FieldError]:
    return iter(())


def _anything(_old: Json, _new: Json) -> Iterator[FieldError]:
    return iter(())


@attrs.frozen
class _Rules:
    always: Callable[[Json], Iterator[FieldError]] = _nothing
    update: Callable[[Json, Json], Iterator[FieldError]] = _anything
    name: Syntax = dns_subdomain
    new: Callable[[Json], Iterator[FieldError]] = _nothing


_RBAC: Final = "rbac.authorization.k8s.io/v1"
_RULES: Final[dict[Gvk, _Rules]] = {
    Gvk("v1", "Pod"): _Rules(check_pod, update_pod),
    Gvk("batch/v1", "Job"): _Rules(check_job, update_job, new=check_new_job),
    Gvk("v1", "Service"): _Rules(check_service, update_service, dns_label_1035),
    Gvk("v1", "ConfigMap"): _Rules(check_config_map, update_data),
    Gvk("v1", "Secret"): _Rules(check_secret, update_data),
    Gvk("v1", "Namespace"): _Rules(name=dns_label),
    Gvk("v1", "Event"): _Rules(check_event),
    Gvk(_RBAC, "Role"): _Rules(check_role, name=path_segment),
    Gvk(_RBAC, "ClusterRole"): _Rules(check_role, name=path_segment),
    Gvk(_RBAC, "RoleBinding"): _Rules(check_binding, update_binding, path_segment),
    Gvk(_RBAC, "ClusterRoleBinding"): _Rules(
        check_binding, update_binding, path_segment
    ),
    Gvk("coordination.k8s.io/v1", "Lease"): _Rules(check_lease),
    Gvk("discovery.k8s.io/v1", "EndpointSlice"): _Rules(
        check_endpoint_slice, immutable("addressType")
    ),
    Gvk("scheduling.k8s.io/v1", "PriorityClass"): _Rules(
        check_priority_class, immutable("value", "preemptionPolicy")
    ),
    Gvk("apiextensions.k8s.io/v1", "CustomResourceDefinition"): _Rules(
        check_crd, update_crd
    ),
}
