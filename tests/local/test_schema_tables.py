"""Tables and OpenAPI documents, as kubectl reads them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mpiop.local.apiserver.schema import (
    BUILTINS,
    Builtin,
    CustomKind,
    Gvk,
    openapi_v2,
    openapi_v3_document,
    openapi_v3_index,
    table,
)
from mpiop.local.apiserver.schema.ages import human_duration
from mpiop.local.apiserver.schema.json_path import find

NOW = datetime(2024, 5, 1, 12, 0, 0, tzinfo=UTC)
MADE = "2024-05-01T11:58:30Z"
POD = Gvk("v1", "Pod")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (185, "3m5s"),
        (599, "9m59s"),
        (600, "10m"),
        (10799, "179m"),
        (10800, "3h"),
        (11460, "3h11m"),
        (28800, "8h"),
        (172799, "47h"),
        (172800, "2d"),
        (180000, "2d2h"),
        (691200, "8d"),
        (63072000, "2y"),
        (63158400, "2y1d"),
        (252288000, "8y"),
    ],
)
def test_durations(seconds: int, text: str) -> None:
    """Durations have the units kubectl gives them."""
    assert human_duration(timedelta(seconds=seconds)) == text


def row(kind: Gvk | CustomKind, **obj: object) -> dict[str, object]:
    """Give one object's cells by column, wide ones included."""
    meta = {"name": "x", "creationTimestamp": MADE}
    extra: Any = obj.pop("metadata", {})
    made = table(kind, [{"metadata": meta | extra, **obj}], NOW)
    columns = [column["name"] for column in made["columnDefinitions"]]
    return dict(zip(columns, made["rows"][0]["cells"], strict=True))


def waiting(reason: str) -> dict[str, Any]:
    return {"name": "c", "state": {"waiting": {"reason": reason}}}


def ended(code: int, reason: str = "", **more: object) -> dict[str, Any]:
    state = {"terminated": {"exitCode": code, "reason": reason, **more}}
    return {"name": "c", "state": state}


RUNNING = {"name": "c", "ready": True, "state": {"running": {}}}
SIDECAR = [{"name": "c", "restartPolicy": "Always"}]
INIT = [{"name": "c"}, {"name": "d"}]


def pod_cells(
    status: dict[str, Any],
    init: list[dict[str, Any]] | None = None,
    meta: dict[str, str] | None = None,
) -> tuple[object, object]:
    spec = {"containers": [{"name": "c"}], "initContainers": init or []}
    cells = row(POD, spec=spec, status=status, metadata=meta or {})
    return cells["Ready"], cells["Status"]


@pytest.mark.parametrize(
    ("status", "init", "ready", "shown"),
    [
        ({"phase": "Pending"}, [], "0/1", "Pending"),
        (
            {
                "phase": "Pending",
                "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}],
            },
            [],
            "0/1",
            "SchedulingGated",
        ),
        (
            {"phase": "Running", "containerStatuses": [RUNNING]},
            [],
            "1/1",
            "Running",
        ),
        (
            {"phase": "Pending", "containerStatuses": [waiting("ImagePullBackOff")]},
            [],
            "0/1",
            "ImagePullBackOff",
        ),
        (
            {"phase": "Running", "containerStatuses": [waiting("CrashLoopBackOff")]},
            [],
            "0/1",
            "CrashLoopBackOff",
        ),
        (
            {"phase": "Succeeded", "containerStatuses": [ended(0, "Completed")]},
            [],
            "0/1",
            "Completed",
        ),
        (
            {"phase": "Failed", "containerStatuses": [ended(1, "Error")]},
            [],
            "0/1",
            "Error",
        ),
        (
            {"phase": "Failed", "containerStatuses": [ended(137, signal=9)]},
            [],
            "0/1",
            "Signal:9",
        ),
        ({"phase": "Failed", "containerStatuses": [ended(3)]}, [], "0/1", "ExitCode:3"),
        ({"phase": "Failed", "reason": "Evicted"}, [], "0/1", "Evicted"),
        (
            {"phase": "Pending", "initContainerStatuses": [RUNNING, waiting("")]},
            INIT,
            "0/1",
            "Init:0/2",
        ),
        (
            {
                "phase": "Pending",
                "initContainerStatuses": [
                    ended(0, "Completed"),
                    waiting("PodInitializing"),
                ],
            },
            INIT,
            "0/1",
            "Init:1/2",
        ),
        (
            {"phase": "Pending", "initContainerStatuses": [ended(2, "Error")]},
            INIT,
            "0/1",
            "Init:Error",
        ),
        (
            {"phase": "Pending", "initContainerStatuses": [ended(2)]},
            INIT,
            "0/1",
            "Init:ExitCode:2",
        ),
        (
            {
                "phase": "Pending",
                "initContainerStatuses": [waiting("CrashLoopBackOff")],
            },
            INIT,
            "0/1",
            "Init:CrashLoopBackOff",
        ),
        (
            {
                "phase": "Pending",
                "initContainerStatuses": [ended(0), ended(0)],
                "containerStatuses": [waiting("PodInitializing")],
            },
            INIT,
            "0/1",
            "PodInitializing",
        ),
        (
            {
                "phase": "Running",
                "initContainerStatuses": [RUNNING | {"started": True}],
                "containerStatuses": [RUNNING],
            },
            SIDECAR,
            "2/2",
            "Running",
        ),
    ],
)
def test_status_of_a_pod(
    status: dict[str, Any], init: list[Any], ready: str, shown: str
) -> None:
    """STATUS and READY are what kubectl users expect."""
    assert pod_cells(status, init) == (ready, shown)


def test_a_pod_on_its_way_out() -> None:
    """Terminating shows over Running, not over what has ended, nor a lost node."""
    gone = {"deletionTimestamp": MADE}
    running = {"phase": "Running", "containerStatuses": [RUNNING]}
    assert pod_cells(running, meta=gone) == ("1/1", "Terminating")
    assert pod_cells({"phase": "Failed"}, meta=gone) == ("0/1", "Failed")
    lost = {"phase": "Running", "reason": "NodeLost"}
    assert pod_cells(lost, meta=gone) == ("0/1", "Unknown")


def test_restarts_and_wide_columns() -> None:
    """Restarts say when the last was; addresses and node are wide."""
    last = {"terminated": {"finishedAt": "2024-05-01T11:59:00Z"}}
    cells = row(
        POD,
        spec={
            "containers": [{"name": "c"}],
            "nodeName": "n1",
            "readinessGates": [{"conditionType": "G"}],
        },
        status={
            "phase": "Running",
            "podIP": "10.0.0.1",
            "containerStatuses": [RUNNING | {"restartCount": 2, "lastState": last}],
        },
    )
    assert cells == {
        "Name": "x",
        "Ready": "1/1",
        "Status": "Running",
        "Restarts": "2 (60s ago)",
        "Age": "90s",
        "IP": "10.0.0.1",
        "Node": "n1",
        "Nominated Node": "<none>",
        "Readiness Gates": "0/1",
    }


def test_restarts_of_init_containers_are_forgotten() -> None:
    """Once the main containers are there, only their restarts count."""
    init = ended(0) | {"restartCount": 3}
    spec = {"containers": [{"name": "c"}], "initContainers": [{"name": "c"}]}
    waits: dict[str, Any] = {"phase": "Pending", "initContainerStatuses": [init]}
    assert row(POD, spec=spec, status=waits)["Restarts"] == "0"
    looping = waiting("CrashLoopBackOff") | {"restartCount": 4}
    waits["initContainerStatuses"] = [looping]
    assert row(POD, spec=spec, status=waits)["Restarts"] == "4"


JOB_SPEC = {
    "completions": 1,
    "parallelism": 1,
    "selector": {"matchLabels": {"b": "2", "a": "1"}},
    "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}},
}


@pytest.mark.parametrize(
    ("status", "shown", "duration"),
    [
        ({}, "Running", ""),
        ({"startTime": "2024-05-01T11:59:00Z"}, "Running", "60s"),
        (
            {
                "startTime": "2024-05-01T11:59:00Z",
                "completionTime": "2024-05-01T11:59:05Z",
                "succeeded": 1,
                "conditions": [
                    {"type": "SuccessCriteriaMet", "status": "True"},
                    {"type": "Complete", "status": "True"},
                ],
            },
            "Complete",
            "5s",
        ),
        (
            {
                "startTime": "2024-05-01T11:59:00Z",
                "conditions": [
                    {
                        "type": "Failed",
                        "status": "True",
                        "lastTransitionTime": "2024-05-01T11:59:10Z",
                    }
                ],
            },
            "Failed",
            "10s",
        ),
        ({"conditions": [{"type": "Suspended", "status": "True"}]}, "Suspended", ""),
        ({"conditions": [{"type": "Suspended", "status": "False"}]}, "Running", ""),
    ],
)
def test_jobs(status: dict[str, Any], shown: str, duration: str) -> None:
    """A Job's state and time."""
    cells = row(Gvk("batch/v1", "Job"), spec=JOB_SPEC, status=status)
    assert (cells["Status"], cells["Duration"]) == (shown, duration)
    assert cells["Completions"] == f"{status.get('succeeded', 0)}/1"
    assert cells["Selector"] == "a=1,b=2"


@pytest.mark.parametrize(
    ("gvk", "obj", "wanted"),
    [
        (
            Gvk("v1", "Service"),
            {
                "spec": {
                    "type": "ClusterIP",
                    "clusterIP": "None",
                    "ports": [{"port": 22, "protocol": "TCP"}],
                }
            },
            {"Cluster-IP": "None", "External-IP": "<none>", "Port(s)": "22/TCP"},
        ),
        (
            Gvk("v1", "ConfigMap"),
            {"data": {"a": "b"}, "binaryData": {"c": ""}},
            {"Data": "2"},
        ),
        (Gvk("v1", "Secret"), {"type": "Opaque"}, {"Type": "Opaque", "Data": "0"}),
        (Gvk("v1", "ServiceAccount"), {}, {"Secrets": "0", "Age": "90s"}),
        (
            Gvk("v1", "Event"),
            {
                "involvedObject": {"kind": "Pod", "name": "p"},
                "reason": "Why",
                "message": "text\n",
                "type": "Normal",
                "count": 3,
                "lastTimestamp": "2024-05-01T11:59:30Z",
                "firstTimestamp": MADE,
                "source": {"component": "kubelet", "host": "n"},
            },
            {
                "Last Seen": "30s",
                "Object": "pod/p",
                "Message": "text",
                "Count": 3,
                "Source": "kubelet, n",
                "First Seen": "90s",
            },
        ),
        (
            Gvk("v1", "Node"),
            {
                "metadata": {"labels": {"node-role.kubernetes.io/worker": ""}},
                "status": {
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
                    "nodeInfo": {"kubeletVersion": "v1"},
                },
            },
            {
                "Status": "Ready",
                "Roles": "worker",
                "Version": "v1",
                "Internal-IP": "10.0.0.1",
            },
        ),
        (Gvk("v1", "Namespace"), {"status": {"phase": "Active"}}, {"Status": "Active"}),
        (
            Gvk("rbac.authorization.k8s.io/v1", "RoleBinding"),
            {
                "roleRef": {"kind": "Role", "name": "r"},
                "subjects": [{"kind": "ServiceAccount", "name": "s", "namespace": "n"}],
            },
            {"Role": "Role/r", "ServiceAccounts": "n/s", "Users": ""},
        ),
        (
            Gvk("rbac.authorization.k8s.io/v1", "Role"),
            {},
            {"Name": "x", "Created At": MADE},
        ),
        (
            Gvk("discovery.k8s.io/v1", "EndpointSlice"),
            {
                "addressType": "IPv4",
                "endpoints": [{"addresses": [str(n)]} for n in range(5)],
            },
            {"Ports": "<unset>", "Endpoints": "0,1,2 + 2 more..."},
        ),
        (
            Gvk("coordination.k8s.io/v1", "Lease"),
            {"spec": {"holderIdentity": "me"}},
            {"Holder": "me"},
        ),
        (
            Gvk("scheduling.k8s.io/v1", "PriorityClass"),
            {"value": 7},
            {"Value": 7, "Global-Default": False},
        ),
    ],
)
def test_other_kinds(gvk: Gvk, obj: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Each kind shows what kubectl shows of it."""
    cells = row(gvk, **obj)
    assert cells | wanted == cells


def test_what_comes_with_a_row() -> None:
    """Metadata by default, the object or nothing on demand; wide has priority 1."""
    obj = {"metadata": {"name": "x"}, "data": {"a": "b"}}
    gvk = Gvk("v1", "ConfigMap")
    (plain,) = table(gvk, [obj], NOW)["rows"]
    assert plain["object"]["kind"] == "PartialObjectMetadata"
    assert plain["object"]["metadata"] == {"name": "x"}
    assert plain["cells"] == ["x", "1", "<unknown>"]
    assert table(gvk, [obj], NOW, "Object")["rows"][0]["object"] == obj
    assert "object" not in table(gvk, [obj], NOW, "None")["rows"][0]
    columns = table(POD, [], NOW)["columnDefinitions"]
    assert [column["priority"] for column in columns] == [0] * 5 + [1] * 4


CUSTOM = CustomKind(
    Gvk("g.io/v1", "K"),
    "ks",
    "k",
    "KList",
    namespaced=True,
    columns=(
        {"name": "S", "type": "string", "jsonPath": ".status.phase"},
        {"name": "N", "type": "integer", "jsonPath": ".spec['n']", "priority": 1},
        {
            "name": "C",
            "type": "string",
            "jsonPath": '.status.conditions[?(@.type=="Ready")].status',
        },
        {"name": "D", "type": "date", "jsonPath": ".status.at"},
        {"name": "B", "type": "boolean", "jsonPath": ".spec.b"},
    ),
    schema={"type": "object", "description": "what it is"},
)


def test_columns_of_a_definition() -> None:
    """Cells have the column's type; what is missing is empty."""
    cells = row(
        CUSTOM,
        spec={"n": 2, "b": True},
        status={
            "phase": "Up",
            "at": MADE,
            "conditions": [
                {"type": "Other", "status": "False"},
                {"type": "Ready", "status": "True"},
            ],
        },
    )
    assert cells == {"Name": "x", "S": "Up", "N": 2, "C": "True", "D": "90s", "B": True}
    assert row(CUSTOM) == {
        "Name": "x",
        "S": None,
        "N": None,
        "C": None,
        "D": None,
        "B": None,
    }
    plain = CustomKind(CUSTOM.gvk, "ks", "k", "KList", namespaced=True)
    assert row(plain) == {"Name": "x", "Age": "90s"}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".a.b", [1]),
        ("{.a.b}", [1]),
        (".a['b']", [1]),
        (".l[0].n", ["x"]),
        (".l[-1:].n", ["y"]),
        (".l[1].n", ["y"]),
        (".l[*].n", ["x", "y"]),
        ('.l[?(@.n=="y")].v', [2]),
        (".l[?(@.v==1)].n", ["x"]),
        (".l[?(@.n!='y')].v", [1]),
        (r".m.a\.b", [3]),
        (".m['a.b']", [3]),
        (".nope.b", []),
        (".l[7]", []),
    ],
)
def test_json_paths(path: str, found: list[Any]) -> None:
    """The paths that printer columns use."""
    value = {
        "a": {"b": 1},
        "l": [{"n": "x", "v": 1}, {"n": "y", "v": 2}],
        "m": {"a.b": 3},
    }
    assert find(path, value) == found


def test_unknown_paths_are_refused() -> None:
    """A path that is not understood is an error, not an empty column."""
    with pytest.raises(ValueError, match="unrecognized JSON path"):
        find(".a[?bad]", {})


KINDS: list[Builtin | CustomKind] = [*BUILTINS.values(), CUSTOM]


def references(value: object) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    if isinstance(value, list):
        return set().union(*map(references, value))
    return set()


@pytest.mark.parametrize("version", sorted({kind.gvk.group_version for kind in KINDS}))
def test_documents_are_closed(version: str) -> None:
    """Every reference of a document leads somewhere in it, and types are single."""
    document = openapi_v3_document(version, KINDS)
    schemas = document["components"]["schemas"]
    wanted = {ref.rpartition("/")[2] for ref in references(document)}
    assert wanted <= schemas.keys()
    assert document["paths"]


def test_kubectl_leaves_validation_to_the_server() -> None:
    """PATCH of every stored kind takes fieldValidation, and says for which kind."""
    for kind in KINDS:
        if not kind.stored:
            continue
        document = openapi_v3_document(kind.gvk.group_version, KINDS)
        patches = [
            path["patch"] for path in document["paths"].values() if "patch" in path
        ]
        (patch,) = (
            one
            for one in patches
            if one["x-kubernetes-group-version-kind"]["kind"] == kind.gvk.kind
        )
        assert "fieldValidation" in {one["name"] for one in patch["parameters"]}
        strategic = "application/strategic-merge-patch+json"
        media = patch["requestBody"]["content"]
        assert (strategic in media) != isinstance(kind, CustomKind)


def test_merge_keys_are_in_the_document() -> None:
    """Applying with kubectl needs the keys of lists."""
    document = openapi_v3_document("v1", KINDS)
    schemas = document["components"]["schemas"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["type"] == "array"
    service = schemas["io.k8s.api.core.v1.Service"]["properties"]
    assert service["kind"]["type"] == "string"
    assert "enum" not in service["kind"]


def test_the_address_of_a_document_changes_with_it() -> None:
    """Clients cache by address: another schema, another hash."""
    other = CustomKind(CUSTOM.gvk, "ks", "k", "KList", namespaced=True, schema={})
    places = [
        openapi_v3_index([kind])["paths"]["apis/g.io/v1"] for kind in (CUSTOM, other)
    ]
    assert places[0] != places[1]
    again = openapi_v3_index(KINDS)["paths"]
    assert again["apis/g.io/v1"] == places[0]
    assert again["api/v1"]["serverRelativeURL"].startswith("/openapi/v3/api/v1?hash=")


def test_version_two_is_not_served() -> None:
    """A 404 for version 2; kubectl does without it."""
    assert openapi_v2() is None
