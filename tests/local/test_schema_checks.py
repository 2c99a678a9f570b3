"""Validation of built-in kinds: create, update, immutability."""

import copy
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mpiop.local.apiserver.schema import (
    DecodeError,
    Gvk,
    check,
    check_status_update,
    check_update,
    decode,
    default,
    prepare_create,
)

POD = Gvk("v1", "Pod")
JOB = Gvk("batch/v1", "Job")
SERVICE = Gvk("v1", "Service")
CRD = Gvk("apiextensions.k8s.io/v1", "CustomResourceDefinition")
OWNER = {
    "apiVersion": "v1",
    "kind": "K",
    "name": "n",
    "uid": "1",
    "controller": True,
}
RBAC = "rbac.authorization.k8s.io/v1"


def create(gvk: Gvk, obj: dict[str, Any]) -> list[str]:
    """Do what the server does on POST; give the causes as the user sees them."""
    obj.setdefault("metadata", {}).setdefault("name", "x")
    obj["metadata"].setdefault("uid", "u1")
    decode(gvk, obj)
    default(gvk, obj)
    prepare_create(gvk, obj)
    return [str(error) for error in check(gvk, obj)]


def pod(**fields: object) -> dict[str, Any]:
    return {
        "kind": "Pod",
        "spec": {"containers": [{"name": "main", "image": "img"}], **fields},
    }


def container(**fields: object) -> dict[str, Any]:
    return pod(containers=[{"name": "main", "image": "img", **fields}])


def job(template: dict[str, Any] | None = None, **fields: object) -> dict[str, Any]:
    inner = {
        "restartPolicy": "Never",
        "containers": [{"name": "main", "image": "img"}],
        **(template or {}),
    }
    return {"kind": "Job", "spec": {"template": {"spec": inner}, **fields}}


@pytest.mark.parametrize(
    "obj",
    [
        pod(),
        container(resources={"requests": {"cpu": "1"}, "limits": {"cpu": "1000m"}}),
        container(env=[{"name": "A.b", "value": "x"}]),
        container(livenessProbe={"tcpSocket": {"port": "ssh"}}),
        pod(volumes=[{"name": "v"}], initContainers=[{"name": "i", "image": "x"}]),
        pod(tolerations=[{"operator": "Exists"}], hostname="h", subdomain="s"),
    ],
)
def test_good_pods_pass(obj: dict[str, Any]) -> None:
    """What a real server takes is taken."""
    assert create(POD, obj) == []


C = "spec.containers[0]"


@pytest.mark.parametrize(
    ("obj", "cause"),
    [
        (pod(containers=[]), "spec.containers: Required value"),
        (container(name=""), f"{C}.name: Required value"),
        (container(image=""), f"{C}.image: Required value"),
        (
            pod(containers=[{"name": "a", "image": "i"}, {"name": "a", "image": "i"}]),
            'spec.containers[1].name: Duplicate value: "a"',
        ),
        (
            pod(restartPolicy="Sometimes"),
            (
                'spec.restartPolicy: Unsupported value: "Sometimes": supported values: '
                '"Always", "Never", "OnFailure"'
            ),
        ),
        (
            container(resources={"requests": {"cpu": 2}, "limits": {"cpu": 1}}),
            (
                f'{C}.resources.requests: Invalid value: "2": must be less than or '
                "equal "
                "to cpu limit of 1"
            ),
        ),
        (
            container(resources={"limits": {"cpu": "-1"}}),
            (
                f'{C}.resources.limits[cpu]: Invalid value: "-1": must be greater '
                "than or "
                "equal to 0"
            ),
        ),
        (
            container(resources={"limits": {"gpus": 1}}),
            (
                f'{C}.resources.limits[gpus]: Invalid value: "gpus": must be a '
                "standard "
                "resource for containers"
            ),
        ),
        (
            container(resources={"requests": {"nvidia.com/gpu": 1}}),
            (
                f"{C}.resources.limits: Required value: Limit must be set for non "
                "overcommitable resources"
            ),
        ),
        (
            container(env=[{"name": "A=B"}]),
            (
                f'{C}.env[0].name: Invalid value: "A=B": a valid environment variable '
                "name "
                "must consist only of printable ASCII characters other than '='"
            ),
        ),
        (
            container(env=[{"name": "A", "valueFrom": {"secretKeyRef": {"key": "k"}}}]),
            f"{C}.env[0].valueFrom.secretKeyRef.name: Required value",
        ),
        (
            container(volumeMounts=[{"name": "nope", "mountPath": "/a"}]),
            f'{C}.volumeMounts[0].name: Not found: "nope"',
        ),
        (
            pod(volumes=[{"name": "v"}, {"name": "v"}]),
            'spec.volumes[1].name: Duplicate value: "v"',
        ),
        (
            pod(volumes=[{"name": "v", "secret": {"secretName": "s"}, "emptyDir": {}}]),
            (
                "spec.volumes[0].emptyDir: Forbidden: may not specify more than 1 "
                "volume "
                "type"
            ),
        ),
        (
            pod(volumes=[{"name": "v", "configMap": {}}]),
            "spec.volumes[0].configMap.name: Required value",
        ),
        (
            container(ports=[{"containerPort": 70000}]),
            (
                f"{C}.ports[0].containerPort: Invalid value: 70000: must be between 1 "
                "and "
                "65535, inclusive"
            ),
        ),
        (
            container(livenessProbe={}),
            f"{C}.livenessProbe: Required value: must specify a handler type",
        ),
        (
            container(
                readinessProbe={"exec": {"command": ["a"]}, "tcpSocket": {"port": 1}}
            ),
            (
                f"{C}.readinessProbe.tcpSocket: Forbidden: may not specify more than 1 "
                "handler type"
            ),
        ),
        (
            container(livenessProbe={"tcpSocket": {"port": 1}, "successThreshold": 2}),
            f"{C}.livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ),
        (
            pod(activeDeadlineSeconds=0),
            (
                "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and "
                "2147483647, inclusive"
            ),
        ),
        (
            pod(schedulingGates=[{"name": "a/b"}], nodeName="n"),
            (
                "spec.nodeName: Forbidden: cannot be set until all schedulingGates "
                "have "
                "been cleared"
            ),
        ),
        (
            pod(
                initContainers=[
                    {"name": "i", "image": "x", "livenessProbe": {"grpc": {"port": 1}}}
                ]
            ),
            (
                "spec.initContainers[0].livenessProbe: Forbidden: may not be set for "
                "init "
                "containers without restartPolicy=Always"
            ),
        ),
    ],
)
def test_bad_pods_are_told_why(obj: dict[str, Any], cause: str) -> None:
    """Field, reason and remedy, one cause each."""
    assert create(POD, obj)[0] == cause  # defaults may repeat it for requests


@pytest.mark.parametrize(
    ("gvk", "name", "valid"),
    [
        (POD, "a.b-c", True),
        (POD, "A", False),
        (POD, "a" * 253, True),
        (POD, "a" * 254, False),
        (SERVICE, "1a", False),
        (SERVICE, "a.b", False),
        (Gvk("v1", "Namespace"), "a.b", False),
        (Gvk(RBAC, "Role"), "system:X", True),
        (Gvk(RBAC, "Role"), "a/b", False),
    ],
)
def test_names(gvk: Gvk, name: str, *, valid: bool) -> None:
    """Each kind has its own syntax of names."""
    obj = {"metadata": {"name": name}, "spec": {}}
    causes = [cause for cause in create(gvk, obj) if cause.startswith("metadata.name")]
    assert (causes == []) == valid


def test_an_invalid_name_quotes_the_rule() -> None:
    """The message has the pattern, as kubectl users know it."""
    obj = pod() | {"metadata": {"name": "Bad_Name"}}
    assert create(POD, obj) == [
        (
            'metadata.name: Invalid value: "Bad_Name": a lowercase RFC 1123 '
            "subdomain must "
            "consist of lower case alphanumeric characters, '-' or '.', and must "
            "start and "
            "end with an alphanumeric character (e.g. 'example.com', regex used for "
            "validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        )
    ]


@pytest.mark.parametrize(
    ("meta", "field"),
    [
        ({"labels": {"a b": "c"}}, "metadata.labels"),
        ({"labels": {"a": "c d"}}, "metadata.labels"),
        ({"labels": {"a": "x" * 64}}, "metadata.labels"),
        ({"annotations": {"/a": "c"}}, "metadata.annotations"),
        ({"annotations": {"a": "x" * 262144}}, "metadata.annotations"),
        ({"finalizers": ["a b"]}, "metadata.finalizers"),
        (
            {"ownerReferences": [{"apiVersion": "v1", "kind": "K", "name": "n"}]},
            "metadata.ownerReferences[0].uid",
        ),
        (
            {"ownerReferences": [OWNER, OWNER | {"uid": "2"}]},
            "metadata.ownerReferences",
        ),
    ],
)
def test_bad_metadata(meta: dict[str, Any], field: str) -> None:
    """Labels, annotations, finalizers and owners have a syntax."""
    obj = pod() | {"metadata": {"name": "p", **meta}}
    assert [cause.partition(":")[0] for cause in create(POD, obj)] == [field]


@pytest.mark.parametrize(
    ("obj", "cause"),
    [
        (
            job({"restartPolicy": "Always"}),
            (
                "spec.template.spec.restartPolicy: Required value: valid values: "
                '"OnFailure", "Never"'
            ),
        ),
        (
            job(backoffLimit=-1),
            "spec.backoffLimit: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            job(completionMode="Indexed", parallelism=1),
            "spec.completions: Required value: when completion mode is Indexed",
        ),
        (
            job(
                {"restartPolicy": "OnFailure"},
                podFailurePolicy={
                    "rules": [{"action": "Ignore", "onPodConditions": [{"type": "X"}]}]
                },
            ),
            (
                'spec.template.spec.restartPolicy: Invalid value: "OnFailure": only '
                '"Never" '
                "is supported when podFailurePolicy is specified"
            ),
        ),
        (
            job(
                podReplacementPolicy="TerminatingOrFailed",
                podFailurePolicy={
                    "rules": [{"action": "Ignore", "onPodConditions": [{"type": "X"}]}]
                },
            ),
            (
                'spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": '
                'supported values: "Failed"'
            ),
        ),
        (
            job(
                podFailurePolicy={
                    "rules": [
                        {
                            "action": "FailJob",
                            "onExitCodes": {"operator": "In", "values": [0]},
                        }
                    ]
                }
            ),
            (
                "spec.podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid "
                "value: 0: "
                "must not be 0 for the In operator"
            ),
        ),
        (
            job({"containers": [{"name": "a"}]}),
            "spec.template.spec.containers[0].image: Required value",
        ),
        (
            job() | {"metadata": {"name": "a" * 64}},
            (
                f'spec.template.labels: Invalid value: "{"a" * 64}": must be no more '
                "than "
                "63 bytes"
            ),
        ),
    ],
)
def test_bad_jobs_are_told_why(obj: dict[str, Any], cause: str) -> None:
    """Jobs obey their own rules and those of their template."""
    assert cause in create(JOB, obj)


@pytest.mark.parametrize(
    ("gvk", "obj", "cause"),
    [
        (SERVICE, {"spec": {}}, "spec.ports: Required value"),
        (
            SERVICE,
            {"spec": {"ports": [{"port": 1}, {"port": 2}]}},
            "spec.ports[0].name: Required value",
        ),
        (
            Gvk("v1", "ConfigMap"),
            {"data": {"a/b": ""}},
            'data[a/b]: Invalid value: "a/b": a valid config key must',
        ),
        (
            Gvk("v1", "ConfigMap"),
            {"data": {"a": "x" * (1024 * 1024 + 1)}},
            ": Too long: may not be more than 1048576 bytes",
        ),
        (
            Gvk("v1", "Secret"),
            {"type": "kubernetes.io/ssh-auth"},
            "data[ssh-privatekey]: Required value",
        ),
        (
            Gvk(RBAC, "Role"),
            {"rules": [{"apiGroups": [""], "resources": ["pods"]}]},
            "rules[0].verbs: Required value",
        ),
        (
            Gvk(RBAC, "RoleBinding"),
            {"kind": "RoleBinding", "roleRef": {"kind": "Role"}},
            "roleRef.name: Required value",
        ),
        (
            Gvk(RBAC, "ClusterRoleBinding"),
            {
                "kind": "ClusterRoleBinding",
                "roleRef": {"kind": "ClusterRole", "name": "r"},
                "subjects": [{"kind": "ServiceAccount", "name": "s"}],
            },
            "subjects[0].namespace: Required value",
        ),
        (
            Gvk(RBAC, "RoleBinding"),
            {
                "kind": "RoleBinding",
                "roleRef": {"kind": "Role", "name": "r"},
                "subjects": [{"kind": "ServiceAccount", "name": "s", "apiGroup": RBAC}],
            },
            "subjects[0].apiGroup: Unsupported value",
        ),
        (
            Gvk(RBAC, "Role"),
            {"kind": "Role", "rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]},
            "rules[0].nonResourceURLs: Invalid value",
        ),
        (
            Gvk("v1", "Event"),
            {"metadata": {"namespace": "a"}, "involvedObject": {"namespace": "b"}},
            'involvedObject.namespace: Invalid value: "b": does not match',
        ),
        (
            Gvk("coordination.k8s.io/v1", "Lease"),
            {"spec": {"leaseDurationSeconds": 0}},
            "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
        ),
        (
            Gvk("discovery.k8s.io/v1", "EndpointSlice"),
            {"addressType": "IPv4", "endpoints": [{"addresses": ["x"]}]},
            "endpoints[0].addresses[0]: Invalid value",
        ),
    ],
)
def test_other_kinds_are_told_why(gvk: Gvk, obj: dict[str, Any], cause: str) -> None:
    """Every kind that the project writes is judged."""
    causes = create(gvk, obj)
    assert len([one for one in causes if one.startswith(cause)]) == 1


def test_headless_service_needs_no_ports() -> None:
    """The operator's Service has none."""
    obj = {"spec": {"clusterIP": "None", "selector": {"a": "b"}}}
    assert create(SERVICE, obj) == []


def stored(gvk: Gvk, obj: dict[str, Any]) -> dict[str, Any]:
    assert create(gvk, obj) == []
    return obj


def changed(obj: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Copy an object with one field set, or removed (None)."""
    new = copy.deepcopy(obj)
    *steps, last = path.split(".")
    at: Any = new
    for step in steps:
        at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
    if value is None:
        del at[last]
    else:
        at[last] = value
    return new


def update(gvk: Gvk, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [error.field for error in check_update(gvk, old, new)]


@pytest.mark.parametrize(
    ("path", "value", "fields"),
    [
        ("metadata.labels", {"a": "b"}, []),
        ("spec.containers.0.image", "other", []),
        ("spec.activeDeadlineSeconds", 5, []),
        ("spec.activeDeadlineSeconds", 50, ["spec.activeDeadlineSeconds"]),
        ("spec.tolerations", [{"key": "a"}, {"operator": "Exists"}], []),
        ("spec.tolerations", [{"operator": "Exists"}], ["spec"]),
        ("spec.schedulingGates", [], []),
        ("spec.schedulingGates", [{"name": "n/w"}], ["spec.schedulingGates"]),
        ("spec.nodeSelector", {"a": "b", "c": "d"}, []),
        ("spec.nodeSelector", {"c": "d"}, ["spec"]),
        ("spec.containers.0.tty", True, ["spec"]),
        ("spec.hostname", "h", ["spec"]),
        ("metadata.uid", "u2", ["metadata.uid"]),
        ("metadata.name", "y", ["metadata.name"]),
    ],
)
def test_what_may_change_in_a_pod(path: str, value: object, fields: list[str]) -> None:
    """A Pod's spec is fixed but for a few fields."""
    old = stored(
        POD,
        pod(
            activeDeadlineSeconds=10,
            tolerations=[{"key": "a"}],
            schedulingGates=[{"name": "g/h"}],
            nodeSelector={"a": "b"},
        ),
    )
    assert update(POD, old, changed(old, path, value)) == fields


def test_containers_stay() -> None:
    """A Pod neither gains nor loses containers."""
    old = stored(POD, pod())
    new = copy.deepcopy(old)
    new["spec"]["containers"].append(new["spec"]["containers"][0] | {"name": "b"})
    assert update(POD, old, new) == ["spec.containers"]


SELECTOR = "spec.template.spec.nodeSelector"


@pytest.mark.parametrize(
    ("state", "path", "value", "fields"),
    [
        ("running", "spec.parallelism", 3, []),
        ("running", "spec.suspend", True, []),
        ("running", "spec.ttlSecondsAfterFinished", 3, []),
        ("running", "spec.activeDeadlineSeconds", 3, []),
        ("running", "spec.backoffLimit", 3, []),
        ("running", "spec.completions", 3, ["spec.completions"]),
        ("running", "spec.completionMode", "Indexed", ["spec.completionMode"]),
        ("running", SELECTOR, {"a": "b"}, ["spec.template"]),
        ("suspended", SELECTOR, {"a": "b"}, []),
        ("suspended", "spec.template.spec.tolerations", [{"key": "a"}], []),
        ("suspended", "spec.template.spec.schedulingGates", [{"name": "a/b"}], []),
        ("suspended", "spec.template.metadata.annotations", {"a": "b"}, []),
        ("suspended", "spec.template.spec.hostname", "h", ["spec.template"]),
        ("started", SELECTOR, {"a": "b"}, ["spec.template"]),
    ],
)
def test_what_may_change_in_a_job(
    state: str, path: str, value: object, fields: list[str]
) -> None:
    """The template opens for scheduling while the Job is suspended and not started."""
    old = stored(JOB, job(suspend=state != "running"))
    if state == "started":
        old["status"]["startTime"] = "2024-01-01T00:00:00Z"
    assert update(JOB, old, changed(old, path, value)) == fields


@pytest.mark.parametrize("gvk", [Gvk("v1", "ConfigMap"), Gvk("v1", "Secret")])
def test_immutable_means_it(gvk: Gvk) -> None:
    """Neither data nor the mark itself can change; metadata can."""
    old = stored(gvk, {"data": {"a": "QQ=="}, "immutable": True})
    assert update(gvk, old, changed(old, "data.a", "Qg==")) == ["data"]
    assert update(gvk, old, changed(old, "immutable", None)) == ["immutable"]
    assert update(gvk, old, changed(old, "metadata.labels", {"a": "b"})) == []
    free = stored(gvk, {"data": {"a": "QQ=="}})
    assert update(gvk, free, changed(free, "data.a", "Qg==")) == []


def test_bindings_and_addresses_stay() -> None:
    """A roleRef and a clusterIP are for good."""
    role = {"kind": "Role", "name": "r"}
    gvk = Gvk(RBAC, "RoleBinding")
    binding = stored(gvk, {"kind": "RoleBinding", "roleRef": role})
    assert update(gvk, binding, changed(binding, "roleRef.name", "s")) == ["roleRef"]
    service = stored(SERVICE, {"spec": {"clusterIP": "None"}})
    moved = changed(service, "spec.clusterIP", "10.0.0.1")
    assert "spec.clusterIPs[0]" in update(SERVICE, service, moved)


def test_no_new_finalizer_while_deleting() -> None:
    """An object that is being deleted can only lose finalizers."""
    old = stored(POD, pod())
    old["metadata"] |= {"deletionTimestamp": "t", "finalizers": ["a/b"]}
    assert update(POD, old, changed(old, "metadata.finalizers", [])) == []
    more = changed(old, "metadata.finalizers", ["a/b", "c/d"])
    assert update(POD, old, more) == ["metadata.finalizers"]


def test_a_status_write_judges_no_spec() -> None:
    """The status subresource looks at metadata only."""
    old = stored(POD, pod())
    new = changed(old, "status.phase", "Running")
    assert check_status_update(POD, old, new) == []
    moved = changed(new, "metadata.uid", "z")
    assert [e.field for e in check_status_update(POD, old, moved)] == ["metadata.uid"]


def crd(**version: object) -> dict[str, Any]:
    one = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object"}},
        **version,
    }
    return {
        "metadata": {"name": "ks.g.io"},
        "spec": {
            "group": "g.io",
            "scope": "Namespaced",
            "names": {"plural": "ks", "kind": "K"},
            "versions": [one],
        },
    }


def schema(**fields: object) -> dict[str, Any]:
    return {"schema": {"openAPIV3Schema": {"type": "object", **fields}}}


S = "spec.versions[0].schema.openAPIV3Schema"


@pytest.mark.parametrize(
    ("obj", "fields"),
    [
        (crd(), []),
        (crd(storage=False), ["spec.versions"]),
        (crd(schema={}), [S]),
        (crd(**schema(properties={"a": {}})), [f"{S}.properties[a].type"]),
        (
            crd(**schema(properties={"a": {"type": "string", "pattern": "("}})),
            [f"{S}.properties[a].pattern"],
        ),
        (
            crd(**schema(**{"x-kubernetes-validations": [{"rule": "self."}]})),
            [f"{S}.x-kubernetes-validations[0].rule"],
        ),
        (
            crd(additionalPrinterColumns=[{"name": "A", "type": "x", "jsonPath": "."}]),
            [
                "spec.versions[0].additionalPrinterColumns[0].type",
                "spec.versions[0].additionalPrinterColumns[0].jsonPath",
            ],
        ),
        (crd() | {"metadata": {"name": "other"}}, ["metadata.name"]),
    ],
)
def test_definitions_are_judged(obj: dict[str, Any], fields: list[str]) -> None:
    """A definition that is taken can be served: schema, rules and columns compile."""
    assert [cause.partition(":")[0] for cause in create(CRD, obj)] == fields


def test_names_of_a_definition_are_completed() -> None:
    """The list kind and the singular follow from the kind."""
    obj = stored(CRD, crd())
    assert obj["spec"]["names"]["listKind"] == "KList"
    assert obj["spec"]["names"]["singular"] == "k"
    assert update(CRD, obj, changed(obj, "spec.scope", "Cluster")) == ["spec.scope"]


PARTS: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers(-1, 2) | st.sampled_from(["", "a", "None", "1"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(
                [
                    "containers",
                    "volumes",
                    "name",
                    "env",
                    "valueFrom",
                    "ports",
                    "secret",
                    "projected",
                    "sources",
                    "livenessProbe",
                    "exec",
                    "tolerations",
                    "template",
                    "spec",
                    "selector",
                    "podFailurePolicy",
                    "rules",
                    "versions",
                    "names",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@settings(deadline=None)
@given(st.sampled_from([POD, JOB, SERVICE, CRD]), PARTS)
@example(POD, {"containers": [None]})
def test_judging_is_total(gvk: Gvk, spec: object) -> None:
    """Whatever decodes is judged without an exception, in creation and in update."""
    obj = {"metadata": {"name": "x", "uid": "u"}, "spec": spec}
    try:
        create(gvk, obj)
    except DecodeError:
        return
    assert check_update(gvk, obj, copy.deepcopy(obj)) == check(gvk, obj)
