"""Custom resources: versions, defaults, pruning, rules, status."""

from typing import Any

from tests.contract.conftest import GROUP
from tests.contract.servers import JSON_PATCH, MERGE, STRATEGIC, TABLE, Api, Ask


def widget(name: str = "one", **spec: object) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v2",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": spec,
    }


def make(api: Api, widgets: str, **spec: object) -> dict[str, Any]:
    made = api.ask(Ask("POST", widgets, {**widget(), "spec": spec}))
    assert made.status == 201, made.body
    return dict(made.body)


def test_established(api: Api, widgets: str) -> None:
    """A definition says that it is served, under which names and versions."""
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    status = api.ask(Ask("GET", f"{path}/widgets.{GROUP}")).body["status"]
    conditions = {one["type"]: one["status"] for one in status["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert status["acceptedNames"]["kind"] == "Widget"
    assert status["storedVersions"] == ["v2"]


def test_defaults_and_pruning(api: Api, widgets: str) -> None:
    """A new object has its version's defaults and no unknown field, but a warning."""
    answer = api.ask(Ask("POST", widgets, widget(color="red", open={"a": 1})))
    assert answer.warnings == ('unknown field "spec.color"',)
    assert answer.body["spec"] == {"size": 2, "open": {"a": 1}}
    assert answer.body["metadata"]["generation"] == 1
    query = {"fieldValidation": "Strict"}
    strict = api.ask(Ask("POST", widgets, widget("two", color="red"), query))
    assert (strict.status, strict.reason) == (400, "BadRequest")
    assert strict.message == (
        'Widget in version "v2" cannot be handled as a Widget: '
        'strict decoding error: unknown field "spec.color"'
    )


def test_versions(api: Api, widgets: str) -> None:
    """Both versions show the same object; each gives its own defaults to new ones."""
    older = widgets.replace("/v2/", "/v1/")
    body = {**widget(), "apiVersion": f"{GROUP}/v1"}
    made = api.ask(Ask("POST", older, body)).body
    assert (made["apiVersion"], made["spec"]["size"]) == (f"{GROUP}/v1", 1)
    read = api.ask(Ask("GET", f"{widgets}/one")).body
    assert (read["apiVersion"], read["spec"]["size"]) == (f"{GROUP}/v2", 1)
    assert read["metadata"]["managedFields"][0]["apiVersion"] == f"{GROUP}/v1"
    wrong = api.ask(Ask("POST", older, widget("two")))
    assert (wrong.status, wrong.reason) == (400, "BadRequest")


def test_schema(api: Api, widgets: str) -> None:
    """The schema refuses, with field and reason."""
    answer = api.ask(Ask("POST", widgets, widget(size=0, mode="C")))
    causes = {one["field"]: one["reason"] for one in answer.body["details"]["causes"]}
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert causes["spec.size"] == "FieldValueInvalid"
    assert causes["spec.mode"] == "FieldValueNotSupported"
    assert answer.message.startswith(f'Widget.{GROUP} "one" is invalid: ')


def test_rules(api: Api, widgets: str) -> None:
    """CEL rules refuse new states and transitions, in their own words."""
    answer = api.ask(Ask("POST", widgets, widget(size=100)))
    assert answer.status == 422
    assert "size must stay below 100" in answer.message
    make(api, widgets, fixed="a")
    body = {"spec": {"fixed": "b"}}
    changed = api.ask(Ask("PATCH", f"{widgets}/one", body, content=MERGE))
    assert changed.status == 422
    assert "fixed cannot change" in changed.message


def test_unconditional_update(api: Api, widgets: str) -> None:
    """A custom resource is never replaced without a resourceVersion."""
    made = make(api, widgets)
    answer = api.ask(Ask("PUT", f"{widgets}/one", widget(size=5)))
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert "metadata.resourceVersion" in answer.message
    made["spec"]["size"] = 5
    assert api.ask(Ask("PUT", f"{widgets}/one", made)).status == 200
    stale = api.ask(Ask("PUT", f"{widgets}/one", made))
    assert (stale.status, stale.reason) == (409, "Conflict")


def test_generation(api: Api, widgets: str) -> None:
    """The generation counts changes of the spec, and of nothing else."""
    make(api, widgets)
    for path, body, generation in (
        ("", {"metadata": {"labels": {"a": "1"}}}, 1),
        ("", {"spec": {"size": 5}}, 2),
        ("", {"status": {"phase": "x"}}, 2),
        ("/status", {"status": {"phase": "x"}}, 2),
    ):
        ask = Ask("PATCH", f"{widgets}/one{path}", body, content=MERGE)
        assert api.ask(ask).body["metadata"]["generation"] == generation


def test_status(api: Api, widgets: str) -> None:
    """Status and the rest are each written through their own path only."""
    made = api.ask(Ask("POST", widgets, {**widget(), "status": {"phase": "x"}})).body
    assert "status" not in made
    body = {"status": {"phase": "y"}, "spec": {"size": 9}}
    path = f"{widgets}/one/status"
    patched = api.ask(Ask("PATCH", path, body, content=MERGE)).body
    assert (patched["status"]["phase"], patched["spec"]["size"]) == ("y", 2)
    patched["metadata"]["labels"] = {"a": "1"}
    patched["status"] = {"phase": "z"}
    written = api.ask(Ask("PUT", path, patched)).body
    assert written["status"] == {"phase": "z"}
    assert "labels" not in written["metadata"]
    del written["status"]
    kept = api.ask(Ask("PUT", f"{widgets}/one", written)).body
    assert kept["status"] == {"phase": "z"}


def test_patches(api: Api, widgets: str) -> None:
    """Custom resources take merge and JSON patches, no strategic ones."""
    make(api, widgets)
    path = f"{widgets}/one"
    strategic = api.ask(Ask("PATCH", path, {}, content=STRATEGIC))
    assert (strategic.status, strategic.reason) == (415, "UnsupportedMediaType")
    patch = [{"op": "replace", "path": "/spec/size", "value": 7}]
    answer = api.ask(Ask("PATCH", path, patch, content=JSON_PATCH))
    assert answer.body["spec"]["size"] == 7


def test_columns(api: Api, widgets: str) -> None:
    """A table has the definition's columns."""
    make(api, widgets)
    table = api.ask(Ask("GET", widgets, accept=TABLE)).body
    assert [one["name"] for one in table["columnDefinitions"]] == ["Name", "Size"]
    assert table["rows"][0]["cells"] == ["one", 2]


def test_watch(api: Api, widgets: str) -> None:
    """Custom resources are watched in the version asked for."""
    make(api, widgets)
    older = widgets.replace("/v2/", "/v1/")
    stream = api.watch(older, {"resourceVersion": "0"})
    (event,) = stream.take(1)
    stream.close()
    assert event["object"]["apiVersion"] == f"{GROUP}/v1"


def test_list_items(api: Api, widgets: str) -> None:
    """Items of a list of custom resources carry their kind."""
    make(api, widgets)
    found = api.ask(Ask("GET", widgets)).body
    assert found["kind"] == "WidgetList"
    assert found["items"][0]["kind"] == "Widget"
