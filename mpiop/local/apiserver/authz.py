"""Who may do what: RBAC for service accounts, everything for the administrator."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import attrs

from .context import Backend, Call
from .errors import StatusError, forbidden
from .registry import StorageKey
from .wire import ADMIN

GROUP: Final = "rbac.authorization.k8s.io"
_ACCOUNT: Final = "system:serviceaccount:"
_OPEN_PATHS: Final = ("/api", "/apis", "/openapi", "/version", "/healthz", "/livez")
Rule = Mapping[str, Any]


@attrs.frozen
class Attributes:
    """What an access decision is about; `resource` includes the subresource."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""
    path: str = ""

    @classmethod
    def of(cls, call: Call) -> "Attributes":
        """Describe a call."""
        resource = call.resource
        namespace = call.namespace
        if resource.storage == ("", "namespaces"):
            namespace = call.name
        full = resource.plural
        if call.subresource:
            full += f"/{call.subresource}"
        return cls(call.verb, resource.group, full, namespace, call.name)


def groups(user: str) -> tuple[str, ...]:
    """Name the groups of a user."""
    if user.startswith(_ACCOUNT):
        namespace = user.removeprefix(_ACCOUNT).partition(":")[0]
        accounts = "system:serviceaccounts"
        return (accounts, f"{accounts}:{namespace}", "system:authenticated")
    return ("system:authenticated",)


def rules_of(backend: Backend, user: str, namespace: str) -> Iterator[Rule]:
    """Give every rule that holds for a user in a namespace."""
    bindings = [("clusterrolebindings", "")]
    if namespace:
        bindings.append(("rolebindings", namespace))
    for plural, where in bindings:
        for record in backend.store.select((GROUP, plural), where):
            if any(
                _is_subject(subject, user, where)
                for subject in record.obj.get("subjects", ())
            ):
                yield from role_rules(backend, record.obj["roleRef"], where)


def role_rules(backend: Backend, ref: Rule, namespace: str) -> Sequence[Rule]:
    """Give the rules of the role that a binding in this namespace refers to."""
    cluster = ref["kind"] == "ClusterRole"
    storage: StorageKey = (GROUP, "clusterroles" if cluster else "roles")
    record = backend.store.get(storage, ("" if cluster else namespace, ref["name"]))
    return record.obj.get("rules") or () if record else ()


def _is_subject(subject: Rule, user: str, namespace: str) -> bool:
    match subject["kind"]:
        case "ServiceAccount":
            where = subject.get("namespace", namespace)
            return user == f"{_ACCOUNT}{where}:{subject['name']}"
        case "User":
            return bool(subject["name"] == user)
        case "Group":
            return subject["name"] in groups(user)
        case _:
            return False


def allowed(backend: Backend, user: str, what: Attributes) -> bool:
    """Decide."""
    if user == ADMIN:
        return True
    if what.path:
        if what.verb == "get" and what.path.startswith(_OPEN_PATHS):
            return True
        rules = rules_of(backend, user, "")
        return any(_grants_path(rule, what) for rule in rules)
    if what.group == "authorization.k8s.io" and what.resource.startswith("self"):
        return what.verb == "create"
    return any(grants(rule, what) for rule in rules_of(backend, user, what.namespace))


def grants(rule: Rule, what: Attributes) -> bool:
    """Whether one rule allows it."""
    names = rule.get("resourceNames") or ()
    return (
        _has(rule.get("verbs"), what.verb)
        and _has(rule.get("apiGroups"), what.group)
        and _has_resource(rule.get("resources") or (), what.resource)
        and (not names or what.name in names)
    )


def _has(listed: Sequence[str] | None, wanted: str) -> bool:
    return listed is not None and ("*" in listed or wanted in listed)


def _has_resource(listed: Sequence[str], wanted: str) -> bool:
    _, _, subresource = wanted.partition("/")
    return _has(listed, wanted) or (bool(subresource) and f"*/{subresource}" in listed)


def _grants_path(rule: Rule, what: Attributes) -> bool:
    urls = rule.get("nonResourceURLs") or ()
    return _has(rule.get("verbs"), what.verb) and any(
        what.path == url or (url.endswith("*") and what.path.startswith(url[:-1]))
        for url in urls
    )


def authorize(backend: Backend, call: Call) -> None:
    """Let a call pass or not.

    Raises:
        StatusError: 403, in the words of the RBAC authorizer.
    """
    wanted = [Attributes.of(call)]
    if call.subresource == "exec":
        # A WebSocket is opened by GET, and is no weaker for that.
        wanted.append(attrs.evolve(wanted[0], verb="create"))
    for what in wanted:
        if not allowed(backend, call.request.user, what):
            raise _refusal(call, what)


def _refusal(call: Call, what: Attributes) -> StatusError:
    scope = "at the cluster scope"
    if call.namespace or what.namespace:
        scope = f'in the namespace "{what.namespace}"'
    return forbidden(
        call.resource,
        call.name,
        f'User "{call.request.user}" cannot {what.verb} resource "{what.resource}" '
        f'in API group "{what.group}" {scope}',
    )


def check_escalation(backend: Backend, call: Call, obj: Mapping[str, Any]) -> None:
    """Let nobody hand out rights, by role or binding, that they do not hold.

    Raises:
        StatusError: 403.
    """
    resource, user = call.resource, call.request.user
    if resource.group != GROUP or user == ADMIN:
        return
    if resource.plural.endswith("bindings"):
        rules = role_rules(backend, obj["roleRef"], call.namespace)
        verb, what = "bind", obj["roleRef"]["name"]
        plural = "clusterroles" if obj["roleRef"]["kind"] == "ClusterRole" else "roles"
    else:
        rules, plural = obj.get("rules") or (), resource.plural
        verb, what = "escalate", obj["metadata"].get("name", "")
    exempt = Attributes(verb, GROUP, plural, call.namespace, what)
    held = list(rules_of(backend, user, call.namespace))
    if allowed(backend, user, exempt) or all(_held(rule, held) for rule in rules):
        return
    name = obj["metadata"].get("name", "")
    why = f'user "{user}" (groups={list(groups(user))}) is attempting to grant RBAC '
    raise forbidden(resource, name, why + "permissions not currently held")


def _held(rule: Rule, held: Sequence[Rule]) -> bool:
    if urls := rule.get("nonResourceURLs"):
        return all(
            any(_grants_path(one, Attributes(verb, "", "", path=url)) for one in held)
            for url in urls
            for verb in rule["verbs"]
        )
    return all(
        any(grants(one, Attributes(verb, group, resource, name=name)) for one in held)
        for verb in rule["verbs"]
        for group in rule.get("apiGroups") or ()
        for resource in rule.get("resources") or ()
        for name in rule.get("resourceNames") or ("",)
    )
