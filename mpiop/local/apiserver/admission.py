"""What the API server's admission plug-ins do to new objects."""

import ipaddress
from typing import Any, Final

from .context import Backend, Call, Object
from .errors import StatusError, forbidden, not_found

TOKEN_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_TOKEN_SECONDS: Final = 3607
_SERVICES: Final = ipaddress.IPv4Network("10.96.0.0/16")
_BUILTIN_PRIORITIES: Final = {
    "system-cluster-critical": 2000000000,
    "system-node-critical": 2000001000,
}
_TOLERATED: Final = ("not-ready", "unreachable")


def admit_namespace(backend: Backend, call: Call) -> None:
    """Let objects be created only in namespaces that exist and are to stay.

    Raises:
        StatusError: 404 or 403.
    """
    if not call.namespace:
        return
    namespace = backend.find("namespaces", call.namespace)
    if namespace is None:
        resource = backend.registry.find("v1", "namespaces")
        assert resource is not None
        raise not_found(resource, call.namespace)
    if "deletionTimestamp" in namespace["metadata"]:
        why = "unable to create new content in namespace"
        refusal = forbidden(
            call.resource,
            call.name,
            f"{why} {call.namespace} because it is being terminated",
        )
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {call.namespace} is being terminated",
            "field": "metadata.namespace",
        }
        details = (refusal.details or {}) | {"causes": [cause]}
        raise StatusError(refusal.code, refusal.reason, refusal.message, details)


def admit_create(backend: Backend, call: Call, obj: Object, asked: str) -> None:
    """Complete and judge a new object, defaults already in.

    A refusal names the object as it was `asked` for, perhaps by a generateName alone.

    Raises:
        StatusError: 403.
    """
    match (call.resource.group, call.resource.kind_name):
        case ("", "Pod"):
            _service_account(backend, call, obj, asked)
            _priority(backend, call, obj["spec"])
            _tolerations(obj["spec"])
        case ("", "Service"):
            allocate_address(backend, obj["spec"])
        case _:
            return


def _service_account(backend: Backend, call: Call, pod: Object, asked: str) -> None:
    spec = pod["spec"]
    name = spec["serviceAccountName"]
    account = backend.find("serviceaccounts", name, call.namespace)
    if account is None:
        why = f"error looking up service account {call.namespace}/{name}: "
        missing = f'serviceaccount "{name}" not found'
        raise forbidden(call.resource, asked, why + missing)
    wanted = spec.get(
        "automountServiceAccountToken",
        account.get("automountServiceAccountToken", True),
    )
    if wanted:
        _mount_token(spec, f"kube-api-access-{backend.suffix()}")


def _mount_token(spec: Object, volume: str) -> None:
    mounted = False
    for container in (*spec.get("initContainers", ()), *spec.get("containers", ())):
        mounts = container.setdefault("volumeMounts", [])
        if any(mount.get("mountPath") == TOKEN_PATH for mount in mounts):
            continue
        mounted = True
        mounts.append({"name": volume, "readOnly": True, "mountPath": TOKEN_PATH})
    if mounted:
        spec.setdefault("volumes", []).append(_token_volume(volume))


def _token_volume(name: str) -> dict[str, Any]:
    token = {"expirationSeconds": _TOKEN_SECONDS, "path": "token"}
    namespace = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    authority = {
        "name": "kube-root-ca.crt",
        "items": [{"key": "ca.crt", "path": "ca.crt"}],
    }
    sources = [
        {"serviceAccountToken": token},
        {"configMap": authority},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": namespace}]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": 420}}


def _priority(backend: Backend, call: Call, spec: Object) -> None:
    name = spec.get("priorityClassName")
    if name is None:
        return
    spec.setdefault("preemptionPolicy", "PreemptLowerPriority")
    if name in _BUILTIN_PRIORITIES:
        spec["priority"] = _BUILTIN_PRIORITIES[name]
        return
    storage = ("scheduling.k8s.io", "priorityclasses")
    found = backend.store.get(storage, ("", name))
    if found is None:
        why = f"no PriorityClass with name {name} was found"
        raise forbidden(call.resource, call.name, why)
    spec["priority"] = found.obj["value"]
    spec["preemptionPolicy"] = found.obj["preemptionPolicy"]


def _tolerations(spec: Object) -> None:
    given = spec.setdefault("tolerations", [])
    for taint in _TOLERATED:
        key = f"node.kubernetes.io/{taint}"
        if any(one.get("key", key) == key for one in given):
            continue
        given.append(
            {
                "key": key,
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": 300,
            }
        )


def allocate_address(backend: Backend, spec: Object) -> None:
    """Give a Service that asks for none its cluster address."""
    if spec.get("clusterIP") or spec.get("type") == "ExternalName":
        return
    taken = {
        record.obj["spec"].get("clusterIP")
        for record in backend.store.select(("", "services"))
    }
    free = (str(host) for host in _SERVICES.hosts() if str(host) not in taken)
    spec["clusterIP"] = next(free)
    spec["clusterIPs"] = [spec["clusterIP"]]
