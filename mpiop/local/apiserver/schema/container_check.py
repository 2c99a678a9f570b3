"""Validation of containers: names, images, ports, environment, probes, resources."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from .env_check import check_env
from .errors import (
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
)
from .names import dns_label, port_name, qualified_name
from .quantity import parse_quantity

Json = Mapping[str, Any]
_PULL: Final = ("Always", "IfNotPresent", "Never")
_MESSAGE: Final = ("FallbackToLogsOnError", "File")
_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_HANDLERS: Final = ("exec", "httpGet", "tcpSocket", "grpc")
_PROBES: Final = ("livenessProbe", "readinessProbe", "startupProbe")
_STANDARD: Final = ("cpu", "memory", "ephemeral-storage")
_TIMES: Final = (
    "initialDelaySeconds",
    "timeoutSeconds",
    "periodSeconds",
    "successThreshold",
    "failureThreshold",
)
_MAX_PORT: Final = 65535
_MAX_ID: Final = 2**31 - 1


def check_containers(spec: Json, path: str, volumes: set[str]) -> Iterator[FieldError]:
    """Judge init and main containers; `volumes` are the names that mounts may use."""
    if not spec.get("containers"):
        yield required(f"{path}.containers")
    seen: set[str] = set()
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field, ())):
            where = f"{path}.{field}[{index}]"
            name = container.get("name", "")
            if not name:
                yield required(f"{where}.name")
            elif wrong := dns_label(name):
                yield invalid(f"{where}.name", name, wrong)
            elif name in seen:
                yield duplicate(f"{where}.name", name)
            seen.add(name)
            yield from _container(container, where)
            yield from _mounts(container, where, volumes)
            if field == "initContainers":
                yield from _init_only(container, where)


def _init_only(container: Json, path: str) -> Iterator[FieldError]:
    policy = container.get("restartPolicy")
    if policy not in {None, "Always"}:
        yield not_supported(f"{path}.restartPolicy", policy, ("Always",))
    for field in ("lifecycle", *_PROBES):
        if field in container and policy != "Always":
            yield forbidden(
                f"{path}.{field}",
                "may not be set for init containers without restartPolicy=Always",
            )


def _container(container: Json, path: str) -> Iterator[FieldError]:
    image = container.get("image", "")
    if not image:
        yield required(f"{path}.image")
    elif image != image.strip():
        text = "must not have leading or trailing whitespace"
        yield invalid(f"{path}.image", image, text)
    for field, choices in (
        ("imagePullPolicy", _PULL),
        ("terminationMessagePolicy", _MESSAGE),
    ):
        if container.get(field) not in choices:
            yield not_supported(f"{path}.{field}", container.get(field, ""), choices)
    yield from _ports(container.get("ports", ()), f"{path}.ports")
    yield from check_env(container, path)
    yield from _hooks(container, path)
    yield from _resources(container.get("resources", {}), f"{path}.resources")
    for field in ("runAsUser", "runAsGroup"):
        value = container.get("securityContext", {}).get(field, 0)
        if not 0 <= value <= _MAX_ID:
            where = f"{path}.securityContext.{field}"
            text = f"must be between 0 and {_MAX_ID}, inclusive"
            yield invalid(where, value, text)


def _hooks(container: Json, path: str) -> Iterator[FieldError]:
    for field in _PROBES:
        if field in container:
            yield from _probe(container[field], f"{path}.{field}")
            if field != "readinessProbe" and container[field]["successThreshold"] > 1:
                where = f"{path}.{field}.successThreshold"
                yield invalid(where, container[field]["successThreshold"], "must be 1")
    for name, hook in container.get("lifecycle", {}).items():
        if name in {"postStart", "preStop"}:
            yield from _handler(hook, f"{path}.lifecycle.{name}", (*_HANDLERS, "sleep"))


def check_port(value: object, path: str) -> Iterator[FieldError]:
    """Judge a port: a number or a container port's name."""
    if isinstance(value, int):
        if not 1 <= value <= _MAX_PORT:
            text = f"must be between 1 and {_MAX_PORT}, inclusive"
            yield invalid(path, value, text)
    elif wrong := port_name(str(value or "")):
        yield invalid(path, value, wrong)


def _ports(ports: Iterable[Json], path: str) -> Iterator[FieldError]:
    names: set[str] = set()
    for index, port in enumerate(ports):
        where = f"{path}[{index}]"
        if name := port.get("name"):
            if wrong := port_name(name):
                yield invalid(f"{where}.name", name, wrong)
            if name in names:
                yield duplicate(f"{where}.name", name)
            names.add(name)
        if not port.get("containerPort"):
            yield required(f"{where}.containerPort")
        else:
            yield from check_port(port["containerPort"], f"{where}.containerPort")
        if port.get("protocol") not in _PROTOCOLS:
            yield not_supported(
                f"{where}.protocol", port.get("protocol", ""), _PROTOCOLS
            )


def _mounts(container: Json, path: str, volumes: set[str]) -> Iterator[FieldError]:
    paths: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts", ())):
        where = f"{path}.volumeMounts[{index}]"
        name, target = mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            yield required(f"{where}.name")
        elif name not in volumes:
            yield not_found(f"{where}.name", name)
        if not target:
            yield required(f"{where}.mountPath")
        elif target in paths:
            yield invalid(f"{where}.mountPath", target, "must be unique")
        paths.add(target)
        for field in ("subPath", "subPathExpr"):
            value = mount.get(field, "")
            if value.startswith("/"):
                yield invalid(f"{where}.{field}", value, "must be a relative path")
            elif ".." in value.split("/"):
                yield invalid(f"{where}.{field}", value, "must not contain '..'")


def _probe(probe: Json, path: str) -> Iterator[FieldError]:
    yield from _handler(probe, path, _HANDLERS)
    for field in _TIMES:
        if probe.get(field, 0) < 0:
            yield invalid(
                f"{path}.{field}", probe[field], "must be greater than or equal to 0"
            )


def _handler(hook: Json, path: str, kinds: tuple[str, ...]) -> Iterator[FieldError]:
    given = [kind for kind in kinds if kind in hook]
    if not given:
        yield required(path, "must specify a handler type")
    for kind in given[1:]:
        yield forbidden(f"{path}.{kind}", "may not specify more than 1 handler type")
    if "exec" in hook and not hook["exec"].get("command"):
        yield required(f"{path}.exec.command")
    for kind in ("httpGet", "tcpSocket", "grpc"):
        if kind in hook:
            yield from check_port(hook[kind].get("port"), f"{path}.{kind}.port")
    scheme = hook.get("httpGet", {}).get("scheme", "HTTP")
    if scheme not in {"HTTP", "HTTPS"}:
        yield not_supported(f"{path}.httpGet.scheme", scheme, ("HTTP", "HTTPS"))


def _resources(resources: Json, path: str) -> Iterator[FieldError]:
    limits, requests = resources.get("limits", {}), resources.get("requests", {})
    for field, amounts in (("limits", limits), ("requests", requests)):
        for name, amount in amounts.items():
            yield from _amount(name, amount, f"{path}.{field}")
    for name, request in requests.items():
        extended = not _is_standard(name)
        if name not in limits:
            if extended:
                text = "Limit must be set for non overcommitable resources"
                yield required(f"{path}.limits", text)
            continue
        limit, where = limits[name], f"{path}.requests"
        if extended and parse_quantity(request) != parse_quantity(limit):
            yield invalid(where, request, f"must be equal to {name} limit of {limit}")
        elif parse_quantity(request) > parse_quantity(limit):
            text = f"must be less than or equal to {name} limit of {limit}"
            yield invalid(where, request, text)


def _is_standard(name: str) -> bool:
    return name in _STANDARD or "/" not in name


def _amount(name: str, amount: str, path: str) -> Iterator[FieldError]:
    where = f"{path}[{name}]"
    if wrong := qualified_name(name):
        yield invalid(where, name, wrong)
    elif "/" not in name and not (name in _STANDARD or name.startswith("hugepages-")):
        yield invalid(where, name, "must be a standard resource for containers")
    value = parse_quantity(amount)
    if value < 0:
        yield invalid(where, amount, "must be greater than or equal to 0")
    elif not _is_standard(name) and value != value.to_integral_value():
        yield invalid(where, amount, "must be an integer")
