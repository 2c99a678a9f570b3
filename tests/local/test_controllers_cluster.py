"""Garbage, endpoints, namespaces and scheduling, rule by rule."""

from typing import Any

import pytest

from mpiop.local.apiserver.wire import Forward, Request, Response, Watch
from mpiop.local.client import (
    CONFIG_MAPS,
    CRDS,
    ENDPOINT_SLICES,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
    ApiError,
    Deletion,
    Json,
    Resource,
)
from tests.virtual_cluster import VirtualCluster, conditions

NO_MATCH = (
    "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
)
WIDGETS = Resource("example.com/v1", "widgets")


@pytest.fixture
def cluster() -> VirtualCluster:
    made = VirtualCluster("PEM")
    made.settle()
    made.kubelet.register()
    made.settle()
    return made


def owned_by(
    owner: Json, kind: str, version: str = "v1", **more: object
) -> list[dict[str, Any]]:
    meta = owner["metadata"]
    return [
        {
            "apiVersion": version,
            "kind": kind,
            "name": meta["name"],
            "uid": meta["uid"],
            **more,
        }
    ]


def config_map(cluster: VirtualCluster, name: str, **meta: object) -> Json:
    return cluster.create(CONFIG_MAPS, metadata={"name": name, **meta})


def exists(cluster: VirtualCluster, name: str) -> bool:
    items: list[Json] = cluster.client.list(CONFIG_MAPS, "default")["items"]
    return any(item["metadata"]["name"] == name for item in items)


def pod(cluster: VirtualCluster, name: str, **more: object) -> Json:
    labels = more.pop("labels", {"app": "a"})
    containers = more.pop("containers", [{"name": "main", "image": "image"}])
    made = cluster.create(
        PODS,
        metadata={"name": name, "labels": labels},
        spec={"containers": containers, **more},
    )
    cluster.settle()
    return made


def read(cluster: VirtualCluster, name: str) -> Json:
    return cluster.client.get(PODS, "default", name)


def service(cluster: VirtualCluster, **spec: object) -> Json:
    body = {"clusterIP": "None", "selector": {"app": "a"}, **spec}
    made = cluster.create(SERVICES, metadata={"name": "svc"}, spec=body)
    cluster.settle()
    return made


def endpoints(cluster: VirtualCluster) -> list[Json]:
    slices = cluster.client.list(ENDPOINT_SLICES, "default")["items"]
    assert len(slices) == 1
    return slices[0].get("endpoints") or []


def widget_crd(cluster: VirtualCluster) -> None:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget"}
    spec = {
        "group": "example.com",
        "scope": "Namespaced",
        "names": names,
        "versions": [version],
    }
    meta = {"name": "widgets.example.com"}
    cluster.client.create(CRDS, {"metadata": meta, "spec": spec})
    cluster.settle()


# Garbage


def test_dependents_go_with_their_owner(cluster: VirtualCluster) -> None:
    """In the background dependents of dependents go too, and strangers stay."""
    top = config_map(cluster, "top")
    middle = config_map(cluster, "middle", ownerReferences=owned_by(top, "ConfigMap"))
    config_map(cluster, "leaf", ownerReferences=owned_by(middle, "ConfigMap"))
    config_map(cluster, "stranger")
    cluster.settle()
    assert exists(cluster, "leaf")
    cluster.client.delete(CONFIG_MAPS, top)
    cluster.settle()
    assert [exists(cluster, n) for n in ("top", "middle", "leaf", "stranger")] == [
        False,
        False,
        False,
        True,
    ]


def test_an_owner_is_its_uid(cluster: VirtualCluster) -> None:
    """A dependent of an older owner of the same name goes, the new owner's stays."""
    old = config_map(cluster, "owner")
    cluster.client.delete(CONFIG_MAPS, old)
    new = config_map(cluster, "owner")
    config_map(cluster, "late", ownerReferences=owned_by(old, "ConfigMap"))
    config_map(cluster, "own", ownerReferences=owned_by(new, "ConfigMap"))
    cluster.settle()
    assert [exists(cluster, name) for name in ("owner", "late", "own")] == [
        True,
        False,
        True,
    ]


def test_one_living_owner_is_enough(cluster: VirtualCluster) -> None:
    """The reference to the absent owner is dropped, the object stays."""
    one, two = config_map(cluster, "one"), config_map(cluster, "two")
    refs = owned_by(one, "ConfigMap") + owned_by(two, "ConfigMap")
    config_map(cluster, "both", ownerReferences=refs)
    cluster.settle()
    cluster.client.delete(CONFIG_MAPS, one)
    cluster.settle()
    both = cluster.client.get(CONFIG_MAPS, "default", "both")
    assert both["metadata"]["ownerReferences"] == owned_by(two, "ConfigMap")


def test_orphans_stay_without_owner(cluster: VirtualCluster) -> None:
    """Orphaning deletes the owner alone and takes its reference away."""
    owner = config_map(cluster, "owner")
    config_map(cluster, "child", ownerReferences=owned_by(owner, "ConfigMap"))
    cluster.settle()
    cluster.client.delete(CONFIG_MAPS, owner, Deletion(policy="Orphan"))
    cluster.settle()
    assert not exists(cluster, "owner")
    child = cluster.client.get(CONFIG_MAPS, "default", "child")
    assert "ownerReferences" not in child["metadata"]


@pytest.mark.parametrize("blocks", [True, False])
def test_foreground_waits_for_those_that_block(
    cluster: VirtualCluster, *, blocks: bool
) -> None:
    """The owner keeps its name until blocking dependents are gone, not for others."""
    owner = config_map(cluster, "owner")
    refs = owned_by(owner, "ConfigMap", blockOwnerDeletion=blocks)
    child = config_map(
        cluster, "child", ownerReferences=refs, finalizers=["example.com/hold"]
    )
    cluster.settle()
    cluster.client.delete(CONFIG_MAPS, owner, Deletion(policy="Foreground"))
    cluster.settle()
    held = cluster.client.get(CONFIG_MAPS, "default", "child")
    assert "deletionTimestamp" in held["metadata"]
    assert exists(cluster, "owner") == blocks
    cluster.client.patch(CONFIG_MAPS, child, {"metadata": {"finalizers": None}})
    cluster.settle()
    assert not exists(cluster, "owner")
    assert not exists(cluster, "child")


def test_custom_resources_own_too(cluster: VirtualCluster) -> None:
    """Dependents of a custom resource go with it, of a kind installed later too."""
    widget_crd(cluster)
    widget = cluster.create(WIDGETS, metadata={"name": "w"}, kind="Widget")
    refs = owned_by(widget, "Widget", "example.com/v1")
    config_map(cluster, "child", ownerReferences=refs)
    cluster.settle()
    assert exists(cluster, "child")
    cluster.client.delete(WIDGETS, widget)
    cluster.settle()
    assert not exists(cluster, "child")


def test_owners_of_unknown_kinds_are_no_reason_to_delete(
    cluster: VirtualCluster,
) -> None:
    """What cannot be looked up is not taken for absent."""
    owner = {"metadata": {"name": "x", "uid": "unknown"}}
    refs = owned_by(owner, "Gadget", "example.org/v1")
    config_map(cluster, "child", ownerReferences=refs)
    cluster.settle()
    assert exists(cluster, "child")


# Endpoints


def test_a_headless_service_lists_its_pods(cluster: VirtualCluster) -> None:
    """Each Pod with an address is an endpoint, ready when it is, named if it asks."""
    made = service(cluster)
    assert endpoints(cluster) == []
    first = pod(cluster, "p0", hostname="p0", subdomain="svc")
    pod(cluster, "p1", hostname="p1", subdomain="elsewhere")
    pod(cluster, "other", labels={"app": "b"})
    assert endpoints(cluster) == []
    for item in cluster.kubelet.pods():
        cluster.kubelet.run(item)
    cluster.settle()
    p0, p1 = endpoints(cluster)
    assert p0 == {
        "addresses": [read(cluster, "p0")["status"]["podIP"]],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "hostname": "p0",
        "nodeName": "node",
        "targetRef": {
            "kind": "Pod",
            "namespace": "default",
            "name": "p0",
            "uid": first["metadata"]["uid"],
        },
    }
    assert "hostname" not in p1
    (found,) = cluster.client.list(ENDPOINT_SLICES, "default")["items"]
    labels = found["metadata"]["labels"]
    assert labels["kubernetes.io/service-name"] == "svc"
    assert labels["service.kubernetes.io/headless"] == ""
    assert found["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
    cluster.client.delete(SERVICES, made)
    cluster.settle()
    assert cluster.client.list(ENDPOINT_SLICES, "default")["items"] == []


@pytest.mark.parametrize("published", [True, False])
def test_not_ready_addresses(cluster: VirtualCluster, *, published: bool) -> None:
    """A running Pod that is not ready is published as ready only where asked for."""
    service(cluster, publishNotReadyAddresses=published)
    probe = {"tcpSocket": {"port": 22}}
    container = {"name": "main", "image": "image", "readinessProbe": probe}
    made = pod(cluster, "p0", containers=[container])
    cluster.kubelet.run(made)
    cluster.settle()
    state = {"ready": published, "serving": False, "terminating": False}
    assert endpoints(cluster)[0]["conditions"] == state
    cluster.kubelet.ready(made)
    cluster.settle()
    assert endpoints(cluster)[0]["conditions"]["serving"]
    cluster.client.delete(PODS, made)
    cluster.settle()
    state = {"ready": published, "serving": True, "terminating": True}
    assert endpoints(cluster)[0]["conditions"] == state
    cluster.kubelet.finish_deletions()
    cluster.settle()
    assert endpoints(cluster) == []


def test_ended_pods_are_no_endpoints(cluster: VirtualCluster) -> None:
    """A Pod that has succeeded leaves the slice though it keeps its address."""
    service(cluster)
    made = pod(cluster, "p0")
    cluster.kubelet.run(made)
    cluster.settle()
    assert len(endpoints(cluster)) == 1
    cluster.kubelet.succeed(made)
    cluster.settle()
    assert endpoints(cluster) == []


def test_named_target_ports_are_resolved(cluster: VirtualCluster) -> None:
    """A slice shows the container's port of that name."""
    port = {"name": "ssh", "port": 22, "targetPort": "sshd"}
    service(cluster, ports=[port])
    ports = [{"name": "sshd", "containerPort": 2222}]
    made = pod(cluster, "p0", containers=[{"name": "m", "image": "i", "ports": ports}])
    cluster.kubelet.run(made)
    cluster.settle()
    assert len(endpoints(cluster)) == 1
    (found,) = cluster.client.list(ENDPOINT_SLICES, "default")["items"]
    assert found["ports"] == [{"name": "ssh", "port": 2222, "protocol": "TCP"}]


def test_an_unchanged_service_costs_no_write(cluster: VirtualCluster) -> None:
    """Heartbeats of Pods do not touch the slice."""
    service(cluster)
    made = pod(cluster, "p0")
    cluster.kubelet.run(made)
    cluster.settle()
    (before,) = cluster.client.list(ENDPOINT_SLICES, "default")["items"]
    cluster.client.patch(PODS, made, {"metadata": {"annotations": {"a": "b"}}})
    cluster.settle()
    (after,) = cluster.client.list(ENDPOINT_SLICES, "default")["items"]
    assert after == before


# Namespaces


def test_every_namespace_has_account_and_certificate(cluster: VirtualCluster) -> None:
    """They come with a new namespace, and come back when deleted."""
    cluster.client.create(NAMESPACES, {"metadata": {"name": "team"}})
    cluster.settle()
    account = cluster.client.get(SERVICE_ACCOUNTS, "team", "default")
    cluster.client.delete(SERVICE_ACCOUNTS, account)
    cluster.settle()
    assert cluster.client.get(SERVICE_ACCOUNTS, "team", "default")
    root = cluster.client.get(CONFIG_MAPS, "team", "kube-root-ca.crt")
    assert root["data"] == {"ca.crt": "PEM"}


def test_a_deleted_namespace_is_emptied_first(cluster: VirtualCluster) -> None:
    """It stays Terminating until its last Pod has ended, then it is gone."""
    cluster.client.create(NAMESPACES, {"metadata": {"name": "team"}})
    cluster.settle()
    spec = {"containers": [{"name": "main", "image": "image"}]}
    meta = {"namespace": "team"}
    made = cluster.create(PODS, metadata={"name": "p", **meta}, spec=spec)
    job_spec = {"template": {"spec": {**spec, "restartPolicy": "Never"}}}
    cluster.create(JOBS, metadata={"name": "job", **meta}, spec=job_spec)
    cluster.settle()
    cluster.kubelet.run(made)
    namespace = cluster.client.get(NAMESPACES, "", "team")
    cluster.client.delete(NAMESPACES, namespace)
    cluster.settle()
    left = cluster.client.get(NAMESPACES, "", "team")
    assert left["status"]["phase"] == "Terminating"
    assert cluster.client.list(JOBS, "team")["items"] == []
    assert cluster.client.list(CONFIG_MAPS, "team")["items"] == []
    cluster.kubelet.finish_deletions()
    cluster.settle()
    with pytest.raises(ApiError) as refused:
        cluster.client.get(NAMESPACES, "", "team")
    assert refused.value.status == 404


# Scheduler


def test_a_pod_is_bound_to_the_node(cluster: VirtualCluster) -> None:
    """It gets nodeName and PodScheduled=True."""
    pod(cluster, "p")
    found = read(cluster, "p")
    assert found["spec"]["nodeName"] == "node"
    assert ("PodScheduled", "True", "") in conditions(found)


@pytest.mark.parametrize(
    ("spec", "reason", "message"),
    [
        (
            {"nodeSelector": {"disk": "ssd"}},
            "Unschedulable",
            NO_MATCH,
        ),
        (
            {
                "containers": [
                    {
                        "name": "m",
                        "image": "i",
                        "resources": {"requests": {"cpu": "8001m"}},
                    }
                ]
            },
            "Unschedulable",
            "0/1 nodes are available: 1 Insufficient cpu.",
        ),
        (
            {"schedulingGates": [{"name": "example.com/wait"}]},
            "SchedulingGated",
            "Scheduling is blocked due to non-empty scheduling gates",
        ),
    ],
)
def test_a_pod_that_fits_nowhere_says_why(
    cluster: VirtualCluster, spec: dict[str, Any], reason: str, message: str
) -> None:
    """It stays Pending with PodScheduled=False, reason and message, written once."""
    pod(cluster, "p", **spec)
    found = read(cluster, "p")
    assert "nodeName" not in found["spec"]
    (condition,) = found["status"]["conditions"]
    assert condition["type"] == "PodScheduled"
    assert condition["status"] == "False"
    assert (condition["reason"], condition["message"]) == (reason, message)
    cluster.advance(60)
    assert read(cluster, "p") == found


def test_a_fitting_node_ends_the_wait(cluster: VirtualCluster) -> None:
    """Waiting Pods are looked at again when a node changes."""
    pod(cluster, "p", nodeSelector={"disk": "ssd"})
    node = cluster.client.get(NODES, "", "node")
    cluster.client.patch(NODES, node, {"metadata": {"labels": {"disk": "ssd"}}})
    cluster.settle()
    assert read(cluster, "p")["spec"]["nodeName"] == "node"


def test_an_opened_gate_ends_the_wait(cluster: VirtualCluster) -> None:
    """A Pod is scheduled once its last gate is removed."""
    made = pod(cluster, "p", schedulingGates=[{"name": "example.com/wait"}])
    cluster.client.patch(PODS, made, {"spec": {"schedulingGates": None}})
    cluster.settle()
    assert read(cluster, "p")["spec"]["nodeName"] == "node"


def test_other_schedulers_pods_are_left_alone(cluster: VirtualCluster) -> None:
    """A Pod with another schedulerName waits without a word from us."""
    pod(cluster, "p", schedulerName="volcano")
    found = read(cluster, "p")
    assert "nodeName" not in found["spec"]
    assert conditions(found) == []


# Cost


def count_calls(cluster: VirtualCluster) -> list[Request]:
    seen: list[Request] = []

    def handle(request: Request) -> Response | Watch | Forward:
        seen.append(request)
        return cluster.server.handle(request)

    cluster.client._handle = handle
    return seen


def test_two_hundred_pods_are_not_quadratic(cluster: VirtualCluster) -> None:
    """The API calls for 200 Pods of a Job and a Service grow linearly, at most."""
    calls = count_calls(cluster)
    service(cluster, selector={"job-name": "big"})
    counts = []
    for size in (50, 200):
        calls.clear()
        cluster.create_job(f"job-{size}", parallelism=size, completions=size)
        for item in cluster.kubelet.pods():
            cluster.kubelet.run(item)
        cluster.settle()
        counts.append(len(calls) / size)
    assert counts[1] < counts[0] * 1.5
