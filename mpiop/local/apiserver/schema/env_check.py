"""Validation of a container's environment."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .errors import FieldError, invalid, not_supported, required
from .names import config_key, dns_subdomain, env_name

Json = Mapping[str, Any]
_SOURCES: Final = (
    "fieldRef",
    "resourceFieldRef",
    "configMapKeyRef",
    "secretKeyRef",
    "fileKeyRef",
)
_FIELDS: Final = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
_ONE: Final = "may not have more than one field specified at a time"


def check_env(container: Json, path: str) -> Iterator[FieldError]:
    """Judge env and envFrom."""
    for index, variable in enumerate(container.get("env", ())):
        where = f"{path}.env[{index}]"
        name = variable.get("name", "")
        if not name:
            yield required(f"{where}.name")
        elif wrong := env_name(name):
            yield invalid(f"{where}.name", name, wrong)
        if "valueFrom" in variable:
            if variable.get("value"):
                text = "may not be specified when `value` is not empty"
                yield invalid(f"{where}.valueFrom", "", text)
            yield from _value_from(variable["valueFrom"], f"{where}.valueFrom")
    for index, source in enumerate(container.get("envFrom", ())):
        yield from _env_from(source, f"{path}.envFrom[{index}]")


def _value_from(source: Json, path: str) -> Iterator[FieldError]:
    given = [kind for kind in _SOURCES if kind in source]
    if not given:
        text = f"must specify one of: `{'`, `'.join(_SOURCES[:-1])}`"
        yield invalid(path, "", text)
    elif len(given) > 1:
        yield invalid(path, "", _ONE)
    for kind in ("configMapKeyRef", "secretKeyRef"):
        if kind in source:
            ref, where = source[kind], f"{path}.{kind}"
            yield from _ref_name(ref, where)
            if not ref.get("key"):
                yield required(f"{where}.key")
            elif wrong := config_key(ref["key"]):
                yield invalid(f"{where}.key", ref["key"], wrong)
    if "fieldRef" in source:
        yield from check_field_ref(source["fieldRef"], f"{path}.fieldRef", _FIELDS)
    if "resourceFieldRef" in source and not source["resourceFieldRef"].get("resource"):
        yield required(f"{path}.resourceFieldRef.resource")


def check_field_ref(
    ref: Json, path: str, fields: tuple[str, ...]
) -> Iterator[FieldError]:
    """Judge a reference to one of the Pod's own fields."""
    field = ref.get("fieldPath", "")
    if not field:
        yield required(f"{path}.fieldPath")
    elif field.startswith(("metadata.labels['", "metadata.annotations['")):
        if not field.endswith("']"):
            yield invalid(f"{path}.fieldPath", field, "invalid subscript")
    elif field not in fields:
        yield not_supported(f"{path}.fieldPath", field, fields)


def _ref_name(ref: Json, path: str) -> Iterator[FieldError]:
    if not ref.get("name"):
        yield required(f"{path}.name")
    elif wrong := dns_subdomain(ref["name"]):
        yield invalid(f"{path}.name", ref["name"], wrong)


def _env_from(source: Json, path: str) -> Iterator[FieldError]:
    given = [kind for kind in ("configMapRef", "secretRef") if kind in source]
    if not given:
        yield invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
    elif len(given) > 1:
        yield invalid(path, "", _ONE)
    for kind in given:
        yield from _ref_name(source[kind], f"{path}.{kind}")
    if source.get("prefix") and (wrong := env_name(source["prefix"])):
        yield invalid(f"{path}.prefix", source["prefix"], wrong)
