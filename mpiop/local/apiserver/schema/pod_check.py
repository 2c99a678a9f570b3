"""Validation of Pods and of Pod templates."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from .container_check import check_containers
from .errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from .meta_check import check_annotations, check_labels
from .names import dns_label, dns_subdomain, qualified_name
from .volume_check import check_volumes

Json = Mapping[str, Any]
_RESTART: Final = ("Always", "Never", "OnFailure")
_DNS: Final = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_EFFECTS: Final = ("NoExecute", "NoSchedule", "PreferNoSchedule")
_MAX_INT32: Final = 2**31 - 1


def at_least(spec: Json, fields: Iterable[str], path: str) -> Iterator[FieldError]:
    """Find numbers below zero."""
    for field in fields:
        if spec.get(field, 0) < 0:
            yield invalid(
                f"{path}.{field}", spec[field], "must be greater than or equal to 0"
            )


def between(value: int, path: str, low: int, high: int) -> Iterator[FieldError]:
    """Find a number out of bounds."""
    if not low <= value <= high:
        yield invalid(path, value, f"must be between {low} and {high}, inclusive")


def check_pod(pod: Json) -> Iterator[FieldError]:
    """Judge a Pod's own spec."""
    yield from check_pod_spec(pod.get("spec", {}), "spec")


def check_template(template: Json, path: str) -> Iterator[FieldError]:
    """Judge a Pod template; labels and annotations are named as the server does."""
    meta = template.get("metadata", {})
    yield from check_labels(meta.get("labels", {}), f"{path}.labels")
    yield from check_annotations(meta.get("annotations", {}), f"{path}.annotations")
    yield from check_pod_spec(template.get("spec", {}), f"{path}.spec")


def check_pod_spec(spec: Json, path: str) -> Iterator[FieldError]:
    """Judge what a Pod and a Pod template have in common."""
    volumes = {volume.get("name", "") for volume in spec.get("volumes", ())}
    yield from check_volumes(spec.get("volumes", ()), f"{path}.volumes")
    yield from check_containers(spec, path, volumes)
    for field, choices in (("restartPolicy", _RESTART), ("dnsPolicy", _DNS)):
        if spec.get(field) not in choices:
            yield not_supported(f"{path}.{field}", spec.get(field, ""), choices)
    if spec.get("dnsPolicy") == "None" and not spec.get("dnsConfig", {}).get(
        "nameservers"
    ):
        yield required(
            f"{path}.dnsConfig.nameservers",
            "must provide at least one DNS nameserver when `dnsPolicy` is None",
        )
    yield from at_least(spec, ("terminationGracePeriodSeconds",), path)
    if "activeDeadlineSeconds" in spec:
        where = f"{path}.activeDeadlineSeconds"
        yield from between(spec["activeDeadlineSeconds"], where, 1, _MAX_INT32)
    yield from _names(spec, path)
    yield from check_labels(spec.get("nodeSelector", {}), f"{path}.nodeSelector")
    yield from _tolerations(spec.get("tolerations", ()), f"{path}.tolerations")
    yield from _gates(spec, path)
    for field in ("runAsUser", "runAsGroup", "fsGroup"):
        if field in spec.get("securityContext", {}):
            where = f"{path}.securityContext.{field}"
            yield from between(spec["securityContext"][field], where, 0, _MAX_INT32)


def _names(spec: Json, path: str) -> Iterator[FieldError]:
    for field, syntax in (
        ("hostname", dns_label),
        ("subdomain", dns_label),
        ("nodeName", dns_subdomain),
        ("serviceAccountName", dns_subdomain),
        ("priorityClassName", dns_subdomain),
    ):
        if spec.get(field) and (wrong := syntax(spec[field])):
            yield invalid(f"{path}.{field}", spec[field], wrong)


def _tolerations(tolerations: Iterable[Json], path: str) -> Iterator[FieldError]:
    for index, one in enumerate(tolerations):
        where = f"{path}[{index}]"
        operator = one.get("operator", "Equal")
        if one.get("key") and (wrong := qualified_name(one["key"])):
            yield invalid(f"{where}.key", one["key"], wrong)
        if not one.get("key") and operator != "Exists":
            yield invalid(
                f"{where}.operator",
                operator,
                "operator must be Exists when `key` is empty, which means "
                '"match all values and all keys"',
            )
        if operator not in {"Equal", "Exists"}:
            yield not_supported(f"{where}.operator", operator, ("Equal", "Exists"))
        elif operator == "Exists" and one.get("value"):
            yield invalid(
                f"{where}.operator",
                dict(one),
                "value must be empty when `operator` is 'Exists'",
            )
        if one.get("effect") and one["effect"] not in _EFFECTS:
            yield not_supported(f"{where}.effect", one["effect"], _EFFECTS)


def _gates(spec: Json, path: str) -> Iterator[FieldError]:
    names = [gate.get("name", "") for gate in spec.get("schedulingGates", ())]
    for index, name in enumerate(names):
        where = f"{path}.schedulingGates[{index}]"
        if wrong := qualified_name(name):
            yield invalid(where, name, wrong)
        if name in names[:index]:
            yield duplicate(where, name)
    if names and spec.get("nodeName"):
        yield forbidden(
            f"{path}.nodeName",
            "cannot be set until all schedulingGates have been cleared",
        )
    for index, gate in enumerate(spec.get("readinessGates", ())):
        if wrong := qualified_name(gate.get("conditionType", "")):
            where = f"{path}.readinessGates[{index}].conditionType"
            yield invalid(where, gate.get("conditionType", ""), wrong)
