"""From method and path to verb and resource."""

from typing import Final

from .context import Call, Verb
from .errors import no_such_path, not_allowed, not_implemented
from .registry import Registry, Resource
from .wire import Request

_COLLECTION: Final[dict[str, Verb]] = {
    "GET": "list",
    "POST": "create",
    "DELETE": "deletecollection",
}
_OBJECT: Final[dict[str, Verb]] = {
    "GET": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_SUBRESOURCE: Final[dict[str, dict[str, Verb]]] = {
    "status": {"GET": "get", "PUT": "update", "PATCH": "patch"},
    "finalize": {"PUT": "update"},
    "log": {"GET": "get"},
    "exec": {"GET": "get", "POST": "create"},
    "binding": {"POST": "create"},
    "eviction": {"POST": "create"},
    "token": {"POST": "create"},
}
_UNSERVED: Final = frozenset(
    {"attach", "ephemeralcontainers", "portforward", "proxy", "resize", "scale"}
)
"""Subresources of real servers that this one answers with 501."""
_NAMESPACE_PARTS: Final = 3


def resolve(request: Request, registry: Registry) -> Call:
    """Understand a request for a resource.

    Raises:
        StatusError: 404, 405 or 501.
    """
    group_version, rest = _split(request.path)
    namespace = ""
    if len(rest) >= _NAMESPACE_PARTS and rest[0] == "namespaces":
        own = len(rest) == _NAMESPACE_PARTS and rest[2] in {"status", "finalize"}
        if not own:
            namespace, rest = rest[1], rest[2:]
    plural, name, subresource, *more = (*rest, "", "")[: max(len(rest), 3)]
    resource = registry.find(group_version, plural)
    if resource is None or more or (namespace and not resource.kind.namespaced):
        raise no_such_path()
    verb = _verb(request, resource, name, subresource)
    if resource.kind.namespaced and not namespace and (name or verb != "list"):
        raise not_allowed() if not name else no_such_path()
    if verb == "list" and request.param("watch") in {"true", "1"}:
        verb = "watch"
    return Call(request, verb, resource, namespace, name, subresource)


def _split(path: str) -> tuple[str, list[str]]:
    parts = [part for part in path.split("/") if part]
    match parts:
        case ["api", version, *rest] if rest:
            return version, rest
        case ["apis", group, version, *rest] if rest:
            return f"{group}/{version}", rest
        case _:
            raise no_such_path()


def _verb(request: Request, resource: Resource, name: str, subresource: str) -> Verb:
    if subresource in _UNSERVED and not resource.custom:
        raise not_implemented(f"{resource.plural}/{subresource}")
    if subresource and subresource not in resource.subresources:
        raise no_such_path()
    if not resource.kind.stored:
        verbs: dict[str, Verb] = {} if name else {"POST": "create"}
    elif subresource:
        verbs = _SUBRESOURCE[subresource]
    else:
        verbs = _OBJECT if name else _COLLECTION
    if request.method not in verbs:
        raise not_allowed()
    return verbs[request.method]
