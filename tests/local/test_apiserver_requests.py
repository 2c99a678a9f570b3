"""No request, however malformed, is without an answer."""

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mpiop.local.apiserver.wire import Request, Response
from tests.local.apiserver_world import ACCOUNT, MAPS, PODS, World

RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TOYS = "/apis/t.test/v1/namespaces/default/toys"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
ACCOUNT_USER = "system:serviceaccount:default:default"

_POD_SPEC: dict[str, Any] = {
    "containers": [{"name": "c", "image": "i", "env": [{"name": "a", "value": "b"}]}],
    "restartPolicy": "Never",
}
_SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": {"size": {"type": "integer"}}}
    },
}
_VERSION = {
    "name": "v1",
    "served": True,
    "storage": True,
    "schema": {"openAPIV3Schema": _SCHEMA},
    "subresources": {"status": {}},
}
_DEFINITION = {
    "metadata": {"name": "toys.t.test"},
    "spec": {
        "group": "t.test",
        "scope": "Namespaced",
        "names": {"kind": "Toy", "plural": "toys"},
        "versions": [_VERSION],
    },
}
_META: dict[str, Any] = {"name": "one", "labels": {"a": "b"}, "finalizers": ["t/f"]}
BODIES: dict[str, dict[str, Any]] = {
    MAPS: {"metadata": _META, "data": {"a": "b"}},
    PODS: {"metadata": _META, "spec": _POD_SPEC},
    JOBS: {"metadata": _META, "spec": {"template": {"spec": _POD_SPEC}}},
    TOYS: {"metadata": _META, "spec": {"size": 1}, "status": {"a": [1]}},
    CRDS: _DEFINITION,
    f"{RBAC}/roles": {
        "metadata": _META,
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}],
    },
    f"{RBAC}/rolebindings": {
        "metadata": _META,
        "roleRef": {"kind": "Role", "name": "one"},
        "subjects": [{"kind": "User", "name": "somebody"}],
    },
    REVIEWS: {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}},
    f"{ACCOUNT}/token": {"spec": {"boundObjectRef": {"kind": "Pod", "name": "one"}}},
    f"{PODS}/one/binding": {"target": {"name": "n"}},
    f"{PODS}/one/eviction": {"deleteOptions": {"gracePeriodSeconds": 1}},
    "/api/v1/namespaces/default/finalize": {"spec": {"finalizers": []}},
    "/api/v1/namespaces/default/services": {"metadata": _META, "spec": {}},
}
OPTIONS = {
    "gracePeriodSeconds": 1,
    "propagationPolicy": "Orphan",
    "preconditions": {"uid": "a"},
    "dryRun": ["All"],
}
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["", "a", "1Gi"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["name", "spec", "kind"]), inner, max_size=2)
    ),
    max_leaves=4,
)


def _places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items: list[tuple[Any, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [
        path,
        *(place for key, part in items for place in _places(part, (*path, key))),
    ]


@st.composite
def bent(draw: st.DrawFn, body: dict[str, Any]) -> Any:  # noqa: ANN401 (any JSON)
    """A body with one of its parts replaced by something else."""
    path = draw(st.sampled_from(_places(body)))
    value = draw(_json)
    if not path:
        return value
    result = copy.deepcopy(body)
    target: Any = result
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    return result


@st.composite
def requests(draw: st.DrawFn) -> Request:
    path = draw(st.sampled_from(sorted(BODIES)))
    method = draw(st.sampled_from(["POST", "PUT", "PATCH", "DELETE"]))
    source = OPTIONS if method == "DELETE" else BODIES[path]
    body = draw(bent(source))
    if method != "POST" and path.count("/one") == 0 and "default/" not in path[-17:]:
        path += draw(st.sampled_from(["/one", "/one/status", ""]))
    kind = draw(st.sampled_from(["merge-patch", "strategic-merge-patch", "json-patch"]))
    content = f"application/{kind}+json" if method == "PATCH" else "application/json"
    mode = draw(st.sampled_from(["Strict", "Warn", "Ignore"]))
    return Request(
        method,
        path,
        (("fieldValidation", mode),),
        {"content-type": content},
        json.dumps(body).encode(),
        draw(st.sampled_from(["system:admin", "system:admin", ACCOUNT_USER])),
    )


def _populated() -> World:
    world = World()
    assert world.ask("POST", CRDS, _DEFINITION).status == 201
    for path in (MAPS, PODS, JOBS, TOYS, f"{RBAC}/roles", f"{RBAC}/rolebindings"):
        assert world.ask("POST", path, BODIES[path]).status == 201, path
    return world


@given(st.lists(requests(), min_size=1, max_size=5))
def test_every_request_is_answered(sent: list[Request]) -> None:
    """Bent bodies are refused or taken, and what was taken can be read."""
    world = _populated()
    for request in sent:
        answer = world.server.handle(request)
        assert isinstance(answer, Response)
        assert answer.status < 500 or answer.status == 501, answer.body
        json.dumps(answer.body)
    for path in (MAPS, PODS, JOBS, CRDS):
        assert world.ask("GET", path).status == 200
