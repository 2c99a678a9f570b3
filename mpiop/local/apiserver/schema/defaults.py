"""Defaults as the API server fills them in."""

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final

from .custom import CustomKind
from .kinds import Gvk
from .pod_defaults import default_pod, default_pod_spec, first_pod_status

_MAX_INT32: Final = 2**31 - 1
_RBAC_GROUP: Final = "rbac.authorization.k8s.io"


def default(kind: Gvk | CustomKind, obj: dict[str, Any]) -> None:
    """Fill in, in place, what the API server fills in on every write.

    The object has been decoded: types are right, a part may be absent.
    """
    if isinstance(kind, CustomKind):
        kind.default(obj)
    elif (function := _DEFAULTS.get(kind)) is not None:
        function(obj)


def prepare_create(kind: Gvk | CustomKind, obj: dict[str, Any]) -> bool:
    """Set what a server sets only on creation: first status, a Job's selector.

    Call it after `default`, with metadata.name and metadata.uid set; a status that the
    client sent is replaced. For a CustomKind it removes the status where the kind has
    that subresource.

    Returns:
        Whether the object now has what a real server only fills in where it reads: a
        Job's labels, taken from those generated for its Pods.
    """
    read_later = False
    if isinstance(kind, CustomKind):
        if kind.status:
            obj.pop("status", None)
        return read_later
    match kind.kind:
        case "Pod":
            obj["status"] = first_pod_status(obj)
        case "Job":
            _generate_selector(obj)
            read_later = _labels_of_template(obj)
            obj["status"] = {}
        case "Namespace":
            obj.setdefault("spec", {})["finalizers"] = ["kubernetes"]
            obj["status"] = {"phase": "Active"}
        case "Service":
            obj["status"] = {"loadBalancer": {}}
        case "CustomResourceDefinition":
            obj.pop("status", None)
        case _:
            pass
    return read_later


def prepare_update(
    kind: Gvk | CustomKind, old: Mapping[str, Any], new: dict[str, Any]
) -> None:
    """Carry over, in place, what the server allocated and a write may leave out.

    Call it before `default`.
    """
    if kind == Gvk("v1", "Service"):
        spec = new.setdefault("spec", {})
        for field in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
            if field in old["spec"]:
                spec.setdefault(field, old["spec"][field])


def own_labels(meta: Mapping[str, Any]) -> dict[str, str]:
    """The labels by which a Job's Pods are its own; validation refuses others."""
    return {
        "job-name": meta["name"],
        "batch.kubernetes.io/job-name": meta["name"],
        "controller-uid": meta["uid"],
        "batch.kubernetes.io/controller-uid": meta["uid"],
    }


def _generate_selector(job: dict[str, Any]) -> None:
    spec, meta = job["spec"], job["metadata"]
    template_meta = spec.setdefault("template", {}).setdefault("metadata", {})
    if not spec.get("manualSelector"):
        labels = template_meta.setdefault("labels", {})
        for key, value in own_labels(meta).items():
            labels.setdefault(key, value)
        chosen = spec.setdefault("selector", {}).setdefault("matchLabels", {})
        chosen.setdefault("batch.kubernetes.io/controller-uid", meta["uid"])


def _labels_of_template(job: dict[str, Any]) -> bool:
    """Label a Job that has no labels as its Pods; tell whether it did."""
    labels = job["spec"].get("template", {}).get("metadata", {}).get("labels")
    if not labels or job.setdefault("metadata", {}).get("labels"):
        return False
    job["metadata"]["labels"] = dict(labels)
    return True


def _job(job: dict[str, Any]) -> None:
    spec = job.setdefault("spec", {})
    if "completions" not in spec and "parallelism" not in spec:
        spec["completions"] = 1
    spec.setdefault("parallelism", 1)
    spec.setdefault("backoffLimit", _MAX_INT32 if "backoffLimitPerIndex" in spec else 6)
    spec.setdefault("completionMode", "NonIndexed")
    spec.setdefault("suspend", False)
    spec.setdefault("manualSelector", False)
    spec.setdefault(
        "podReplacementPolicy",
        "Failed" if "podFailurePolicy" in spec else "TerminatingOrFailed",
    )
    for rule in spec.get("podFailurePolicy", {}).get("rules", ()):
        for pattern in rule.get("onPodConditions", ()):
            pattern.setdefault("status", "True")
    default_pod_spec(spec.setdefault("template", {}).setdefault("spec", {}))
    _labels_of_template(job)


def _service(service: dict[str, Any]) -> None:
    spec = service.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    if spec["sessionAffinity"] == "ClientIP":
        spec.setdefault(
            "sessionAffinityConfig", {"clientIP": {"timeoutSeconds": 10800}}
        )
    for port in spec.get("ports", ()):
        port.setdefault("protocol", "TCP")
        port["targetPort"] = port.get("targetPort") or port.get("port")
    if spec["type"] == "ExternalName":
        return
    if spec["type"] in {"NodePort", "LoadBalancer"}:
        spec.setdefault("externalTrafficPolicy", "Cluster")
    spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec.get("clusterIP"):
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
    elif spec.get("clusterIPs"):
        spec["clusterIP"] = spec["clusterIPs"][0]
    if spec.get("clusterIP") == "None" and not spec.get("selector"):
        spec.setdefault("ipFamilies", ["IPv4", "IPv6"])
        spec.setdefault("ipFamilyPolicy", "RequireDualStack")
    spec.setdefault("ipFamilies", ["IPv4"])
    spec.setdefault("ipFamilyPolicy", "SingleStack")


def _secret(secret: dict[str, Any]) -> None:
    secret.setdefault("type", "Opaque")
    for key, text in secret.pop("stringData", {}).items():
        encoded = base64.b64encode(text.encode()).decode()
        secret.setdefault("data", {})[key] = encoded


def _namespace(namespace: dict[str, Any]) -> None:
    meta = namespace.setdefault("metadata", {})
    if "name" in meta:
        meta.setdefault("labels", {})["kubernetes.io/metadata.name"] = meta["name"]


def _binding(binding: dict[str, Any]) -> None:
    binding.setdefault("roleRef", {}).setdefault("apiGroup", _RBAC_GROUP)
    for subject in binding.get("subjects", ()):
        if subject.get("kind") in {"User", "Group"}:
            subject.setdefault("apiGroup", _RBAC_GROUP)


def _endpoint_slice(endpoint_slice: dict[str, Any]) -> None:
    for port in endpoint_slice.get("ports", ()):
        port.setdefault("name", "")
        port.setdefault("protocol", "TCP")


def _priority_class(priority_class: dict[str, Any]) -> None:
    priority_class.setdefault("preemptionPolicy", "PreemptLowerPriority")


def _crd(crd: dict[str, Any]) -> None:
    spec = crd.setdefault("spec", {})
    names = spec.setdefault("names", {})
    if "kind" in names:
        names.setdefault("singular", names["kind"].lower())
        names.setdefault("listKind", f"{names['kind']}List")
    spec.setdefault("conversion", {}).setdefault("strategy", "None")


def _lease(lease: dict[str, Any]) -> None:
    lease.setdefault("spec", {})


def _role(role: dict[str, Any]) -> None:
    role.setdefault("rules", None)  # Kubernetes' type writes it always


def _event(event: dict[str, Any]) -> None:
    event.setdefault("source", {})
    for time in ("firstTimestamp", "lastTimestamp", "eventTime"):
        event.setdefault(time, None)
    for reporter in ("reportingComponent", "reportingInstance"):
        event.setdefault(reporter, "")


_RBAC: Final = f"{_RBAC_GROUP}/v1"
_DEFAULTS: Final[dict[Gvk, Callable[[dict[str, Any]], None]]] = {
    Gvk("v1", "Pod"): default_pod,
    Gvk("v1", "Service"): _service,
    Gvk("v1", "Secret"): _secret,
    Gvk("v1", "Namespace"): _namespace,
    Gvk("batch/v1", "Job"): _job,
    Gvk("v1", "Event"): _event,
    Gvk(_RBAC, "Role"): _role,
    Gvk(_RBAC, "ClusterRole"): _role,
    Gvk(_RBAC, "RoleBinding"): _binding,
    Gvk(_RBAC, "ClusterRoleBinding"): _binding,
    Gvk("coordination.k8s.io/v1", "Lease"): _lease,
    Gvk("discovery.k8s.io/v1", "EndpointSlice"): _endpoint_slice,
    Gvk("scheduling.k8s.io/v1", "PriorityClass"): _priority_class,
    Gvk("apiextensions.k8s.io/v1", "CustomResourceDefinition"): _crd,
}
