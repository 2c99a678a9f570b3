"""Grace, finalizers, preconditions and propagation."""

from typing import Any

import pytest

from tests.contract.servers import MERGE, Api, Ask, Reply


@pytest.fixture
def maps(ns: str) -> str:
    return f"/api/v1/namespaces/{ns}/configmaps"


def make(api: Api, path: str, name: str = "one", **meta: object) -> dict[str, Any]:
    made = api.ask(Ask("POST", path, {"metadata": {"name": name, **meta}}))
    assert made.status == 201
    return dict(made.body)


@pytest.fixture
def pods(ns: str) -> str:
    return f"/api/v1/namespaces/{ns}/pods"


def make_pod(api: Api, pods: str, node: str = "", **meta: object) -> dict[str, Any]:
    spec: dict[str, Any] = {"containers": [{"name": "c", "image": "i"}]}
    if node:
        spec["nodeName"] = node
    body = {"metadata": {"name": "one", **meta}, "spec": spec}
    made = api.ask(Ask("POST", pods, body))
    assert made.status == 201
    return dict(made.body)


def delete(api: Api, path: str, **options: object) -> Reply:
    return api.ask(Ask("DELETE", path, options or None))


def test_delete(api: Api, maps: str) -> None:
    """An object without finalizers goes at once; the answer names it."""
    made = make(api, maps)
    answer = delete(api, f"{maps}/one")
    assert (answer.status, answer.body["status"]) == (200, "Success")
    assert answer.body["details"] == {
        "name": "one",
        "kind": "configmaps",
        "uid": made["metadata"]["uid"],
    }
    again = delete(api, f"{maps}/one")
    assert (again.status, again.reason) == (404, "NotFound")


def test_preconditions(api: Api, maps: str) -> None:
    """A deletion by uid and resourceVersion spares any other state."""
    meta = make(api, maps)["metadata"]
    for wrong in ({"uid": "another"}, {"resourceVersion": "1"}):
        answer = delete(api, f"{maps}/one", preconditions=wrong)
        assert (answer.status, answer.reason) == (409, "Conflict")
        assert answer.message.startswith(
            'Operation cannot be fulfilled on ConfigMap "one": the '
        )
        assert " in the precondition (" in answer.message
    right = {key: meta[key] for key in ("uid", "resourceVersion")}
    assert delete(api, f"{maps}/one", preconditions=right).status == 200


def test_finalizer(api: Api, maps: str) -> None:
    """An object with a finalizer stays, marked, until the last one is taken off."""
    make(api, maps, finalizers=["test/hold"])
    meta = delete(api, f"{maps}/one").body["metadata"]
    assert meta["deletionTimestamp"]
    assert meta["deletionGracePeriodSeconds"] == 0
    more = {"metadata": {"finalizers": ["test/hold", "test/more"]}}
    refused = api.ask(Ask("PATCH", f"{maps}/one", more, content=MERGE))
    assert (refused.status, refused.reason) == (422, "Invalid")
    assert api.ask(Ask("GET", f"{maps}/one")).body["metadata"] == meta
    none = {"metadata": {"finalizers": None}}
    last = api.ask(Ask("PATCH", f"{maps}/one", none, content=MERGE))
    assert last.status == 200
    assert "finalizers" not in last.body["metadata"]
    assert last.body["metadata"]["resourceVersion"] == meta["resourceVersion"]
    assert api.ask(Ask("GET", f"{maps}/one")).status == 404
    watch = api.watch(maps, {"resourceVersion": meta["resourceVersion"]})
    (event,) = watch.take(1)
    watch.close()
    assert event["type"] == "DELETED"
    assert event["object"]["metadata"]["finalizers"] == ["test/hold"]


@pytest.mark.parametrize(
    ("policy", "finalizer"),
    [("Foreground", "foregroundDeletion"), ("Orphan", "orphan")],
)
def test_propagation(api: Api, maps: str, policy: str, finalizer: str) -> None:
    """Foreground and Orphan leave the object to the garbage collector."""
    make(api, maps)
    meta = delete(api, f"{maps}/one", propagationPolicy=policy).body["metadata"]
    assert meta["finalizers"] == [finalizer]
    assert meta["deletionTimestamp"]
    answer = api.ask(Ask("POST", maps, {"metadata": {"name": "one"}}))
    assert (answer.status, answer.reason) == (409, "AlreadyExists")
    assert answer.message.startswith("object is being deleted: ")


def test_unknown_propagation(api: Api, maps: str) -> None:
    """An unknown policy is refused."""
    make(api, maps)
    assert delete(api, f"{maps}/one", propagationPolicy="Some").status in {400, 422}


def test_pod_without_node(api: Api, pods: str) -> None:
    """A Pod that no kubelet knows of goes at once."""
    make_pod(api, pods)
    answer = delete(api, f"{pods}/one")
    assert (answer.status, answer.body["kind"]) == (200, "Pod")
    assert api.ask(Ask("GET", f"{pods}/one")).status == 404


def test_pod_on_node(api: Api, pods: str) -> None:
    """A Pod on a node keeps its name until the kubelet deletes it without grace."""
    make_pod(api, pods, "n1")
    meta = delete(api, f"{pods}/one").body["metadata"]
    assert meta["deletionGracePeriodSeconds"] == 30
    assert meta["generation"] == 2
    again = delete(api, f"{pods}/one").body["metadata"]
    assert again["resourceVersion"] == meta["resourceVersion"]
    shorter = delete(api, f"{pods}/one", gracePeriodSeconds=5).body["metadata"]
    assert shorter["deletionGracePeriodSeconds"] == 5
    assert shorter["deletionTimestamp"] < meta["deletionTimestamp"]
    longer = delete(api, f"{pods}/one", gracePeriodSeconds=60).body["metadata"]
    assert longer["deletionGracePeriodSeconds"] == 5
    assert delete(api, f"{pods}/one", gracePeriodSeconds=0).status == 200
    assert api.ask(Ask("GET", f"{pods}/one")).status == 404


def test_finished_pod(api: Api, pods: str) -> None:
    """A Pod that has ended needs no grace."""
    make_pod(api, pods, "n1")
    body = {"status": {"phase": "Failed"}}
    api.ask(Ask("PATCH", f"{pods}/one/status", body, content=MERGE))
    delete(api, f"{pods}/one")
    assert api.ask(Ask("GET", f"{pods}/one")).status == 404


def test_pod_with_finalizer(api: Api, pods: str) -> None:
    """A finalizer holds a Pod even after the kubelet has let it go."""
    make_pod(api, pods, "n1", finalizers=["test/hold"])
    delete(api, f"{pods}/one")
    delete(api, f"{pods}/one", gracePeriodSeconds=0)
    meta = api.ask(Ask("GET", f"{pods}/one")).body["metadata"]
    assert meta["deletionGracePeriodSeconds"] == 0
    none = {"metadata": {"finalizers": None}}
    api.ask(Ask("PATCH", f"{pods}/one", none, content=MERGE))
    assert api.ask(Ask("GET", f"{pods}/one")).status == 404


def test_collection(api: Api, maps: str) -> None:
    """A collection is deleted by selector."""
    for name, app in (("a", "x"), ("b", "x"), ("c", "y")):
        make(api, maps, name, labels={"app": app})
    query = {"labelSelector": "app=x"}
    assert api.ask(Ask("DELETE", maps, query=query)).status == 200
    left = api.ask(Ask("GET", maps)).body["items"]
    names = [one["metadata"]["name"] for one in left]
    assert [name for name in names if name != "kube-root-ca.crt"] == ["c"]


def test_namespace(api: Api, ns: str, maps: str) -> None:
    """A namespace terminates, takes nothing new, and goes once it is finalized."""
    path = f"/api/v1/namespaces/{ns}"
    body = delete(api, path).body
    assert body["status"]["phase"] == "Terminating"
    refused = api.ask(Ask("POST", maps, {"metadata": {"name": "late"}}))
    assert (refused.status, refused.reason) == (403, "Forbidden")
    assert "because it is being terminated" in refused.message
    assert refused.body["details"]["causes"][0]["reason"] == "NamespaceTerminating"
    body = api.ask(Ask("GET", path)).body
    body["spec"] = {}
    assert api.ask(Ask("PUT", f"{path}/finalize", body)).status == 200
    assert api.ask(Ask("GET", path)).status == 404


def test_eviction(api: Api, pods: str) -> None:
    """An eviction says so in the Pod's conditions before it deletes."""
    make_pod(api, pods, "n1")
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "one"},
    }
    assert api.ask(Ask("POST", f"{pods}/one/eviction", body)).status == 201
    pod = api.ask(Ask("GET", f"{pods}/one")).body
    conditions = {one["type"]: one for one in pod["status"]["conditions"]}
    assert conditions["DisruptionTarget"]["reason"] == "EvictionByEvictionAPI"
    assert pod["metadata"]["deletionTimestamp"]


def test_binding(api: Api, pods: str) -> None:
    """A Pod is bound to a node once."""
    make_pod(api, pods)
    body = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "one"},
        "target": {"kind": "Node", "name": "n1"},
    }
    assert api.ask(Ask("POST", f"{pods}/one/binding", body)).status == 201
    pod = api.ask(Ask("GET", f"{pods}/one")).body
    assert pod["spec"]["nodeName"] == "n1"
    assert pod["status"]["conditions"][0]["type"] == "PodScheduled"
    again = api.ask(Ask("POST", f"{pods}/one/binding", body))
    assert (again.status, again.reason) == (409, "Conflict")
