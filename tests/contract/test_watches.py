"""Watches: what comes, in which order, and to whom."""

from typing import Any

import pytest

from tests.contract.servers import MERGE, Api, Ask


@pytest.fixture
def maps(ns: str) -> str:
    return f"/api/v1/namespaces/{ns}/configmaps"


def make(api: Api, path: str, name: str, **labels: str) -> dict[str, Any]:
    body = {"metadata": {"name": name, "labels": labels}}
    made = api.ask(Ask("POST", path, body))
    assert made.status == 201
    return dict(made.body)


def label(api: Api, path: str, name: str, **labels: str | None) -> dict[str, Any]:
    body = {"metadata": {"labels": labels}}
    changed = api.ask(Ask("PATCH", f"{path}/{name}", body, content=MERGE))
    return dict(changed.body)


def revision(api: Api, path: str) -> str:
    return str(api.ask(Ask("GET", path)).body["metadata"]["resourceVersion"])


def seen(
    api: Api, path: str, count: int, **query: str
) -> list[tuple[str, dict[str, Any]]]:
    stream = api.watch(path, query)
    try:
        return [(event["type"], event["object"]) for event in stream.take(count)]
    finally:
        stream.close()


def test_from_a_revision(api: Api, maps: str) -> None:
    """A watch from a list's revision gives all that came after, in order."""
    make(api, maps, "before")
    start = revision(api, maps)
    made = make(api, maps, "one")
    changed = label(api, maps, "one", a="1")
    api.ask(Ask("DELETE", f"{maps}/one"))
    events = seen(api, maps, 3, resourceVersion=start)
    assert [type_ for type_, _ in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert [obj for _, obj in events[:2]] == [made, changed]
    last = events[2][1]["metadata"]
    assert int(last["resourceVersion"]) > int(changed["metadata"]["resourceVersion"])
    assert last["labels"] == {"a": "1"}


@pytest.mark.parametrize("query", [{}, {"resourceVersion": "0"}])
def test_from_now(api: Api, maps: str, query: dict[str, str]) -> None:
    """A watch without a revision begins with what there is."""
    make(api, maps, "a")
    make(api, maps, "b")
    events = seen(api, maps, 2, **query)
    names = {obj["metadata"]["name"] for _, obj in events}
    assert {type_ for type_, _ in events} == {"ADDED"}
    assert names == {"a", "b"}


def test_other_namespaces(api: Api, maps: str) -> None:
    """A watch of all namespaces sees this one, one of another does not."""
    start = revision(api, maps)
    make(api, maps, "one")
    ((_, obj),) = seen(api, "/api/v1/configmaps", 1, resourceVersion=start)
    assert obj["metadata"]["name"] == "one"
    elsewhere = "/api/v1/namespaces/default/configmaps"
    make(api, elsewhere, f"mark-{start}")
    events = seen(api, elsewhere, 1, resourceVersion=start)
    assert events[0][1]["metadata"]["name"] == f"mark-{start}"


def test_selection(api: Api, maps: str) -> None:
    """An object that comes to match is ADDED, one that ceases to is DELETED."""
    start = revision(api, maps)
    make(api, maps, "one")
    label(api, maps, "one", app="x")
    label(api, maps, "one", more="y")
    left = label(api, maps, "one", app=None)
    api.ask(Ask("DELETE", f"{maps}/one"))
    make(api, maps, "two", app="x")
    query = {"resourceVersion": start, "labelSelector": "app=x"}
    events = seen(api, maps, 4, **query)
    assert [type_ for type_, _ in events] == ["ADDED", "MODIFIED", "DELETED", "ADDED"]
    gone = events[2][1]["metadata"]
    assert gone["labels"] == {"app": "x", "more": "y"}
    assert gone["resourceVersion"] == left["metadata"]["resourceVersion"]


def test_one_object(api: Api, maps: str) -> None:
    """One object is watched by its name."""
    start = revision(api, maps)
    make(api, maps, "other")
    make(api, maps, "one")
    query = {"resourceVersion": start, "fieldSelector": "metadata.name=one"}
    ((type_, obj),) = seen(api, maps, 1, **query)
    assert (type_, obj["metadata"]["name"]) == ("ADDED", "one")


@pytest.mark.needs("newest-kubernetes")  # 1.33 has it behind a gate
def test_streamed_list(api: Api, maps: str) -> None:
    """A watch can begin with the list, and says where the list ends."""
    make(api, maps, "one")
    events = seen(
        api,
        maps,
        2,
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
    )
    (added, _), (mark, obj) = events
    assert (added, mark) == ("ADDED", "BOOKMARK")
    assert obj["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert obj["kind"] == "ConfigMap"
    assert "uid" not in obj["metadata"]


@pytest.mark.needs("newest-kubernetes")  # 1.33 has it behind a gate
@pytest.mark.parametrize(
    ("group", "kind", "spec"),
    [
        ("api/v1", "Pod", {"containers": None}),
        (
            "apis/batch/v1",
            "Job",
            {"template": {"metadata": {}, "spec": {"containers": None}}},
        ),
    ],
)
def test_bookmarks_hold_an_empty_object(
    api: Api, ns: str, group: str, kind: str, spec: dict[str, Any]
) -> None:
    """What its type must have is there, and null: whoever reads it takes that."""
    ((mark, obj),) = seen(
        api,
        f"/{group}/namespaces/{ns}/{kind.lower()}s",
        1,
        sendInitialEvents="true",
        resourceVersionMatch="NotOlderThan",
        allowWatchBookmarks="true",
    )
    assert mark == "BOOKMARK"
    assert obj.pop("metadata")["resourceVersion"].isdecimal()
    version = group.removeprefix("apis/").removeprefix("api/")
    assert obj == {"kind": kind, "apiVersion": version, "spec": spec, "status": {}}


def test_streamed_list_needs_a_match(api: Api, maps: str) -> None:
    """Without resourceVersionMatch a streamed list is refused."""
    query = {"watch": "true", "sendInitialEvents": "true"}
    assert api.ask(Ask("GET", maps, query=query)).status == 422


def test_terminating_pod(api: Api, ns: str) -> None:
    """The end of a Pod is seen in steps: marked, without grace, gone."""
    pods = f"/api/v1/namespaces/{ns}/pods"
    spec = {"containers": [{"name": "c", "image": "i"}], "nodeName": "n1"}
    start = revision(api, pods)
    body = {"metadata": {"name": "one"}, "spec": spec}
    assert api.ask(Ask("POST", pods, body)).status == 201
    api.ask(Ask("DELETE", f"{pods}/one"))
    api.ask(Ask("DELETE", f"{pods}/one", {"gracePeriodSeconds": 0}))
    events = seen(api, pods, 4, resourceVersion=start)
    types = [type_ for type_, _ in events]
    graces = [obj["metadata"].get("deletionGracePeriodSeconds") for _, obj in events]
    assert types == ["ADDED", "MODIFIED", "MODIFIED", "DELETED"]
    assert graces == [None, 30, 0, 0]


def test_bad_revision(api: Api, maps: str) -> None:
    """A revision that is no number is refused, as if the server were to blame."""
    query = {"watch": "true", "resourceVersion": "yesterday"}
    refused = api.ask(Ask("GET", maps, query=query))
    assert (refused.status, refused.reason) == (500, "")
    assert refused.message.startswith('resourceVersion: Invalid value: "yesterday"')
