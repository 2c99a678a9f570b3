"""Validation of CustomResourceDefinitions: schemas must be usable, rules compile."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .errors import FieldError, invalid, not_supported, required
from .json_path import compile_path
from .names import dns_label_1035, dns_subdomain
from .openapi_check import compiled
from .rules import RULES, program
from .structural import PRESERVE

Json = Mapping[str, Any]


def check_crd(crd: Json) -> Iterator[FieldError]:
    """Judge a definition."""
    spec = crd["spec"]
    names, group = spec.get("names", {}), spec.get("group", "")
    wanted = f"{names.get('plural', '')}.{group}"
    if crd["metadata"].get("name") != wanted:
        text = f'must be spec.names.plural+"."+spec.group ({wanted})'
        yield invalid("metadata.name", crd["metadata"].get("name", ""), text)
    if not group:
        yield required("spec.group")
    elif wrong := dns_subdomain(group):
        yield invalid("spec.group", group, wrong)
    if spec.get("scope") not in {"Cluster", "Namespaced"}:
        choices = ("Cluster", "Namespaced")
        yield not_supported("spec.scope", spec.get("scope", ""), choices)
    yield from _names(names)
    if spec["conversion"]["strategy"] != "None":
        strategy = spec["conversion"]["strategy"]
        yield not_supported("spec.conversion.strategy", strategy, ("None",))
    yield from _versions(spec.get("versions", ()))


def _names(names: Json) -> Iterator[FieldError]:
    for field in ("plural", "singular", "kind", "listKind"):
        value = names.get(field, "")
        if not value:
            yield required(f"spec.names.{field}")
        elif wrong := dns_label_1035(value.lower()):
            yield invalid(f"spec.names.{field}", value, wrong)
    for index, name in enumerate(names.get("shortNames", ())):
        if wrong := dns_label_1035(name):
            yield invalid(f"spec.names.shortNames[{index}]", name, wrong)


def _versions(versions: list[Json]) -> Iterator[FieldError]:
    if sum(bool(version.get("storage")) for version in versions) != 1:
        text = "must have exactly one version marked as storage version"
        yield invalid("spec.versions", [v.get("name") for v in versions], text)
    for index, version in enumerate(versions):
        where = f"spec.versions[{index}]"
        if wrong := dns_label_1035(version.get("name", "")):
            yield invalid(f"{where}.name", version.get("name", ""), wrong)
        schema = version.get("schema", {}).get("openAPIV3Schema")
        if schema is None:
            text = "schemas are required"
            yield required(f"{where}.schema.openAPIV3Schema", text)
        else:
            yield from _schema(schema, f"{where}.schema.openAPIV3Schema")
        for at, column in enumerate(version.get("additionalPrinterColumns", ())):
            there = f"{where}.additionalPrinterColumns[{at}]"
            yield from _column(column, there)


def _column(column: Json, path: str) -> Iterator[FieldError]:
    types = ("boolean", "date", "integer", "number", "string")
    if not column.get("name"):
        yield required(f"{path}.name")
    if column.get("type") not in types:
        yield not_supported(f"{path}.type", column.get("type", ""), types)
    try:
        compile_path(column.get("jsonPath", ""))
    except ValueError as error:
        yield invalid(f"{path}.jsonPath", column.get("jsonPath", ""), str(error))


def _schema(schema: Json, path: str) -> Iterator[FieldError]:
    if not (
        schema.get("type")
        or schema.get(PRESERVE)
        or schema.get("x-kubernetes-int-or-string")
    ):
        text = "must not be empty for specified object fields"
        yield required(f"{path}.type", text)
    if schema.get("additionalProperties") is False:
        yield FieldError(
            f"{path}.additionalProperties",
            "FieldValueForbidden",
            "Forbidden: must not be false",
        )
    if "pattern" in schema:
        try:
            compiled(schema["pattern"])
        except re.error as error:
            yield invalid(f"{path}.pattern", schema["pattern"], f"{error}")
    for index, rule in enumerate(schema.get(RULES, ())):
        yield from _rule(rule, f"{path}.{RULES}[{index}]")
    for name, part in schema.get("properties", {}).items():
        yield from _schema(part, f"{path}.properties[{name}]")
    for field in ("items", "additionalProperties"):
        if isinstance(schema.get(field), Mapping):
            yield from _schema(schema[field], f"{path}.{field}")


def _rule(rule: Json, path: str) -> Iterator[FieldError]:
    if not rule.get("rule"):
        yield required(f"{path}.rule")
    for field in ("rule", "messageExpression"):
        source = rule.get(field, "").strip()
        if not source:
            continue
        try:
            program(source)
        except ValueError as error:
            yield invalid(f"{path}.{field}", source, f"compilation failed: {error}")
