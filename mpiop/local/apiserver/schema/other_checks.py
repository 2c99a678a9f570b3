"""Validation of the small kinds: Service, ConfigMap, Secret, RBAC and others."""

import base64
import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, Final

from .container_check import check_port
from .errors import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
    too_long,
)
from .meta_check import check_labels
from .names import config_key, dns_label

Json = Mapping[str, Any]
_TYPES: Final = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_MEBIBYTE: Final = 1024 * 1024
_SECRET_KEYS: Final = {
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
}


def check_service(service: Json) -> Iterator[FieldError]:
    """Judge a Service."""
    spec = service["spec"]
    headless = spec.get("clusterIP") == "None"
    if spec["type"] not in _TYPES:
        yield not_supported("spec.type", spec["type"], _TYPES)
    ports = spec.get("ports", ())
    if not ports and not headless and spec["type"] != "ExternalName":
        yield required("spec.ports")
    if spec["type"] == "ExternalName" and not spec.get("externalName"):
        yield required("spec.externalName")
    if headless and spec["type"] in {"NodePort", "LoadBalancer"}:
        text = f"may not be set to 'None' for {spec['type']} services"
        yield invalid("spec.clusterIPs[0]", "None", text)
    if not headless and spec.get("clusterIP") and not _is_address(spec["clusterIP"]):
        text = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
        yield invalid("spec.clusterIPs[0]", spec["clusterIP"], text)
    if spec["sessionAffinity"] not in {"ClientIP", "None"}:
        choices = ("ClientIP", "None")
        yield not_supported("spec.sessionAffinity", spec["sessionAffinity"], choices)
    yield from check_labels(spec.get("selector", {}), "spec.selector")
    yield from _service_ports(ports)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _service_ports(ports: list[Json]) -> Iterator[FieldError]:
    names: set[str] = set()
    numbers: set[tuple[object, object]] = set()
    for index, port in enumerate(ports):
        where, name = f"spec.ports[{index}]", port.get("name", "")
        if not name and len(ports) > 1:
            yield required(f"{where}.name")
        elif name and (wrong := dns_label(name)):
            yield invalid(f"{where}.name", name, wrong)
        elif name in names:
            yield duplicate(f"{where}.name", name)
        names.add(name)
        yield from check_port(port.get("port", 0), f"{where}.port")
        yield from check_port(port.get("targetPort", 0), f"{where}.targetPort")
        if port.get("protocol") not in {"SCTP", "TCP", "UDP"}:
            choices = ("SCTP", "TCP", "UDP")
            yield not_supported(f"{where}.protocol", port.get("protocol", ""), choices)
        number = (port.get("protocol"), port.get("port"))
        if number in numbers:
            pair = {"protocol": number[0], "port": number[1]}
            yield duplicate(where, pair)
        numbers.add(number)


def check_config_map(obj: Json) -> Iterator[FieldError]:
    """Judge keys and size, 1 MiB in all."""
    data, binary = obj.get("data", {}), obj.get("binaryData", {})
    for field, entries in (("data", data), ("binaryData", binary)):
        for key in entries:
            if wrong := config_key(key):
                yield invalid(f"{field}[{key}]", key, wrong)
    for key in data.keys() & binary.keys():
        yield invalid("data", key, f"duplicate of key present in binaryData: {key}")
    size = sum(len(value.encode()) for value in data.values())
    if size + _decoded_size(binary) > _MEBIBYTE:
        yield too_long("", _MEBIBYTE)


def _decoded_size(data: Json) -> int:
    return sum(len(base64.b64decode(value)) for value in data.values())


def check_secret(secret: Json) -> Iterator[FieldError]:
    """Judge keys, size and what the type of a Secret wants."""
    data = secret.get("data", {})
    for key in data:
        if wrong := config_key(key):
            yield invalid(f"data[{key}]", key, wrong)
    if _decoded_size(data) > _MEBIBYTE:
        yield too_long("data", _MEBIBYTE)
    for key in _SECRET_KEYS.get(secret["type"], ()):
        if key not in data:
            yield required(f"data[{key}]")


def check_role(role: Json) -> Iterator[FieldError]:
    """Judge the rules of a Role or ClusterRole."""
    for index, rule in enumerate(role.get("rules") or ()):
        where = f"rules[{index}]"
        if not rule.get("verbs"):
            yield required(f"{where}.verbs", "verbs must contain at least one value")
        if urls := rule.get("nonResourceURLs"):
            where = f"{where}.nonResourceURLs"
            if role.get("kind") == "Role":
                text = "namespaced rules cannot apply to non-resource URLs"
                yield invalid(where, urls, text)
            if any(map(rule.get, ("apiGroups", "resources", "resourceNames"))):
                text = "rules cannot apply to both regular resources and "
                yield invalid(where, urls, f"{text}non-resource URLs")
            continue
        if not rule.get("apiGroups"):
            text = "resource rules must supply at least one api group"
            yield required(f"{where}.apiGroups", text)
        if not rule.get("resources"):
            text = "resource rules must supply at least one resource"
            yield required(f"{where}.resources", text)


_GROUP: Final = "rbac.authorization.k8s.io"
_SUBJECTS: Final = {"ServiceAccount": "", "User": _GROUP, "Group": _GROUP}


def check_binding(binding: Json) -> Iterator[FieldError]:
    """Judge roleRef and subjects of a RoleBinding or ClusterRoleBinding."""
    ref = binding["roleRef"]
    namespaced = binding.get("kind") == "RoleBinding"
    choices = ("ClusterRole", "Role") if namespaced else ("ClusterRole",)
    if ref["apiGroup"] != _GROUP:
        yield not_supported("roleRef.apiGroup", ref["apiGroup"], (_GROUP,))
    if ref.get("kind") not in choices:
        yield not_supported("roleRef.kind", ref.get("kind", ""), choices)
    if not ref.get("name"):
        yield required("roleRef.name")
    for index, subject in enumerate(binding.get("subjects", ())):
        where, kind = f"subjects[{index}]", subject.get("kind", "")
        if not subject.get("name"):
            yield required(f"{where}.name")
        group = _SUBJECTS.get(kind)
        if group is None:
            yield not_supported(f"{where}.kind", kind, _SUBJECTS)
        elif subject.get("apiGroup", "") != group:
            yield not_supported(f"{where}.apiGroup", subject["apiGroup"], (group,))
        if kind == "ServiceAccount" and not (namespaced or subject.get("namespace")):
            yield required(f"{where}.namespace")


def check_event(event: Json) -> Iterator[FieldError]:
    """Judge that an Event lives where its object lives."""
    about = event.get("involvedObject", {}).get("namespace", "")
    own = event["metadata"].get("namespace", "")
    if about != own and not (not about and own == "default"):
        text = "does not match event.namespace"
        yield invalid("involvedObject.namespace", about, text)


def check_lease(lease: Json) -> Iterator[FieldError]:
    """Judge the numbers of a Lease."""
    spec = lease.get("spec", {})
    if spec.get("leaseDurationSeconds", 1) <= 0:
        text = "must be greater than 0"
        where = "spec.leaseDurationSeconds"
        yield invalid(where, spec["leaseDurationSeconds"], text)
    if spec.get("leaseTransitions", 0) < 0:
        text = "must be greater than or equal to 0"
        yield invalid("spec.leaseTransitions", spec["leaseTransitions"], text)


def check_endpoint_slice(obj: Json) -> Iterator[FieldError]:
    """Judge the addresses of an EndpointSlice."""
    kind = obj.get("addressType", "")
    if kind not in {"FQDN", "IPv4", "IPv6"}:
        yield not_supported("addressType", kind, ("FQDN", "IPv4", "IPv6"))
    for index, endpoint in enumerate(obj.get("endpoints", ())):
        addresses = endpoint.get("addresses", ())
        if not addresses:
            text = "must contain at least 1 address"
            yield required(f"endpoints[{index}].addresses", text)
        for at, address in enumerate(addresses):
            if kind != "FQDN" and not _is_address(address):
                where = f"endpoints[{index}].addresses[{at}]"
                yield invalid(where, address, "must be a valid IP address")


def check_priority_class(obj: Json) -> Iterator[FieldError]:
    """Judge a user's PriorityClass."""
    highest = 1_000_000_000
    name = obj["metadata"].get("name", "")
    if obj.get("value", 0) > highest and not name.startswith("system-"):
        text = f"maximum allowed value of a user defined priority is {highest}"
        yield forbidden("value", text)
