"""What objects of a few kinds are made of, for generated requests."""

from typing import Any, Final

import attrs

from tests.contract.conftest import GROUP, define_mpijobs, define_widgets
from tests.contract.requests import NAMESPACE, Kind

_META: Final[dict[str, list[Any]]] = {
    "metadata|labels": [{}, {"app": "x"}, {"app": "y", "other": "z"}],
    "metadata|annotations": [{"note": "1"}],
    "metadata|finalizers": [["test/hold"], ["test/hold", "test/more"]],
}
_CONTAINER: Final = {"name": "c", "image": "image:1"}
_POD: Final = {"containers": [_CONTAINER]}

CONFIG_MAPS: Final = Kind(
    "/api/v1/namespaces/{}/configmaps",
    {
        **_META,
        "data": [{}, {"k": "1"}, {"k": "2", "l": "3"}],
        "immutable": [True, False],
        "colour": ["red"],
    },
    kind="ConfigMap",
)
SECRETS: Final = Kind(
    "/api/v1/namespaces/{}/secrets",
    {
        **_META,
        "data": [{"k": "MQ=="}, {"k": "no base64"}],
        "stringData": [{"k": "2"}],
        "immutable": [True],
        "type": ["Opaque", "test/other"],
    },
    kind="Secret",
)
SERVICES: Final = Kind(
    "/api/v1/namespaces/{}/services",
    {
        **_META,
        "spec|publishNotReadyAddresses": [True],
        "spec|ports": [[{"port": 22, "name": "ssh"}], [{"port": 0}]],
    },
    # One without a selector wants both IP families, which no test server has.
    base={"spec": {"clusterIP": "None", "selector": {"app": "x"}}},
    kind="Service",
)
PODS: Final = Kind(
    "/api/v1/namespaces/{}/pods",
    {
        **_META,
        "spec|nodeName": ["n1"],
        "spec|restartPolicy": ["Never", "Sometimes"],
        "spec|containers": [
            [{**_CONTAINER, "image": "image:2"}],
            [{**_CONTAINER, "command": ["true"]}],
            [{**_CONTAINER, "resources": {"request": {"cpu": "1"}}}],
            [],
        ],
        "spec|hostname": ["h"],
        "spec|activeDeadlineSeconds": [10, 5, "soon"],
    },
    base={"spec": _POD},
    kind="Pod",
)
JOBS: Final = Kind(
    "/apis/batch/v1/namespaces/{}/jobs",
    {
        **_META,
        "spec|suspend": [True, False],
        "spec|backoffLimit": [0, 3, -1],
        "spec|parallelism": [0, 1, 2],
        "spec|ttlSecondsAfterFinished": [10],
        "spec|podReplacementPolicy": ["Failed", "TerminatingOrFailed", "Never"],
        "spec|managedBy": ["test/other", "no slash"],
    },
    base={"spec": {"template": {"spec": {**_POD, "restartPolicy": "Never"}}}},
    kind="Job",
    statuses=[{"active": 1}, {"ready": 1, "active": 2}],
    version="batch/v1",
)
WIDGETS: Final = Kind(
    f"/apis/{GROUP}/v2/namespaces/{{}}/widgets",
    {
        **_META,
        "spec|size": [3, 0, 100, "big"],
        "spec|mode": ["A", "C"],
        "spec|fixed": ["x", "y"],
        "spec|open": [{"any": {"thing": 1}}],
        "spec|colour": ["red"],
        "status|phase": ["Made"],
    },
    kind="Widget",
    version=f"{GROUP}/v2",
    define=define_widgets,
)
LEASES: Final = Kind(
    "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
    {
        **_META,
        "spec|holderIdentity": ["one", "two", ""],
        "spec|leaseDurationSeconds": [15, 0, -1],
        "spec|leaseTransitions": [1, -1],
        "spec|renewTime": ["2026-01-01T00:00:00.000001Z", "soon"],
        "spec|acquireTime": [
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.25Z",
            "2026-01-01T01:00:00.250000+01:00",
            "2026-01-01T00:00:00.1234567Z",
        ],
        "spec|colour": ["red"],
    },
    kind="Lease",
    version="coordination.k8s.io/v1",
)
SERVICE_ACCOUNTS: Final = Kind(
    "/api/v1/namespaces/{}/serviceaccounts",
    {
        **_META,
        "automountServiceAccountToken": [True, False, "yes"],
        "imagePullSecrets": [[{"name": "pull"}]],
        "secrets": [[{"name": "token"}]],
        "colour": ["red"],
    },
    kind="ServiceAccount",
)
_RBAC: Final = "rbac.authorization.k8s.io"
_RULE: Final = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
ROLES: Final = Kind(
    f"/apis/{_RBAC}/v1/namespaces/{{}}/roles",
    {
        **_META,
        "rules": [
            [_RULE],
            [_RULE, {**_RULE, "resources": ["pods/exec"], "verbs": ["create"]}],
            [{**_RULE, "resourceNames": ["a-worker-0"]}],
            [{**_RULE, "verbs": []}],
            [{"verbs": ["get"], "resources": ["pods"]}],
            [{"verbs": ["get"], "nonResourceURLs": ["/healthz"]}],
            [],
        ],
        "colour": ["red"],
    },
    kind="Role",
    version=f"{_RBAC}/v1",
)
_ROLE: Final = {"apiGroup": _RBAC, "kind": "Role", "name": "a"}
_SUBJECT: Final = {"kind": "ServiceAccount", "name": "default", "namespace": "default"}
ROLE_BINDINGS: Final = Kind(
    f"/apis/{_RBAC}/v1/namespaces/{{}}/rolebindings",
    {
        **_META,
        "roleRef": [
            {**_ROLE, "name": "b"},
            {**_ROLE, "kind": "Rule"},
            {"kind": "Role"},
        ],
        "subjects": [
            [_SUBJECT],
            [{"kind": "ServiceAccount", "name": "default"}],
            [{"kind": "User", "name": "someone"}],
            [{**_SUBJECT, "kind": "Somebody"}],
            [{**_SUBJECT, "apiGroup": _RBAC}],
        ],
        "colour": ["red"],
    },
    base={"roleRef": _ROLE},
    kind="RoleBinding",
    version=f"{_RBAC}/v1",
)
EVENTS: Final = Kind(
    "/api/v1/namespaces/{}/events",
    {
        **_META,
        "reason": ["Made", "Ended"],
        "message": ["it was made"],
        "type": ["Normal", "Warning", "Odd"],
        "count": [1, 2, "many"],
        "firstTimestamp": ["2026-01-01T00:00:00Z"],
        "lastTimestamp": ["2026-01-01T00:00:10Z", "soon"],
        "source": [{"component": "test"}],
        "involvedObject": [
            {"kind": "Pod", "name": "a", "namespace": "another"},
            {"kind": "Pod", "name": "a"},
        ],
        "colour": ["red"],
    },
    base={"involvedObject": {"kind": "Pod", "name": "a", "namespace": NAMESPACE}},
    kind="Event",
)
_TEMPLATE: Final = {"spec": _POD}
_MISSPELT: Final = {**_CONTAINER, "resources": {"request": {"cpu": "1"}}}
_REPLICAS: Final = "spec|mpiReplicaSpecs"
MPIJOBS: Final = Kind(
    "/apis/kubeflow.org/v2beta1/namespaces/{}/mpijobs",
    {
        **_META,
        "spec|slotsPerWorker": [2, 0, "two"],
        "spec|remoteShell": ["SSH", "KubectlExec", "rsh"],
        "spec|launcherCreationPolicy": ["WaitForWorkersReady", "Later"],
        "spec|sshAuthMountPath": ["/home/mpi/.ssh", ""],
        "spec|cleanPodPolicy": ["All"],
        "spec|colour": ["red"],
        "spec|runPolicy": [{}, {"suspend": True}],
        "spec|runPolicy|cleanPodPolicy": ["None", "Running", "some"],
        "spec|runPolicy|backoffLimit": [0, 3, -1],
        "spec|runPolicy|activeDeadlineSeconds": [10, "soon"],
        "spec|runPolicy|suspend": [True, False],
        "spec|runPolicy|managedBy": ["kueue.x-k8s.io/multikueue", "kubeflow.org/me"],
        "spec|runPolicy|schedulingPolicy": [
            {"minAvailable": 2, "minResources": {"cpu": 1, "memory": "1Gi"}},
            {"minResources": {"cpu": True}},
        ],
        f"{_REPLICAS}|Launcher|replicas": [1, 2],
        f"{_REPLICAS}|Launcher|template": [{}, {"spec": {"containers": []}}],
        f"{_REPLICAS}|Worker|replicas": [1, 4, 0],
        f"{_REPLICAS}|Worker|restartPolicy": ["Never", "Often"],
        f"{_REPLICAS}|Worker|template": [
            {"spec": {"containers": [_MISSPELT]}},
            {**_TEMPLATE, "metadata": {"labels": {"app": 1}}},
        ],
        f"{_REPLICAS}|worker": [{"template": _TEMPLATE}],
        "status|phase": ["Made"],
    },
    base={
        "spec": {
            "mpiReplicaSpecs": {
                "Launcher": {"template": _TEMPLATE},
                "Worker": {"replicas": 2, "template": _TEMPLATE},
            }
        }
    },
    kind="MPIJob",
    statuses=[
        {"phase": "Created", "startTime": None, "recorded": {"any": {"thing": 1}}},
        {"conditions": [{"type": "Created", "status": "True"}]},
        {"conditions": [{"type": "Created", "status": "Perhaps"}], "colour": "red"},
        {"replicaStatuses": {"Worker": {"active": 2}}, "startTime": "soon"},
        None,
    ],
    version="kubeflow.org/v2beta1",
    define=define_mpijobs,
)
MPIJOBS_V1: Final = attrs.evolve(
    MPIJOBS,
    path=MPIJOBS.path.replace("v2beta1", "v1"),
    version="kubeflow.org/v1",
)
