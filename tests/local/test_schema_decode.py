"""Decoding, pruning and defaults of built-in kinds."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpiop.local.apiserver.schema import (
    BUILTINS,
    DecodeError,
    Gvk,
    decode,
    default,
    prepare_create,
    prepare_update,
)
from mpiop.local.apiserver.schema.quantity import canonical_quantity, parse_quantity
from mpiop.local.apiserver.schema.structure import structure

POD = Gvk("v1", "Pod")
JOB = Gvk("batch/v1", "Job")


def pod(**container: object) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "default"},
        "spec": {"containers": [{"name": "main", "image": "img", **container}]},
    }


def test_misspelt_request_is_named_and_dropped() -> None:
    """A real user's typo is told with its path, and the Pod runs without it."""
    obj = pod(resources={"request": {"cpu": 1}, "limits": {"cpu": 0.1}})
    assert decode(POD, obj) == ['unknown field "spec.containers[0].resources.request"']
    assert obj["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "100m"}}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"containers": [{"name": 5}]},
            (
                "json: cannot unmarshal number into Go struct field "
                "Container.spec.containers.name of type string"
            ),
        ),
        (
            {"containers": "x"},
            (
                "json: cannot unmarshal string into Go struct field "
                "PodSpec.spec.containers of type []v1.Container"
            ),
        ),
        (
            {"activeDeadlineSeconds": 1.5},
            (
                "json: cannot unmarshal number 1.5 into Go struct field "
                "PodSpec.spec.activeDeadlineSeconds of type int64"
            ),
        ),
        (
            {"hostNetwork": "yes"},
            (
                "json: cannot unmarshal string into Go struct field "
                "PodSpec.spec.hostNetwork of type bool"
            ),
        ),
        (
            {"activeDeadlineSeconds": True},
            (
                "json: cannot unmarshal bool into Go struct field "
                "PodSpec.spec.activeDeadlineSeconds of type int64"
            ),
        ),
    ],
)
def test_wrong_types_are_told_like_a_real_server(
    spec: dict[str, Any], message: str
) -> None:
    """A value of the wrong JSON type is a decoding error, not a 422."""
    with pytest.raises(DecodeError) as caught:
        decode(POD, {"spec": spec})
    prefix = 'Pod in version "v1" cannot be handled as a Pod: '
    assert str(caught.value) == prefix + message


@pytest.mark.parametrize(
    ("field", "value", "part"),
    [
        ("cpu", "abc", "quantities must match the regular expression"),
        ("cpu", "1Gb", "unable to parse quantity's suffix"),
        ("memory", "", "quantities must match the regular expression"),
    ],
)
def test_bad_quantity_names_its_field(field: str, value: str, part: str) -> None:
    """What is no quantity says so, and where."""
    with pytest.raises(DecodeError, match=part) as caught:
        decode(POD, pod(resources={"limits": {field: value}}))
    assert f"spec.containers[0].resources.limits.{field}" in str(caught.value)


def test_secret_data_must_be_base64() -> None:
    """Data that is not base64 does not decode."""
    with pytest.raises(DecodeError, match="illegal base64 data"):
        decode(Gvk("v1", "Secret"), {"data": {"a": "no base64!"}})


def test_nulls_and_empty_lists_vanish() -> None:
    """What a real server would not encode again is not kept."""
    obj = pod(env=[], command=None)
    obj["metadata"] |= {"creationTimestamp": None, "labels": {}}
    obj["spec"]["securityContext"] = {}
    assert decode(POD, obj) == []
    assert obj["metadata"] == {"name": "p", "namespace": "default"}
    assert obj["spec"]["containers"] == [{"name": "main", "image": "img"}]
    assert obj["spec"]["securityContext"] == {}


def test_times_become_utc_seconds() -> None:
    """metav1.Time has seconds, MicroTime six digits, as it must be written."""
    obj = pod()
    obj["metadata"]["deletionTimestamp"] = "2024-05-01T10:00:00.25+02:00"
    decode(POD, obj)
    assert obj["metadata"]["deletionTimestamp"] == "2024-05-01T08:00:00Z"
    gvk = Gvk("coordination.k8s.io/v1", "Lease")
    lease = {"spec": {"renewTime": "2024-05-01T12:00:00.250000+02:00"}}
    decode(gvk, lease)
    assert lease["spec"]["renewTime"] == "2024-05-01T10:00:00.250000Z"
    for text in ("2024-05-01T10:00:00Z", "2024-05-01T10:00:00.25Z"):
        with pytest.raises(DecodeError, match=r"05\.000000Z07:00"):
            decode(gvk, {"spec": {"renewTime": text}})


@pytest.mark.parametrize("gvk", BUILTINS, ids=str)
def test_every_kind_has_a_shape(gvk: Gvk) -> None:
    """Every built-in kind is in the bundled schemas."""
    assert structure(gvk).fields.keys() >= {"kind", "metadata"}


def test_a_type_may_contain_itself() -> None:
    """Schemas in a definition nest, and stray fields deep in them are found."""
    crd = {
        "spec": {
            "versions": [
                {
                    "schema": {
                        "openAPIV3Schema": {
                            "properties": {"spec": {"properties": {"a": {"typo": 1}}}}
                        }
                    }
                }
            ]
        }
    }
    gvk = Gvk("apiextensions.k8s.io/v1", "CustomResourceDefinition")
    where = "spec.versions[0].schema.openAPIV3Schema.properties.spec.properties.a"
    assert decode(gvk, crd) == [f'unknown field "{where}.typo"']


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["metadata", "spec", "containers", "name", "labels", "env", "zzz"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON)
def test_decoding_is_total_and_idempotent(spec: object) -> None:
    """Any JSON either decodes, and then again to the same, or raises DecodeError."""
    obj = {"spec": spec}
    try:
        decode(POD, obj)
    except DecodeError:
        return
    again = copy.deepcopy(obj)
    assert decode(POD, again) == []
    assert again == obj


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1000m", "1"),
        ("1024Mi", "1Gi"),
        ("0.5", "500m"),
        ("1.5Gi", "1536Mi"),
        ("1500m", "1500m"),
        ("1000", "1k"),
        ("0", "0"),
        ("0.1Gi", "107374182400m"),
        ("12e6", "12e6"),
        ("-1.5", "-1500m"),
        ("0.0001", "100u"),
        (".5", "500m"),
        ("0.0000000001", "1n"),
    ],
)
def test_quantities_are_canonical(text: str, canonical: str) -> None:
    """Quantities are stored as the real server stores them."""
    assert canonical_quantity(text) == canonical


@settings(deadline=None)
@given(
    st.integers(-(10**12), 10**12),
    st.sampled_from(["", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "e-3"]),
)
def test_canonical_form_keeps_the_amount(number: int, suffix: str) -> None:
    """Writing a quantity anew changes its text, never its amount."""
    text = f"{number}{suffix}"
    canonical = canonical_quantity(text)
    assert parse_quantity(canonical) == parse_quantity(text)
    assert canonical_quantity(canonical) == canonical


def test_pod_gets_the_servers_defaults() -> None:
    """A minimal Pod is completed."""
    obj = pod(
        resources={"limits": {"cpu": "1"}},
        readinessProbe={"httpGet": {"port": 80}, "periodSeconds": 0},
        ports=[{"containerPort": 80}],
        env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}],
    )
    obj["spec"]["volumes"] = [{"name": "a"}, {"name": "b", "secret": {}}]
    decode(POD, obj)
    default(POD, obj)
    prepare_create(POD, obj)
    spec = obj["spec"]
    container = spec.pop("containers")[0]
    assert spec == {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "terminationGracePeriodSeconds": 30,
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "enableServiceLinks": True,
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "priority": 0,
        "preemptionPolicy": "PreemptLowerPriority",
        "volumes": [
            {"name": "a", "emptyDir": {}},
            {"name": "b", "secret": {"defaultMode": 420}},
        ],
    }
    assert container["resources"]["requests"] == {"cpu": "1"}
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert container["env"][0]["valueFrom"]["fieldRef"]["apiVersion"] == "v1"
    assert container["readinessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }
    assert container["terminationMessagePath"] == "/dev/termination-log"
    assert container["terminationMessagePolicy"] == "File"
    assert obj["status"] == {"phase": "Pending", "qosClass": "Burstable"}


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("a", "Always"),
        ("a:latest", "Always"),
        ("a:1", "IfNotPresent"),
        ("host:5000/a", "Always"),
        ("host:5000/a:1", "IfNotPresent"),
        ("a@sha256:00", "IfNotPresent"),
    ],
)
def test_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    """No tag and `latest` are pulled always."""
    obj = pod(image=image)
    default(POD, obj)
    assert obj["spec"]["containers"][0]["imagePullPolicy"] == policy


@pytest.mark.parametrize(
    ("resources", "qos"),
    [
        ({}, "BestEffort"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        (
            {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}},
            "Burstable",
        ),
    ],
)
def test_qos_class(resources: dict[str, Any], qos: str) -> None:
    """The class follows cpu and memory of every container."""
    obj = pod(resources=resources)
    default(POD, obj)
    prepare_create(POD, obj)
    assert obj["status"]["qosClass"] == qos


def test_gated_pod_says_so_from_the_start() -> None:
    """A scheduling gate is a condition at creation."""
    obj = pod()
    obj["spec"]["schedulingGates"] = [{"name": "x/y"}]
    prepare_create(POD, obj)
    assert obj["status"]["conditions"][0]["reason"] == "SchedulingGated"


def test_job_selects_its_pods_by_uid() -> None:
    """Selector and template labels come from name and uid."""
    job: dict[str, Any] = {
        "metadata": {"name": "j", "uid": "u1"},
        "spec": {"template": {"spec": {"containers": [{"name": "a"}]}}},
    }
    default(JOB, job)
    prepare_create(JOB, job)
    labels = {
        "job-name": "j",
        "batch.kubernetes.io/job-name": "j",
        "controller-uid": "u1",
        "batch.kubernetes.io/controller-uid": "u1",
    }
    spec = job["spec"]
    assert spec["selector"] == {
        "matchLabels": {"batch.kubernetes.io/controller-uid": "u1"}
    }
    assert spec["template"]["metadata"]["labels"] == labels
    assert job["metadata"]["labels"] == labels
    assert job["status"] == {}
    assert {key: spec[key] for key in ("completions", "parallelism", "suspend")} == {
        "completions": 1,
        "parallelism": 1,
        "suspend": False,
    }
    assert spec["backoffLimit"] == 6
    assert spec["completionMode"] == "NonIndexed"
    assert spec["podReplacementPolicy"] == "TerminatingOrFailed"


def test_failure_policy_replaces_failed_pods_only() -> None:
    """With a podFailurePolicy only failed Pods are replaced."""
    job: dict[str, Any] = {
        "spec": {
            "parallelism": 2,
            "podFailurePolicy": {
                "rules": [
                    {
                        "action": "FailJob",
                        "onPodConditions": [{"type": "DisruptionTarget"}],
                    }
                ]
            },
        }
    }
    default(JOB, job)
    assert job["spec"]["podReplacementPolicy"] == "Failed"
    assert "completions" not in job["spec"]
    rule = job["spec"]["podFailurePolicy"]["rules"][0]
    assert rule["onPodConditions"][0]["status"] == "True"


def test_headless_service_keeps_none() -> None:
    """`None` is an address of its own kind, in both fields."""
    spec = {"clusterIP": "None", "ports": [{"port": 1}], "selector": {"a": "b"}}
    service: dict[str, Any] = {"spec": spec}
    default(Gvk("v1", "Service"), service)
    assert service["spec"] == {
        "clusterIP": "None",
        "clusterIPs": ["None"],
        "type": "ClusterIP",
        "sessionAffinity": "None",
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "selector": {"a": "b"},
        "ports": [{"port": 1, "targetPort": 1, "protocol": "TCP"}],
    }


def test_string_data_joins_data() -> None:
    """A Secret's stringData is written, never read."""
    secret = {"data": {"a": "QQ=="}, "stringData": {"a": "B", "c": "ä"}}
    default(Gvk("v1", "Secret"), secret)
    assert secret == {"type": "Opaque", "data": {"a": "Qg==", "c": "w6Q="}}


def test_namespace_begins_active() -> None:
    """A Namespace has its finalizer, its phase and its name as a label."""
    obj: dict[str, Any] = {"metadata": {"name": "n"}}
    gvk = Gvk("v1", "Namespace")
    default(gvk, obj)
    prepare_create(gvk, obj)
    assert obj == {
        "metadata": {"name": "n", "labels": {"kubernetes.io/metadata.name": "n"}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def test_put_may_leave_out_what_the_server_owns() -> None:
    """An address comes back where a PUT does not carry it."""
    old = {"spec": {"clusterIP": "None", "clusterIPs": ["None"]}}
    new: dict[str, Any] = {"metadata": {"name": "s"}, "spec": {}}
    prepare_update(Gvk("v1", "Service"), old, new)
    assert new["spec"] == old["spec"]
