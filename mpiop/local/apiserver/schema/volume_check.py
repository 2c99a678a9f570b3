"""Validation of volumes."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from .env_check import check_field_ref
from .errors import FieldError, duplicate, forbidden, invalid, required
from .names import dns_label
from .quantity import parse_quantity

Json = Mapping[str, Any]
_MODES: Final = 0o777
_FIELDS: Final = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
_NEEDED: Final = {
    "secret": "secretName",
    "configMap": "name",
    "hostPath": "path",
    "persistentVolumeClaim": "claimName",
    "csi": "driver",
    "nfs": "server",
    "image": "reference",
}


def check_volumes(volumes: Iterable[Json], path: str) -> Iterator[FieldError]:
    """Judge names and sources of a Pod's volumes."""
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        where, name = f"{path}[{index}]", volume.get("name", "")
        if not name:
            yield required(f"{where}.name")
        elif wrong := dns_label(name):
            yield invalid(f"{where}.name", name, wrong)
        elif name in seen:
            yield duplicate(f"{where}.name", name)
        seen.add(name)
        kinds = [kind for kind in volume if kind != "name"]
        if not kinds:
            yield required(where, "must specify a volume type")
        for kind in kinds[1:]:
            yield forbidden(
                f"{where}.{kind}", "may not specify more than 1 volume type"
            )
        for kind in kinds[:1]:
            yield from _source(kind, volume[kind], f"{where}.{kind}")


def _source(kind: str, source: Json, path: str) -> Iterator[FieldError]:
    if kind in _NEEDED and not source.get(_NEEDED[kind]):
        yield required(f"{path}.{_NEEDED[kind]}")
    yield from _mode(source, "defaultMode", path)
    if kind == "downwardAPI":
        yield from _downward(source, path)
    elif kind == "projected":
        for index, part in enumerate(source.get("sources", ())):
            yield from _projection(part, f"{path}.sources[{index}]")
    elif kind == "emptyDir" and "sizeLimit" in source:
        if parse_quantity(source["sizeLimit"]) < 0:
            text = "SizeLimit field must be a valid resource quantity"
            yield forbidden(f"{path}.sizeLimit", text)
    else:
        yield from _items(source.get("items", ()), f"{path}.items")


def _mode(source: Json, field: str, path: str) -> Iterator[FieldError]:
    if field in source and not 0 <= source[field] <= _MODES:
        text = "must be a number between 0 and 0777 (octal), both inclusive"
        yield invalid(f"{path}.{field}", source[field], text)


def _path(value: str, path: str) -> Iterator[FieldError]:
    if not value:
        yield required(path)
    elif value.startswith("/"):
        yield invalid(path, value, "must be a relative path")
    elif ".." in value.split("/"):
        yield invalid(path, value, "must not contain '..'")
    elif value.startswith(".."):
        yield invalid(path, value, "must not start with '..'")


def _items(items: Iterable[Json], path: str) -> Iterator[FieldError]:
    for index, item in enumerate(items):
        where = f"{path}[{index}]"
        if not item.get("key"):
            yield required(f"{where}.key")
        yield from _path(item.get("path", ""), f"{where}.path")
        yield from _mode(item, "mode", where)


def _downward(source: Json, path: str) -> Iterator[FieldError]:
    for index, item in enumerate(source.get("items", ())):
        where = f"{path}.items[{index}]"
        yield from _path(item.get("path", ""), f"{where}.path")
        yield from _mode(item, "mode", where)
        if "fieldRef" in item:
            yield from check_field_ref(item["fieldRef"], f"{where}.fieldRef", _FIELDS)
        elif "resourceFieldRef" not in item:
            yield required(
                where, "one of fieldRef and resourceFieldRef must be specified"
            )


def _projection(part: Json, path: str) -> Iterator[FieldError]:
    for kind in list(part)[1:]:
        yield forbidden(f"{path}.{kind}", "may not specify more than 1 volume type")
    for kind in list(part)[:1]:
        source, where = part[kind], f"{path}.{kind}"
        if kind in {"secret", "configMap"}:
            if not source.get("name"):
                yield required(f"{where}.name")
            yield from _items(source.get("items", ()), f"{where}.items")
        elif kind == "downwardAPI":
            yield from _downward(source, where)
        elif kind == "serviceAccountToken":
            yield from _path(source.get("path", ""), f"{where}.path")
