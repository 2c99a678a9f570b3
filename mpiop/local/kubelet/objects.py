"""Kubernetes objects as plain JSON, and the few ways the kubelet reads them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

Json = Mapping[str, Any]

_UNITS: Final = {
    **{unit: 1000.0**power for power, unit in enumerate(("", "k", "M", "G", "T", "P"))},
    **{f"{unit}i": 1024.0**power for power, unit in enumerate("KMGTP", 1)},
    "m": 1e-3,
    "u": 1e-6,
    "n": 1e-9,
}


class MissingError(Exception):
    """Something that a Pod refers to does not exist (yet); the text names it."""


def key(obj: Json) -> tuple[str, str]:
    """Return namespace and name of an object."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def quantity(text: object) -> float:
    """Read a resource quantity that the API server has accepted, such as ``100m``."""
    digits = str(text).strip()
    number = digits.rstrip("kKMGTPinum")
    return float(number) * _UNITS[digits[len(number) :]]


def hostname(pod: Json) -> str:
    """Return the host name a Pod sees, as the kubelet derives it."""
    name: str = pod["spec"].get("hostname") or pod["metadata"]["name"]
    return name[:63].rstrip("-.")


def ports(pod: Json) -> list[int]:
    """List the ports that a Pod's containers declare, or are probed on."""
    found: set[object] = set()
    for container in all_containers(pod):
        found |= {port.get("containerPort") for port in container.get("ports") or ()}
        for probe in ("readinessProbe", "livenessProbe", "startupProbe"):
            for action in (container.get(probe) or {}).values():
                found.add(action.get("port") if isinstance(action, Mapping) else None)
    return sorted(port for port in found if isinstance(port, int))


def timestamp(now: datetime | None = None) -> str:
    """Write a time as the API does, in seconds."""
    moment = now or datetime.now(UTC)
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def terminating(pod: Json) -> bool:
    """Tell whether a Pod's deletion has been asked for."""
    return bool(pod["metadata"].get("deletionTimestamp"))


def all_containers(pod: Json) -> list[Json]:
    """List init containers, then the others."""
    spec = pod["spec"]
    return [*spec.get("initContainers", ()), *spec["containers"]]
