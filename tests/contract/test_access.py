"""Rights of service accounts, discovery and versions."""

import time
from typing import Any

from tests.contract.conftest import GROUP
from tests.contract.servers import Api, Ask

RBAC = "/apis/rbac.authorization.k8s.io/v1"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


def grant(api: Api, ns: str, *rules: dict[str, Any]) -> str:
    """Give the namespace's default account rights; name the user."""
    role = {"metadata": {"name": "r"}, "rules": list(rules)}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": ns}
    reference = {"kind": "Role", "name": "r", "apiGroup": "rbac.authorization.k8s.io"}
    binding = {"metadata": {"name": "r"}, "subjects": [subject], "roleRef": reference}
    for plural, body in (("roles", role), ("rolebindings", binding)):
        made = api.ask(Ask("POST", f"{RBAC}/namespaces/{ns}/{plural}", body))
        assert made.status == 201, made.body
    user = f"system:serviceaccount:{ns}:default"
    end = time.monotonic() + 30  # a real server grants rights from a cache
    while not may(api, ns, user, rules[0]):
        assert time.monotonic() < end, "the rights are not granted"
        time.sleep(0.05)
    return user


def may(api: Api, ns: str, user: str, rule: dict[str, Any]) -> bool:
    """Ask on a user's behalf whether the first thing in a rule is allowed."""
    attributes = {
        "namespace": ns,
        "group": rule["apiGroups"][0],
        "resource": rule["resources"][0],
        "verb": rule["verbs"][0],
        "name": next(iter(rule.get("resourceNames", [])), ""),
    }
    body = {"spec": {"resourceAttributes": attributes}}
    answer = api.ask(Ask("POST", REVIEWS, body, user=user))
    return bool(answer.body["status"]["allowed"])


def rule(resources: str, verbs: str, **more: object) -> dict[str, Any]:
    return {
        "apiGroups": [""],
        "resources": resources.split(),
        "verbs": verbs.split(),
        **more,
    }


def test_rights(api: Api, ns: str) -> None:
    """An account may do what its Role says, in its namespace, and nothing else."""
    user = grant(api, ns, rule("configmaps", "list create"))
    maps = f"/api/v1/namespaces/{ns}/configmaps"
    assert api.ask(Ask("GET", maps, user=user)).status == 200
    body = {"metadata": {"name": "one"}}
    assert api.ask(Ask("POST", maps, body, user=user)).status == 201
    refused = api.ask(Ask("GET", f"{maps}/one", user=user))
    assert (refused.status, refused.reason) == (403, "Forbidden")
    assert refused.message == (
        f'configmaps "one" is forbidden: User "{user}" cannot get resource '
        f'"configmaps" in API group "" in the namespace "{ns}"'
    )
    everywhere = api.ask(Ask("GET", "/api/v1/configmaps", user=user))
    assert everywhere.message == (
        f'configmaps is forbidden: User "{user}" cannot list resource "configmaps" '
        'in API group "" at the cluster scope'
    )


def test_subresources(api: Api, ns: str) -> None:
    """A right to Pods is none to their logs."""
    user = grant(api, ns, rule("pods", "get"))
    path = f"/api/v1/namespaces/{ns}/pods/none"
    assert api.ask(Ask("GET", path, user=user)).status == 404
    refused = api.ask(Ask("GET", f"{path}/log", user=user))
    assert 'cannot get resource "pods/log"' in refused.message


def test_named_objects(api: Api, ns: str) -> None:
    """A rule with resourceNames is for these objects."""
    user = grant(api, ns, rule("configmaps", "get", resourceNames=["mine"]))
    maps = f"/api/v1/namespaces/{ns}/configmaps"
    assert api.ask(Ask("GET", f"{maps}/mine", user=user)).status == 404
    assert api.ask(Ask("GET", f"{maps}/other", user=user)).status == 403


def test_escalation(api: Api, ns: str) -> None:
    """Nobody gives away rights that he does not have."""
    roles = {**rule("roles", "create"), "apiGroups": ["rbac.authorization.k8s.io"]}
    user = grant(api, ns, roles, rule("configmaps", "get"))
    path = f"{RBAC}/namespaces/{ns}/roles"
    same = {"metadata": {"name": "same"}, "rules": [rule("configmaps", "get")]}
    more = {"metadata": {"name": "more"}, "rules": [rule("secrets", "get")]}
    assert api.ask(Ask("POST", path, same, user=user)).status == 201
    refused = api.ask(Ask("POST", path, more, user=user))
    assert (refused.status, refused.reason) == (403, "Forbidden")
    assert "is attempting to grant RBAC permissions not currently held" in (
        refused.message
    )


def test_access_review(api: Api, ns: str) -> None:
    """Everybody may ask what he may do."""
    user = grant(api, ns, rule("pods", "list"))
    for verb, expected in (("list", True), ("delete", False)):
        attributes = {"namespace": ns, "verb": verb, "resource": "pods"}
        body = {"spec": {"resourceAttributes": attributes}}
        answer = api.ask(Ask("POST", REVIEWS, body, user=user))
        assert (answer.status, answer.body["status"]["allowed"]) == (201, expected)


def test_token_request(api: Api, ns: str) -> None:
    """A ServiceAccount's token is given out with its end."""
    path = f"/api/v1/namespaces/{ns}/serviceaccounts/default/token"
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 600},
    }
    answer = api.ask(Ask("POST", path, body))
    assert answer.status == 201
    assert answer.body["status"]["token"]
    assert answer.body["status"]["expirationTimestamp"].endswith("Z")


def test_container_of_a_log(api: Api, ns: str) -> None:
    """A log of a Pod with two containers needs a name, and one that exists."""
    pods = f"/api/v1/namespaces/{ns}/pods"
    containers = [{"name": name, "image": "i"} for name in ("a", "b")]
    body = {"metadata": {"name": "one"}, "spec": {"containers": containers}}
    assert api.ask(Ask("POST", pods, body)).status == 201
    unnamed = api.ask(Ask("GET", f"{pods}/one/log"))
    assert unnamed.status == 400
    assert unnamed.message == (
        "a container name must be specified for pod one, choose one of: [a b]"
    )
    wrong = api.ask(Ask("GET", f"{pods}/one/log", query={"container": "c"}))
    assert wrong.message == "container c is not valid for pod one"


def test_discovery(api: Api, widgets: str) -> None:
    """Groups, versions and resources are discovered, custom ones too."""
    assert "v1" in api.ask(Ask("GET", "/api")).body["versions"]
    groups = {one["name"]: one for one in api.ask(Ask("GET", "/apis")).body["groups"]}
    assert groups["batch"]["preferredVersion"]["groupVersion"] == "batch/v1"
    versions = [one["version"] for one in groups[GROUP]["versions"]]
    assert versions == ["v2", "v1"]
    resources = api.ask(Ask("GET", f"/apis/{GROUP}/v2")).body["resources"]
    found = {one["name"]: one for one in resources}
    assert found["widgets"]["shortNames"] == ["wi"]
    assert found["widgets"]["kind"] == "Widget"
    assert set(found["widgets"]["verbs"]) >= {"create", "watch", "deletecollection"}
    assert "widgets/status" in found


def test_aggregated_discovery(api: Api, widgets: str) -> None:
    """All is discovered in one answer where a client asks for it."""
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    body = api.ask(Ask("GET", "/apis", accept=accept)).body
    assert body["kind"] == "APIGroupDiscoveryList"
    groups = {one["metadata"]["name"]: one for one in body["items"]}
    version = groups[GROUP]["versions"][0]
    assert version["version"] == "v2"
    (resource,) = version["resources"]
    assert (resource["resource"], resource["scope"]) == ("widgets", "Namespaced")
    assert resource["subresources"][0]["subresource"] == "status"


def test_version(api: Api) -> None:
    """The server tells its version."""
    version = api.ask(Ask("GET", "/version")).body
    assert version["major"] == "1"
    assert version["gitVersion"].startswith("v1.")
