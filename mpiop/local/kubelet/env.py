"""A container's environment, command and arguments, as its Pod asks for them.

Pure, but for the ConfigMaps and Secrets that `Sources` hands over.
"""

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

import attrs

from mpiop.local.kubelet.objects import Json, MissingError, quantity

_REFERENCE: Final = re.compile(r"\$(?:\$|\(([^()$]+)\))")
_SUBSCRIPT: Final = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class Data(Protocol):
    """ConfigMaps and Secrets of a Pod's namespace, fetched before they are asked."""

    def value(self, kind: str, name: str, key: str) -> str | None:
        """Return one value as text, None where object or key is missing."""

    def values(self, kind: str, name: str) -> Mapping[str, str] | None:
        """Return all values as text, None where the object is missing."""


@attrs.frozen
class Facts:
    """What the downward API tells besides the manifest."""

    address: str
    host_address: str
    cpus: int
    memory: int  # bytes


def build(
    pod: Json, container: Json, facts: Facts, data: Data, given: Mapping[str, str]
) -> dict[str, str]:
    """Return a container's environment.

    Args:
        pod: the manifest.
        container: which of its containers.
        facts: for the downward API.
        data: ConfigMaps and Secrets.
        given: variables of ours, which the container's win over.

    Raises:
        MissingError: a ConfigMap, Secret or key that is not optional does not exist.
    """
    env: dict[str, str] = dict(given)
    for source in container.get("envFrom", ()):
        env.update(_from_source(source, data))
    for item in container.get("env", ()):
        if "valueFrom" in item:
            value = _value_from(pod, container, item["valueFrom"], facts, data)
            if value is None:
                continue
        else:
            value = expand(item.get("value", ""), env)
        env[item["name"]] = value
    return env


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace ``$(NAME)``; ``$$`` stands for one ``$``; unknown names stay."""

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        return "$" if name is None else env.get(name, match.group(0))

    return _REFERENCE.sub(replace, text)


def expand_all(words: Sequence[str], env: Mapping[str, str]) -> tuple[str, ...]:
    """Expand each word of a command."""
    return tuple(expand(word, env) for word in words)


def _from_source(source: Json, data: Data) -> Iterator[tuple[str, str]]:
    for field, kind in (("configMapRef", "configmap"), ("secretRef", "secret")):
        if field not in source:
            continue
        reference = source[field]
        values = data.values(kind, reference["name"])
        if values is None:
            if reference.get("optional"):
                continue
            raise MissingError(f'{kind} "{reference["name"]}" not found')
        for name, value in values.items():
            yield source.get("prefix", "") + name, value


def _value_from(
    pod: Json, container: Json, source: Json, facts: Facts, data: Data
) -> str | None:
    if "fieldRef" in source:
        return field(pod, source["fieldRef"]["fieldPath"], facts)
    if "resourceFieldRef" in source:
        return resource(pod, container, source["resourceFieldRef"], facts)
    for name, kind in (("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")):
        if name in source:
            return _key(kind, source[name], data)
    raise MissingError("valueFrom names no source that is supported here")


def _key(kind: str, reference: Json, data: Data) -> str | None:
    name, item = reference["name"], reference["key"]
    value = data.value(kind, name, item)
    if value is not None or reference.get("optional"):
        return value
    if data.values(kind, name) is None:
        raise MissingError(f'{kind} "{name}" not found')
    raise MissingError(f'couldn\'t find key {item} in {kind} "{name}"')


def field(pod: Json, path: str, facts: Facts) -> str:
    """Return what a fieldRef names.

    Raises:
        MissingError: the path is not known here.
    """
    metadata, spec = pod["metadata"], pod["spec"]
    match = _SUBSCRIPT.fullmatch(path)
    if match:
        return str(metadata.get(match[1], {}).get(match[2], ""))
    if path in {"metadata.labels", "metadata.annotations"}:
        items = sorted(metadata.get(path.split(".")[1], {}).items())
        return "\n".join(f'{name}="{_quote(value)}"' for name, value in items)
    known: dict[str, Any] = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata["namespace"],
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", "default"),
        "status.hostIP": facts.host_address,
        "status.hostIPs": facts.host_address,
        "status.podIP": facts.address,
        "status.podIPs": facts.address,
    }
    if path not in known:
        raise MissingError(f"unsupported fieldPath: {path}")
    return str(known[path])


def resource(pod: Json, container: Json, reference: Json, facts: Facts) -> str:
    """Return what a resourceFieldRef names, in units of its divisor, rounded up.

    Raises:
        MissingError: it names a container that the Pod does not have.
    """
    name = reference.get("containerName")
    if name:
        found = (item for item in pod["spec"]["containers"] if item["name"] == name)
        chosen = next(found, None)
        if chosen is None:
            raise MissingError(f"container {name} not found")
        container = chosen
    group, _, item = reference["resource"].partition(".")
    resources = container.get("resources", {})
    value = resources.get(group, {}).get(item)
    if value is None and group == "limits":
        value = {"cpu": facts.cpus, "memory": facts.memory}.get(item)
    divisor = quantity(reference.get("divisor") or 1) or 1
    return str(math.ceil(quantity(value or 0) / divisor))


def _quote(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def machine_facts(address: str, host_address: str) -> Facts:
    """Tell what this machine has."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Facts(address, host_address, os.cpu_count() or 1, pages)
