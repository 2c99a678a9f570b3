"""Lists, selectors, tables and other ways to look at objects."""

from typing import Any

import pytest

from tests.contract.servers import MERGE, TABLE, Api, Ask

METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"


def config_map(name: str = "one", **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "data": data}


def pod(name: str = "one", **spec: object) -> dict[str, Any]:
    container = {"name": "main", "image": "image:1"}
    return {"metadata": {"name": name}, "spec": {"containers": [container], **spec}}


@pytest.fixture
def maps(ns: str) -> str:
    return f"/api/v1/namespaces/{ns}/configmaps"


@pytest.fixture
def pods(ns: str) -> str:
    return f"/api/v1/namespaces/{ns}/pods"


def test_lists(api: Api, ns: str, maps: str) -> None:
    """A list is sorted by name, has a revision, and items of bare metadata and data."""
    for name in ("b", "a"):
        api.ask(Ask("POST", maps, config_map(name)))
    found = api.ask(Ask("GET", maps)).body
    assert found["kind"] == "ConfigMapList"
    assert [one["metadata"]["name"] for one in found["items"]] == ["a", "b"]
    assert "kind" not in found["items"][0]
    assert int(found["metadata"]["resourceVersion"]) > 0
    query = {"fieldSelector": f"metadata.namespace={ns},metadata.name!=a"}
    everywhere = api.ask(Ask("GET", "/api/v1/configmaps", query=query)).body
    assert [one["metadata"]["name"] for one in everywhere["items"]] == ["b"]


def test_pages(api: Api, maps: str) -> None:
    """A limited list continues from the state in which it began."""
    for name in "abc":
        api.ask(Ask("POST", maps, config_map(name)))
    first = api.ask(Ask("GET", maps, query={"limit": "2"})).body
    assert first["metadata"]["remainingItemCount"] == 1
    api.ask(Ask("DELETE", f"{maps}/c"))
    token = first["metadata"]["continue"]
    rest = api.ask(Ask("GET", maps, query={"limit": "2", "continue": token})).body
    assert [one["metadata"]["name"] for one in rest["items"]] == ["c"]
    assert "continue" not in rest["metadata"]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("app=x", "ab"),
        ("app==x,tier", "b"),
        ("app!=x", "cd"),
        ("!app", "d"),
        ("app in (x, y)", "abc"),
        ("app notin (x)", "cd"),
        ("app,!tier", "ac"),
    ],
)
def test_label_selectors(api: Api, maps: str, selector: str, names: str) -> None:
    """Labels select by value, set and presence."""
    labels: dict[str, dict[str, str]] = {
        "a": {"app": "x"},
        "b": {"app": "x", "tier": "1"},
        "c": {"app": "y"},
        "d": {},
    }
    for name, own in labels.items():
        body = {"metadata": {"name": name, "labels": own}}
        assert api.ask(Ask("POST", maps, body)).status == 201
    found = api.ask(Ask("GET", maps, query={"labelSelector": selector})).body
    assert [one["metadata"]["name"] for one in found["items"]] == list(names)


def test_field_selectors(api: Api, pods: str) -> None:
    """Pods are selected by node and phase; an unknown field is a bad request."""
    api.ask(Ask("POST", pods, pod("a", nodeName="n1")))
    api.ask(Ask("POST", pods, pod("b")))
    for selector, names in (
        ("spec.nodeName=n1", ["a"]),
        ("spec.nodeName=", ["b"]),
        ("status.phase=Pending,metadata.name!=a", ["b"]),
        ("status.phase!=Pending", []),
    ):
        found = api.ask(Ask("GET", pods, query={"fieldSelector": selector})).body
        assert [one["metadata"]["name"] for one in found["items"]] == names
    answer = api.ask(Ask("GET", pods, query={"fieldSelector": "spec.color=red"}))
    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert "field label not supported: spec.color" in answer.message


def test_bad_label_selector(api: Api, maps: str) -> None:
    """A selector that does not parse is a bad request."""
    answer = api.ask(Ask("GET", maps, query={"labelSelector": "a in x"}))
    assert (answer.status, answer.reason) == (400, "BadRequest")


def test_tables(api: Api, pods: str) -> None:
    """A Table has columns, and a row for each object with its metadata."""
    api.ask(Ask("POST", pods, pod()))
    table = api.ask(Ask("GET", pods, accept=TABLE)).body
    names = [column["name"] for column in table["columnDefinitions"]]
    (row,) = table["rows"]
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert names[:5] == ["Name", "Ready", "Status", "Restarts", "Age"]
    assert row["cells"][:4] == ["one", "0/1", "Pending", "0"]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert row["object"]["metadata"]["name"] == "one"


def test_partial_metadata(api: Api, maps: str) -> None:
    """Metadata can be asked for alone."""
    api.ask(Ask("POST", maps, config_map(a="b")))
    many = METADATA.replace("ObjectMetadata", "ObjectMetadataList")
    single = api.ask(Ask("GET", f"{maps}/one", accept=METADATA)).body
    listed = api.ask(Ask("GET", maps, accept=many)).body
    assert single["kind"] == "PartialObjectMetadata"
    assert single.keys() == {"kind", "apiVersion", "metadata"}
    assert listed["kind"] == "PartialObjectMetadataList"
    assert listed["items"][0]["metadata"] == single["metadata"]


def test_a_write_is_answered_by_metadata_alone(api: Api, maps: str, pods: str) -> None:
    """As a read is; what is no object, or is refused, is answered as ever."""
    asks = [
        Ask("POST", maps, config_map(a="b"), accept=METADATA),
        Ask("PATCH", f"{maps}/one", {"data": {}}, content=MERGE, accept=METADATA),
        Ask("POST", maps, config_map(), accept=METADATA),
        Ask("DELETE", f"{maps}/one", accept=METADATA),
        Ask("POST", pods, pod(), accept=f"{METADATA},application/json"),
        Ask("DELETE", f"{pods}/one", accept=METADATA),
        Ask("POST", maps, config_map(), accept=METADATA.replace("v1", "v7")),
        Ask("GET", f"{maps}/one"),
    ]
    found = [api.ask(ask) for ask in asks]

    told = [(one.status, one.body["kind"]) for one in found]
    assert told == [
        (201, "PartialObjectMetadata"),
        (200, "PartialObjectMetadata"),
        (409, "Status"),
        (200, "Status"),
        (201, "PartialObjectMetadata"),
        (200, "PartialObjectMetadata"),
        (406, "Status"),
        (404, "Status"),
    ]
    assert found[0].body.keys() == {"kind", "apiVersion", "metadata"}
    assert found[0].body["metadata"]["resourceVersion"]


def test_events_have_two_versions(api: Api, ns: str) -> None:
    """An Event written as core/v1 is read as events.k8s.io/v1."""
    body = {
        "metadata": {"name": "one"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": ns},
        "reason": "Started",
        "message": "it did",
        "type": "Normal",
    }
    made = api.ask(Ask("POST", f"/api/v1/namespaces/{ns}/events", body))
    assert made.status == 201
    path = f"/apis/events.k8s.io/v1/namespaces/{ns}/events"
    event = api.ask(Ask("GET", f"{path}/one")).body
    assert event["apiVersion"] == "events.k8s.io/v1"
    assert (event["note"], event["regarding"]["name"]) == ("it did", "p")
    query = {"fieldSelector": "involvedObject.name=p"}
    old = api.ask(Ask("GET", f"/api/v1/namespaces/{ns}/events", query=query)).body
    assert len(old["items"]) == 1
