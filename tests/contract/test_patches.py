"""The three kinds of patches, and the one that is not served."""

import pytest

from tests.contract.servers import JSON_PATCH, MERGE, STRATEGIC, Api, Ask, Reply


@pytest.fixture
def pod(api: Api, ns: str) -> str:
    body = {
        "metadata": {"name": "one", "labels": {"a": "1"}},
        "spec": {"containers": [{"name": "c", "image": "i:1"}]},
    }
    assert api.ask(Ask("POST", f"/api/v1/namespaces/{ns}/pods", body)).status == 201
    return f"/api/v1/namespaces/{ns}/pods/one"


def patch(api: Api, path: str, body: object, content: str = MERGE) -> Reply:
    return api.ask(Ask("PATCH", path, body, content=content))


def test_merge(api: Api, pod: str) -> None:
    """A merge patch adds, replaces and, by null, removes."""
    body = {"metadata": {"labels": {"a": None, "b": "2"}}}
    answer = patch(api, pod, body)
    assert answer.body["metadata"]["labels"] == {"b": "2"}


def test_strategic(api: Api, pod: str) -> None:
    """A strategic merge patch merges containers by name."""
    body = {"spec": {"containers": [{"name": "c", "image": "i:2"}]}}
    (container,) = patch(api, pod, body, STRATEGIC).body["spec"]["containers"]
    assert container["image"] == "i:2"
    assert container["terminationMessagePath"] == "/dev/termination-log"


def test_json(api: Api, pod: str) -> None:
    """A JSON patch is applied where its tests hold, and refused by 422 else."""
    add = {"op": "add", "path": "/metadata/labels/b", "value": "2"}
    holds = {"op": "test", "path": "/metadata/labels/a", "value": "1"}
    fails = {**holds, "value": "0"}
    assert patch(api, pod, [fails, add], JSON_PATCH).status == 422
    answer = patch(api, pod, [holds, add], JSON_PATCH)
    assert answer.body["metadata"]["labels"] == {"a": "1", "b": "2"}


def test_resource_version(api: Api, pod: str) -> None:
    """A patch that carries a stale resourceVersion is a conflict."""
    old = api.ask(Ask("GET", pod)).body["metadata"]["resourceVersion"]
    body = {"metadata": {"resourceVersion": old, "labels": {"b": "2"}}}
    assert patch(api, pod, body).status == 200
    body["metadata"]["labels"] = {"b": "3"}
    answer = patch(api, pod, body)
    assert (answer.status, answer.reason) == (409, "Conflict")


@pytest.mark.needs("newest-kubernetes")  # 1.33 says 409 Conflict
def test_uid(api: Api, pod: str) -> None:
    """A patch for another incarnation is invalid: no precondition, as in a PUT."""
    answer = patch(api, pod, {"metadata": {"uid": "another"}})
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert [cause["field"] for cause in answer.body["details"]["causes"]] == [
        "metadata.uid"
    ]


def test_nothing_changes(api: Api, pod: str) -> None:
    """A patch without effect keeps the resourceVersion."""
    before = api.ask(Ask("GET", pod)).body
    after = patch(api, pod, {"metadata": {"labels": {"a": "1"}}}).body
    assert after == before


@pytest.mark.parametrize("labels", [None, {"a": "1"}])
def test_nothing_changes_a_job(
    api: Api, ns: str, labels: dict[str, str] | None
) -> None:
    """A Job without labels gets its Pods' where it is read; its first write keeps them.

    So the first patch that changes nothing is a new version, and the second is not.
    """
    container = {"name": "c", "image": "i:1"}
    pod = {"spec": {"containers": [container], "restartPolicy": "Never"}}
    body = {"metadata": {"name": "one", "labels": labels}, "spec": {"template": pod}}
    jobs = f"/apis/batch/v1/namespaces/{ns}/jobs"
    made = api.ask(Ask("POST", jobs, body))
    assert made.status == 201, made.body
    read, first, second = (
        answer.body["metadata"]
        for answer in (
            api.ask(Ask("GET", f"{jobs}/one")),
            patch(api, f"{jobs}/one", {}),
            patch(api, f"{jobs}/one", {}),
        )
    )
    assert read["labels"] == first["labels"] == second["labels"]
    assert read["resourceVersion"] == made.body["metadata"]["resourceVersion"]
    assert (first["resourceVersion"] == read["resourceVersion"]) == bool(labels)
    assert second["resourceVersion"] == first["resourceVersion"]


def test_rules_hold(api: Api, pod: str) -> None:
    """A patched object is validated like a new one."""
    answer = patch(api, pod, {"spec": {"restartPolicy": "Never"}})
    assert (answer.status, answer.reason) == (422, "Invalid")
    assert patch(api, pod, {"metadata": {"name": "two"}}).status in {400, 422}


def test_unknown_field(api: Api, pod: str) -> None:
    """An unknown field in a patch is warned about, or refused where it is Strict."""
    body = {"spec": {"colour": "red"}, "metadata": {"labels": {"b": "2"}}}
    warned = patch(api, pod, body)
    assert warned.warnings == ('unknown field "spec.colour"',)
    query = {"fieldValidation": "Strict"}
    refused = api.ask(Ask("PATCH", pod, body, query, MERGE))
    assert (refused.status, refused.reason) == (422, "Invalid")
    assert 'strict decoding error: unknown field "spec.colour"' in refused.message


def test_missing(api: Api, ns: str) -> None:
    """Nothing is created by a patch."""
    answer = patch(api, f"/api/v1/namespaces/{ns}/pods/none", {})
    assert (answer.status, answer.reason) == (404, "NotFound")


def test_unknown_type(api: Api, pod: str) -> None:
    """A patch of no known type is refused by 415."""
    for path in (pod, f"{pod}-none"):
        answer = patch(api, path, {}, "application/json")
        assert (answer.status, answer.reason) == (415, "UnsupportedMediaType")


def test_status(api: Api, pod: str) -> None:
    """A status is patched through its subresource, and through nothing else."""
    body = {"status": {"phase": "Running"}}
    assert patch(api, pod, body).body["status"]["phase"] == "Pending"
    body["spec"] = {"nodeName": "n1"}
    answer = patch(api, f"{pod}/status", body).body
    assert answer["status"]["phase"] == "Running"
    assert "nodeName" not in answer["spec"]
    assert answer["metadata"]["generation"] == 1
