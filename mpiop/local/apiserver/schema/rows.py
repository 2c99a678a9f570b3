"""The rows kubectl prints for built-in kinds other than Pods."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from .ages import age, human_duration, parse_time, since
from .kinds import Gvk
from .pod_row import pod_row

Json = Mapping[str, Any]
Row = Callable[[Json, datetime], list[Any]]
_NONE: Final = "<none>"
_SHOWN_PORTS: Final = 3


def _name_age(obj: Json, now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], age(obj, now)]


def _name_created(obj: Json, _now: datetime) -> list[Any]:
    return [obj["metadata"]["name"], obj["metadata"].get("creationTimestamp")]


def _pairs(labels: Json) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted(labels.items())) or _NONE


def _true(obj: Json, kind: str) -> Json | None:
    for condition in obj.get("status", {}).get("conditions", ()):
        if condition.get("type") == kind and condition.get("status") == "True":
            found: Json = condition
            return found
    return None


def _job_status(job: Json) -> str:
    for name in ("Complete", "Failed"):
        if _true(job, name):
            return name
    if "deletionTimestamp" in job["metadata"]:
        return "Terminating"
    for name in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if _true(job, name):
            return name
    return "Running"


def _job(job: Json, now: datetime) -> list[Any]:
    spec, status = job["spec"], job.get("status", {})
    succeeded, parallelism = status.get("succeeded", 0), spec.get("parallelism", 1)
    of_all = f" of {parallelism}" if parallelism > 1 else ""
    wanted = spec.get("completions", f"1{of_all}")
    start, failed = parse_time(status.get("startTime")), _true(job, "Failed")
    end = parse_time(status.get("completionTime")) or (
        parse_time(failed.get("lastTransitionTime")) if failed else None
    )
    containers = spec["template"]["spec"].get("containers", ())
    return [
        job["metadata"]["name"],
        _job_status(job),
        f"{succeeded}/{wanted}",
        human_duration((end or now) - start) if start else "",
        age(job, now),
        ",".join(container["name"] for container in containers),
        ",".join(container.get("image", "") for container in containers),
        _pairs(spec.get("selector", {}).get("matchLabels", {})),
    ]


def _service_port(port: Json) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port['port']}{node}/{port.get('protocol', 'TCP')}"


def _service(service: Json, now: datetime) -> list[Any]:
    spec = service["spec"]
    external = spec.get("externalName") if spec["type"] == "ExternalName" else ""
    addresses = ",".join(spec.get("externalIPs", ())) or external
    return [
        service["metadata"]["name"],
        spec["type"],
        spec.get("clusterIP") or _NONE,
        addresses or ("<pending>" if spec["type"] == "LoadBalancer" else _NONE),
        ",".join(map(_service_port, spec.get("ports", ()))) or _NONE,
        age(service, now),
        _pairs(spec.get("selector", {})),
    ]


def _config_map(obj: Json, now: datetime) -> list[Any]:
    data = len(obj.get("data", {})) + len(obj.get("binaryData", {}))
    return [obj["metadata"]["name"], str(data), age(obj, now)]


def _secret(obj: Json, now: datetime) -> list[Any]:
    data = str(len(obj.get("data", {})))
    return [obj["metadata"]["name"], obj.get("type", ""), data, age(obj, now)]


def _service_account(obj: Json, now: datetime) -> list[Any]:
    secrets = str(len(obj.get("secrets", ())))
    return [obj["metadata"]["name"], secrets, age(obj, now)]


def _event(event: Json, now: datetime) -> list[Any]:
    about = event.get("involvedObject", event.get("regarding", {}))
    source = event.get("source", {})
    first = event.get("firstTimestamp") or event.get("eventTime")
    series = event.get("series", {})
    last = series.get("lastObservedTime") or event.get("lastTimestamp") or first
    component = source.get("component") or event.get("reportingComponent", "")
    host = source.get("host") or event.get("reportingInstance", "")
    return [
        since(last, now),
        event.get("type", ""),
        event.get("reason", ""),
        f"{about.get('kind', '').lower()}/{about.get('name', '')}",
        about.get("fieldPath", ""),
        ", ".join(part for part in (component, host) if part),
        event.get("message", event.get("note", "")).strip(),
        since(first, now),
        series.get("count", event.get("count", 1)),
        event["metadata"]["name"],
    ]


def _node_address(node: Json, kind: str) -> str:
    for address in node.get("status", {}).get("addresses", ()):
        if address.get("type") == kind:
            return str(address["address"])
    return _NONE


def _node(node: Json, now: datetime) -> list[Any]:
    info = node.get("status", {}).get("nodeInfo", {})
    states = ["Ready" if _true(node, "Ready") else "NotReady"]
    if node.get("spec", {}).get("unschedulable"):
        states.append("SchedulingDisabled")
    prefix = "node-role.kubernetes.io/"
    labels = node["metadata"].get("labels", {})
    roles = sorted(k.removeprefix(prefix) for k in labels if k.startswith(prefix))
    return [
        node["metadata"]["name"],
        ",".join(states),
        ",".join(roles) or _NONE,
        age(node, now),
        info.get("kubeletVersion", ""),
        _node_address(node, "InternalIP"),
        _node_address(node, "ExternalIP"),
        info.get("osImage") or "<unknown>",
        info.get("kernelVersion") or "<unknown>",
        info.get("containerRuntimeVersion") or "<unknown>",
    ]


def _namespace(obj: Json, now: datetime) -> list[Any]:
    phase = obj.get("status", {}).get("phase", "")
    return [obj["metadata"]["name"], phase, age(obj, now)]


def _binding(binding: Json, now: datetime) -> list[Any]:
    ref, subjects = binding["roleRef"], binding.get("subjects", ())

    def names(kind: str) -> str:
        return ", ".join(
            f"{one['namespace']}/{one['name']}" if "namespace" in one else one["name"]
            for one in subjects
            if one.get("kind") == kind
        )

    return [
        binding["metadata"]["name"],
        f"{ref['kind']}/{ref['name']}",
        age(binding, now),
        names("User"),
        names("Group"),
        names("ServiceAccount"),
    ]


def _some(values: Sequence[str]) -> str:
    if len(values) > _SHOWN_PORTS:
        rest = len(values) - _SHOWN_PORTS
        return f"{','.join(values[:_SHOWN_PORTS])} + {rest} more..."
    return ",".join(values)


def _endpoint_slice(obj: Json, now: datetime) -> list[Any]:
    ports = [str(port.get("port", "*")) for port in obj.get("ports") or ()]
    addresses = [
        address
        for endpoint in obj.get("endpoints") or ()
        for address in endpoint.get("addresses", ())
    ]
    return [
        obj["metadata"]["name"],
        obj.get("addressType", ""),
        _some(ports) or "<unset>",
        _some(addresses) or "<unset>",
        age(obj, now),
    ]


def _lease(obj: Json, now: datetime) -> list[Any]:
    holder = obj.get("spec", {}).get("holderIdentity", "")
    return [obj["metadata"]["name"], holder, age(obj, now)]


def _priority_class(obj: Json, now: datetime) -> list[Any]:
    return [
        obj["metadata"]["name"],
        obj.get("value", 0),
        obj.get("globalDefault", False),
        age(obj, now),
        obj.get("preemptionPolicy", ""),
    ]


_RBAC: Final = "rbac.authorization.k8s.io/v1"
_BINDING: Final = ("Name Role Age *Users *Groups *ServiceAccounts", _binding)
_EVENT: Final = (
    "Last_Seen Type Reason Object *Subobject *Source Message *First_Seen *Count *Name",
    _event,
)
_NODE_COLUMNS: Final = (
    "Name Status Roles Age Version "
    "*Internal-IP *External-IP *OS-Image *Kernel-Version *Container-Runtime"
)
_CREATED: Final = ("Name Created_At", _name_created)
NAME_AGE: Final[tuple[str, Row]] = ("Name Age", _name_age)

# A star marks a column of `-o wide` (priority 1); an underscore stands for a space.
ROWS: Final[dict[Gvk, tuple[str, Row]]] = {
    Gvk("v1", "Pod"): (
        "Name Ready Status Restarts Age *IP *Node *Nominated_Node *Readiness_Gates",
        pod_row,
    ),
    Gvk("batch/v1", "Job"): (
        "Name Status Completions Duration Age *Containers *Images *Selector",
        _job,
    ),
    Gvk("v1", "Service"): (
        "Name Type Cluster-IP External-IP Port(s) Age *Selector",
        _service,
    ),
    Gvk("v1", "ConfigMap"): ("Name Data Age", _config_map),
    Gvk("v1", "Secret"): ("Name Type Data Age", _secret),
    Gvk("v1", "ServiceAccount"): ("Name Secrets Age", _service_account),
    Gvk("v1", "Event"): _EVENT,
    Gvk("events.k8s.io/v1", "Event"): _EVENT,
    Gvk("v1", "Node"): (
        _NODE_COLUMNS,
        _node,
    ),
    Gvk("v1", "Namespace"): ("Name Status Age", _namespace),
    Gvk(_RBAC, "Role"): _CREATED,
    Gvk(_RBAC, "ClusterRole"): _CREATED,
    Gvk(_RBAC, "RoleBinding"): _BINDING,
    Gvk(_RBAC, "ClusterRoleBinding"): _BINDING,
    Gvk("discovery.k8s.io/v1", "EndpointSlice"): (
        "Name AddressType Ports Endpoints Age",
        _endpoint_slice,
    ),
    Gvk("coordination.k8s.io/v1", "Lease"): ("Name Holder Age", _lease),
    Gvk("scheduling.k8s.io/v1", "PriorityClass"): (
        "Name Value Global-Default Age PreemptionPolicy",
        _priority_class,
    ),
    Gvk("apiextensions.k8s.io/v1", "CustomResourceDefinition"): _CREATED,
}
