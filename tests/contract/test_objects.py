"""Making, reading and updating objects."""

import copy
from typing import Any

import pytest

from tests.contract.servers import Api, Ask


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


def test_create_completes(api: Api, ns: str, maps: str) -> None:
    """A new object comes back with identity, namespace and a resourceVersion."""
    made = api.ask(Ask("POST", maps, config_map(a="b")))
    meta = made.body["metadata"]
    assert made.status == 201
    assert (made.body["kind"], made.body["apiVersion"]) == ("ConfigMap", "v1")
    assert meta["namespace"] == ns
    assert meta["uid"]
    assert meta["creationTimestamp"].endswith("Z")
    assert int(meta["resourceVersion"]) > 0
    assert "generation" not in meta
    entry = meta["managedFields"][0]
    assert (entry["manager"], entry["operation"]) == ("contract", "Update")
    assert "f:data" in entry["fieldsV1"]
    assert api.ask(Ask("GET", f"{maps}/one")).body == made.body


def test_create_pod_defaults(api: Api, pods: str) -> None:
    """A Pod gets defaults, its first status, an account and its token."""
    made = api.ask(Ask("POST", pods, pod())).body
    spec = made["spec"]
    assert made["status"]["phase"] == "Pending"
    assert (spec["restartPolicy"], spec["serviceAccountName"]) == ("Always", "default")
    assert spec["terminationGracePeriodSeconds"] == 30
    assert spec["containers"][0]["imagePullPolicy"] == "IfNotPresent"
    (mount,) = spec["containers"][0]["volumeMounts"]
    assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    assert mount["name"] == spec["volumes"][0]["name"]
    assert made["metadata"]["generation"] == 1


def test_generate_name(api: Api, maps: str) -> None:
    """A generateName is completed by five characters, each time others."""
    body = {"metadata": {"generateName": "some-"}}
    names = [api.ask(Ask("POST", maps, body)).body["metadata"]["name"] for _ in "ab"]
    assert len(set(names)) == 2
    assert all(len(name) == len("some-12345") for name in names)


def test_taken_name(api: Api, maps: str) -> None:
    """A name that is taken is refused by reason AlreadyExists, not Conflict."""
    api.ask(Ask("POST", maps, config_map()))
    again = api.ask(Ask("POST", maps, config_map()))
    assert (again.status, again.reason) == (409, "AlreadyExists")
    assert again.message == 'configmaps "one" already exists'
    assert again.body["details"] == {"name": "one", "kind": "configmaps"}


def test_missing_namespace(api: Api) -> None:
    """Nothing is created in a namespace that does not exist."""
    answer = api.ask(Ask("POST", "/api/v1/namespaces/nowhere/configmaps", config_map()))
    assert (answer.status, answer.message) == (404, 'namespaces "nowhere" not found')


def test_missing_account(api: Api, ns: str, pods: str) -> None:
    """A Pod whose ServiceAccount does not exist is forbidden."""
    answer = api.ask(Ask("POST", pods, pod(serviceAccountName="nobody")))
    assert (answer.status, answer.reason) == (403, "Forbidden")
    assert f'{ns}/nobody: serviceaccount "nobody" not found' in answer.message


def test_other_namespace(api: Api, maps: str) -> None:
    """A body for another namespace than the path's is a bad request."""
    body = {"metadata": {"name": "one", "namespace": "default"}}
    answer = api.ask(Ask("POST", maps, body))
    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert "does not match the namespace sent on the request" in answer.message


def test_invalid(api: Api, pods: str) -> None:
    """A broken rule answers 422 and names every field."""
    answer = api.ask(Ask("POST", pods, pod(containers=[], restartPolicy="Maybe")))
    fields = {cause["field"] for cause in answer.body["details"]["causes"]}
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert {"spec.containers", "spec.restartPolicy"} <= fields
    assert answer.message.startswith('Pod "one" is invalid: [')


def test_wrong_type(api: Api, pods: str) -> None:
    """A value of the wrong JSON type is a bad request."""
    answer = api.ask(Ask("POST", pods, pod(activeDeadlineSeconds="soon")))
    assert (answer.status, answer.reason) == (400, "BadRequest")
    assert 'Pod in version "v1" cannot be handled as a Pod' in answer.message


def test_not_json(api: Api, maps: str) -> None:
    """A body of another content type is refused by 415."""
    answer = api.ask(Ask("POST", maps, config_map(), content="text/plain"))
    assert (answer.status, answer.reason) == (415, "UnsupportedMediaType")


@pytest.mark.parametrize(
    ("mode", "status", "warnings"),
    [("Ignore", 201, 0), ("Warn", 201, 1), ("Strict", 400, 0), ("", 201, 1)],
)
def test_field_validation(
    api: Api, pods: str, mode: str, status: int, warnings: int
) -> None:
    """An unknown field is dropped, warned about or refused, as asked for."""
    body = pod()
    body["spec"]["containers"][0]["resources"] = {"request": {"cpu": "1"}}
    query = {"fieldValidation": mode} if mode else {}
    answer = api.ask(Ask("POST", pods, body, query))
    unknown = 'unknown field "spec.containers[0].resources.request"'
    assert answer.status == status
    assert answer.warnings == (unknown,) * warnings
    if status == 201:
        assert answer.body["spec"]["containers"][0]["resources"] == {}
    else:
        assert answer.message.endswith(f"strict decoding error: {unknown}")


def test_dry_run(api: Api, maps: str) -> None:
    """A dry run answers as if, and keeps nothing."""
    query = {"dryRun": "All"}
    assert api.ask(Ask("POST", maps, config_map(), query)).status == 201
    assert api.ask(Ask("GET", f"{maps}/one")).status == 404
    made = api.ask(Ask("POST", maps, config_map(a="b"))).body
    changed = api.ask(Ask("PUT", f"{maps}/one", config_map(a="c"), query))
    assert changed.body["data"] == {"a": "c"}
    assert api.ask(Ask("DELETE", f"{maps}/one", query=query)).status == 200
    assert api.ask(Ask("GET", f"{maps}/one")).body == made


def test_update(api: Api, maps: str) -> None:
    """A core kind is replaced without a resourceVersion; a stale one is a conflict."""
    made = api.ask(Ask("POST", maps, config_map(a="b"))).body
    new = api.ask(Ask("PUT", f"{maps}/one", config_map(a="c"))).body
    assert new["metadata"]["uid"] == made["metadata"]["uid"]
    assert int(new["metadata"]["resourceVersion"]) > int(
        made["metadata"]["resourceVersion"]
    )
    stale = api.ask(Ask("PUT", f"{maps}/one", made))
    assert (stale.status, stale.reason) == (409, "Conflict")
    assert stale.message == (
        'Operation cannot be fulfilled on configmaps "one": the object has been '
        "modified; please apply your changes to the latest version and try again"
    )


def test_update_of_another_incarnation(api: Api, maps: str) -> None:
    """A PUT with another uid is a conflict."""
    api.ask(Ask("POST", maps, config_map()))
    body = {"metadata": {"name": "one", "uid": "another"}}
    answer = api.ask(Ask("PUT", f"{maps}/one", body))
    assert (answer.status, answer.reason) == (409, "Conflict")
    assert "UID in precondition: another" in answer.message


def test_update_that_changes_nothing(api: Api, maps: str) -> None:
    """Writing what is there already keeps the resourceVersion."""
    made = api.ask(Ask("POST", maps, config_map(a="b"))).body
    again = api.ask(Ask("PUT", f"{maps}/one", made)).body
    assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_update_of_nothing(api: Api, maps: str) -> None:
    """A PUT creates no ConfigMap, and none under another name than the path's."""
    answer = api.ask(Ask("PUT", f"{maps}/one", config_map()))
    assert (answer.status, answer.reason) == (404, "NotFound")
    api.ask(Ask("POST", maps, config_map()))
    assert api.ask(Ask("PUT", f"{maps}/one", config_map("two"))).status == 400


def test_a_dry_update_of_nothing(api: Api, ns: str) -> None:
    """A PUT would create a Service; not stored, it shows the version it was sent."""
    services = f"/api/v1/namespaces/{ns}/services"
    meta = {"name": "one", "resourceVersion": "1"}
    body = {"metadata": meta, "spec": {"clusterIP": "None"}}
    answer = api.ask(Ask("PUT", f"{services}/one", body, {"dryRun": "All"}))
    assert answer.status == 201
    assert answer.body["metadata"]["resourceVersion"] == "1"
    assert api.ask(Ask("GET", f"{services}/one")).status == 404


def test_immutable(api: Api, pods: str) -> None:
    """The command of a Pod cannot be changed, its image can."""
    made = api.ask(Ask("POST", pods, pod())).body
    other = copy.deepcopy(made)
    other["spec"]["containers"][0]["command"] = ["true"]
    answer = api.ask(Ask("PUT", f"{pods}/one", other))
    assert (answer.status, answer.reason) == (422, "Invalid")
    made["spec"]["containers"][0]["image"] = "image:2"
    changed = api.ask(Ask("PUT", f"{pods}/one", made))
    assert changed.status == 200
    assert changed.body["metadata"]["generation"] == 2


def test_services_get_addresses(api: Api, ns: str) -> None:
    """A Service gets an address of its own, a headless one keeps none."""
    path = f"/api/v1/namespaces/{ns}/services"
    for name, spec in (("a", {}), ("b", {}), ("c", {"clusterIP": "None"})):
        body = {"metadata": {"name": name}, "spec": {**spec, "ports": [{"port": 80}]}}
        assert api.ask(Ask("POST", path, body)).status == 201
    items = api.ask(Ask("GET", path)).body["items"]
    addresses = [one["spec"]["clusterIP"] for one in items]
    assert addresses[2] == "None"
    assert len(set(addresses)) == 3


def test_refused_paths(api: Api, maps: str) -> None:
    """What is not served answers 404 or 405 with a Status or nothing."""
    assert api.ask(Ask("GET", "/api/v1/gadgets")).status == 404
    assert api.ask(Ask("GET", "/apis/no.such.group/v1/things")).status == 404
    assert api.ask(Ask("POST", f"{maps}/one", config_map())).status == 405
    assert api.ask(Ask("PUT", maps, config_map())).status == 405
