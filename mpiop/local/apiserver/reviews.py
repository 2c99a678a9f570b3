"""Questions that are answered and not stored: what may I do?"""

from typing import Any

from .authz import Attributes, allowed, rules_of
from .context import Backend, Call, Object
from .errors import bad_request
from .wire import ADMIN, Response
from .writes import check_type, decode


def review(backend: Backend, call: Call) -> Response:
    """Answer a SelfSubjectAccessReview or SelfSubjectRulesReview.

    Raises:
        StatusError: 400.
    """
    body = call.body()
    check_type(call, body)
    decode(call, body)
    spec = body.get("spec") or {}
    if call.resource.kind_name == "SelfSubjectAccessReview":
        status: Object = _access(backend, call.request.user, spec)
    else:
        status = _rules(backend, call.request.user, spec.get("namespace", ""))
    answer = {
        "kind": call.resource.kind_name,
        "apiVersion": call.resource.group_version,
        "metadata": {},
        "spec": spec,
        "status": status,
    }
    return Response(201, answer)


def _access(backend: Backend, user: str, spec: Object) -> Object:
    if wanted := spec.get("resourceAttributes"):
        resource = wanted.get("resource", "")
        if wanted.get("subresource"):
            resource += f"/{wanted['subresource']}"
        what = Attributes(
            wanted.get("verb", ""),
            wanted.get("group", ""),
            resource,
            wanted.get("namespace", ""),
            wanted.get("name", ""),
        )
    elif wanted := spec.get("nonResourceAttributes"):
        verb, path = wanted.get("verb", ""), wanted.get("path", "")
        what = Attributes(verb, "", "", path=path)
    else:
        raise bad_request("spec.resourceAttributes or nonResourceAttributes is needed")
    if allowed(backend, user, what):
        return {"allowed": True, "reason": "" if user == ADMIN else "RBAC: allowed"}
    return {"allowed": False}


def _rules(backend: Backend, user: str, namespace: str) -> Object:
    everything: dict[str, Any] = {
        "verbs": ["*"],
        "apiGroups": ["*"],
        "resources": ["*"],
    }
    rules = [everything] if user == ADMIN else list(rules_of(backend, user, namespace))
    fields = ("verbs", "apiGroups", "resources", "resourceNames")
    listed = [
        {field: rule[field] for field in fields if field in rule}
        for rule in rules
        if "resources" in rule
    ]
    paths = [
        {"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]}
        for rule in rules
        if "nonResourceURLs" in rule
    ]
    return {"resourceRules": listed, "nonResourceRules": paths, "incomplete": False}
