"""EndpointSlices of Services with a selector: who is behind a Service's name.

A Service has one slice per set of resolved ports, so one in all but odd cases.
"""

from collections.abc import Hashable, Iterator
from datetime import datetime
from typing import Any, Final, cast

import orjson

from mpiop.local.client import ENDPOINT_SLICES, PODS, SERVICES, Client, Json

from .cache import Caches, Change
from .objects import (
    controller_reference,
    deleting,
    holds,
    key_of,
    labels_of,
    phase,
    selects,
    uid_of,
)

_SERVICE: Final = "kubernetes.io/service-name"
_MANAGED_BY: Final = "endpointslice.kubernetes.io/managed-by"
_US: Final = "endpointslice-controller.k8s.io"
_HEADLESS: Final = "service.kubernetes.io/headless"


class EndpointController:
    """Keeps the EndpointSlices of one Service."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self._client = client
        self._caches = caches

    def keys(self, change: Change) -> Iterator[Hashable]:
        """The Service itself, that of a slice, or those that select a changed Pod."""
        if change.resource == SERVICES:
            yield key_of(change.last)
        elif change.resource == ENDPOINT_SLICES:
            name = labels_of(change.last).get(_SERVICE)
            if name:
                yield key_of(change.last)[0], name
        elif change.resource == PODS and _endpoint_changed(change):
            yield from self._selecting(change)

    def sync(self, key: Hashable, now: datetime) -> None:
        """Write the slices that the Service should have, delete the others."""
        del now
        namespace, name = cast(tuple[str, str], key)
        service = self._caches.get(SERVICES, namespace, name)
        if service is None or deleting(service) or not _selector(service):
            return
        desired = self._desired(service)
        spare = list(self._slices(service))
        missing: list[tuple[list[dict[str, Any]], list[dict[str, Any]]]] = []
        for ports, endpoints in desired:
            same = next((s for s in spare if (s.get("ports") or []) == ports), None)
            if same is None:
                missing.append((ports, endpoints))
            else:
                spare.remove(same)
                self._write(service, same, ports, endpoints)
        for ports, endpoints in missing:
            self._write(service, spare.pop() if spare else None, ports, endpoints)
        for old in spare:
            self._client.delete(ENDPOINT_SLICES, old)

    def _selecting(self, change: Change) -> Iterator[Hashable]:
        namespace = change.last["metadata"]["namespace"]
        seen = [pod for pod in (change.old, change.new) if pod is not None]
        for service in self._caches.all(SERVICES):
            selector = _selector(service)
            if not selector or service["metadata"]["namespace"] != namespace:
                continue
            if any(selects(selector, labels_of(pod)) for pod in seen):
                yield key_of(service)

    def _desired(
        self, service: Json
    ) -> list[tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
        """Pair ports with the endpoints that have them, endpoints by name."""
        namespace, selector = service["metadata"]["namespace"], _selector(service)
        groups: dict[bytes, list[dict[str, Any]]] = {}
        pods = [
            pod
            for pod in self._caches.all(PODS)
            if pod["metadata"]["namespace"] == namespace
            and selects(selector, labels_of(pod))
            and _reachable(pod)
        ]
        for pod in sorted(pods, key=key_of):
            ports = orjson.dumps(_ports(service, pod))
            groups.setdefault(ports, []).append(_endpoint(service, pod))
        if not groups:
            return [([], [])]
        return [(orjson.loads(ports), group) for ports, group in groups.items()]

    def _slices(self, service: Json) -> Iterator[Json]:
        for kind, obj in self._caches.dependents(uid_of(service)):
            ours = labels_of(obj).get(_MANAGED_BY) == _US
            if kind == ENDPOINT_SLICES and ours and not deleting(obj):
                yield obj

    def _write(
        self,
        service: Json,
        old: Json | None,
        ports: list[dict[str, Any]],
        endpoints: list[dict[str, Any]],
    ) -> None:
        labels = dict(labels_of(service))
        labels |= {_SERVICE: service["metadata"]["name"], _MANAGED_BY: _US}
        if service["spec"].get("clusterIP") == "None":
            labels[_HEADLESS] = ""
        content = {"addressType": "IPv4", "endpoints": endpoints, "ports": ports}
        if old is None:
            meta = {
                "generateName": f"{service['metadata']['name']}-",
                "namespace": service["metadata"]["namespace"],
                "labels": labels,
                "ownerReferences": [controller_reference(service, "v1", "Service")],
            }
            self._client.create(ENDPOINT_SLICES, {"metadata": meta, **content})
        elif labels_of(old) != labels or any(
            (old.get(key) or []) != value for key, value in content.items()
        ):
            body = {**old, "metadata": {**old["metadata"], "labels": labels}, **content}
            self._client.replace(ENDPOINT_SLICES, body)


def _selector(service: Json) -> dict[str, str]:
    if service["spec"].get("type") == "ExternalName":
        return {}
    return dict(service["spec"].get("selector") or {})


def _reachable(pod: Json) -> bool:
    living = phase(pod) in {"Pending", "Running"}
    return living and bool(pod.get("status", {}).get("podIP"))


def _endpoint_changed(change: Change) -> bool:
    if change.old is None or change.new is None:
        return True
    return _facts(change.old) != _facts(change.new)


def _facts(pod: Json) -> tuple[object, ...]:
    """What a slice shows of a Pod, or depends on."""
    address = pod.get("status", {}).get("podIP")
    node = pod["spec"].get("nodeName")
    state = (_reachable(pod), holds(pod, "Ready"), deleting(pod))
    return (address, node, *state, labels_of(pod))


def _endpoint(service: Json, pod: Json) -> dict[str, Any]:
    meta, spec = pod["metadata"], pod["spec"]
    serving, terminating = holds(pod, "Ready"), deleting(pod)
    published = bool(service["spec"].get("publishNotReadyAddresses"))
    endpoint: dict[str, Any] = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {
            "ready": published or (serving and not terminating),
            "serving": serving,
            "terminating": terminating,
        },
        "targetRef": {
            "kind": "Pod",
            "namespace": meta["namespace"],
            "name": meta["name"],
            "uid": meta["uid"],
        },
    }
    if spec.get("nodeName"):
        endpoint["nodeName"] = spec["nodeName"]
    if spec.get("hostname") and spec.get("subdomain") == service["metadata"]["name"]:
        endpoint["hostname"] = spec["hostname"]
    return endpoint


def _ports(service: Json, pod: Json) -> list[dict[str, Any]]:
    """The Service's ports as this Pod has them; a name it does not know is left out."""
    found = []
    for port in service["spec"].get("ports") or ():
        target = port.get("targetPort", port["port"])
        protocol = port.get("protocol", "TCP")
        if isinstance(target, str):
            target = _named_port(pod, target, protocol)
        if target is not None:
            name = port.get("name", "")
            found.append({"name": name, "port": target, "protocol": protocol})
    return found


def _named_port(pod: Json, name: str, protocol: str) -> int | None:
    for container in pod["spec"].get("containers") or ():
        for port in container.get("ports") or ():
            if port.get("name") == name and port.get("protocol", "TCP") == protocol:
                return int(port["containerPort"])
    return None
