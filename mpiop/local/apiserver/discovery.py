"""What is served, told in the three ways in which clients ask; versions; OpenAPI."""

from collections.abc import Sequence
from typing import Any, Final

from . import schema
from .errors import no_such_path
from .negotiation import accepted
from .registry import Registry, Resource
from .schema.structure import RELEASE
from .wire import Request, Response

_VERBS: Final = (
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
)
_SUBRESOURCE_VERBS: Final = {
    "status": ["get", "patch", "update"],
    "log": ["get"],
    "exec": ["create", "get"],
    "finalize": ["update"],
}
_SUBRESOURCE_KINDS: Final = {
    "binding": ("", "v1", "Binding"),
    "eviction": ("policy", "v1", "Eviction"),
    "exec": ("", "v1", "PodExecOptions"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
}
_HEALTH: Final = frozenset({"healthz", "livez", "readyz"})
_OPENAPI_PREFIX: Final = "/openapi/v3/"


def discover(registry: Registry, request: Request) -> Response:
    """Answer a request that is for no resource.

    Raises:
        StatusError: 404, 405 or 406.
    """
    path = "/" + request.path.strip("/")
    match path.split("/")[1:]:
        case ["version"]:
            return Response(200, _version())
        case ["openapi", "v3", *_] | ["openapi", "v2"]:
            return _openapi(registry, path)
        case ["api"]:
            return _core(registry, request)
        case ["apis"]:
            return _groups(registry, request)
        case ["api", version]:
            return _resource_list(registry, version)
        case ["apis", group]:
            return _group(registry, group)
        case ["apis", group, version]:
            return _resource_list(registry, f"{group}/{version}")
        case [probe] if probe in _HEALTH:
            return Response(200, b"ok", headers={"content-type": "text/plain"})
        case _:
            raise no_such_path()


def _version() -> dict[str, str]:
    major, minor, _ = RELEASE.removeprefix("v").split(".")
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"{RELEASE}+mpiop",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    }


def _openapi(registry: Registry, path: str) -> Response:
    kinds = [resource.kind for resource in registry]
    if path == "/openapi/v2":
        document = schema.openapi_v2()
        if document is None:
            raise no_such_path()
        return Response(200, document, headers={"content-type": "application/json"})
    if path == "/openapi/v3":
        return Response(200, schema.openapi_v3_index(kinds))
    wanted = path.removeprefix(_OPENAPI_PREFIX).partition("/")[2]
    if wanted not in registry.group_versions():
        raise no_such_path()
    return Response(200, schema.openapi_v3_document(wanted, kinds))


def _aggregated(request: Request) -> bool:
    """Whether the client likes the aggregated form best."""
    for parameters in accepted(request):
        if parameters.get("as") == "APIGroupDiscoveryList":
            if parameters.get("v") == "v2":
                return True
        elif "as" not in parameters:
            return False
    return False


def _core(registry: Registry, request: Request) -> Response:
    if _aggregated(request):
        return _aggregate([_discovered(registry, "", ["v1"])])
    body = {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [],
    }
    return Response(200, body)


def _by_group(registry: Registry) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for group_version in registry.group_versions():
        group, _, version = group_version.rpartition("/")
        if group:
            groups.setdefault(group, []).append(version)
    return {group: sorted(versions, key=_rank) for group, versions in groups.items()}


def _rank(version: str) -> tuple[bool, bool, int]:
    """Order versions as Kubernetes does: v2, v1, v2beta1, v1beta1, v1alpha1."""
    stable = version.removeprefix("v").isdigit()
    digits = version.removeprefix("v").split("alpha")[0].split("beta")[0]
    return (not stable, "alpha" in version, -int(digits) if digits.isdigit() else 0)


def _groups(registry: Registry, request: Request) -> Response:
    groups = _by_group(registry)
    if _aggregated(request):
        return _aggregate([_discovered(registry, *item) for item in groups.items()])
    listed = [_api_group(*item) for item in groups.items()]
    return Response(200, {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed})


def _group(registry: Registry, group: str) -> Response:
    versions = _by_group(registry).get(group)
    if versions is None:
        raise no_such_path()
    head = {"kind": "APIGroup", "apiVersion": "v1"}
    return Response(200, head | _api_group(group, versions))


def _api_group(group: str, versions: Sequence[str]) -> dict[str, Any]:
    listed = [{"groupVersion": f"{group}/{one}", "version": one} for one in versions]
    return {"name": group, "versions": listed, "preferredVersion": listed[0]}


def _resources(registry: Registry, group_version: str) -> list[Resource]:
    return [one for one in registry if one.group_version == group_version]


def _resource_list(registry: Registry, group_version: str) -> Response:
    resources = _resources(registry, group_version)
    if not resources:
        raise no_such_path()
    listed = [entry for one in resources for entry in _api_resources(one)]
    body = {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": listed,
    }
    return Response(200, body)


def _api_resources(resource: Resource) -> list[dict[str, Any]]:
    kind = resource.kind
    entry: dict[str, Any] = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": resource.kind_name,
        "verbs": _VERBS if kind.stored else ["create"],
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    return [entry, *(_api_subresource(resource, one) for one in resource.subresources)]


def _subresource_kind(resource: Resource, name: str) -> tuple[str, str, str]:
    own = (resource.group, resource.kind.gvk.version, resource.kind_name)
    return _SUBRESOURCE_KINDS.get(name, own)


def _api_subresource(resource: Resource, name: str) -> dict[str, Any]:
    group, version, kind = _subresource_kind(resource, name)
    entry: dict[str, Any] = {
        "name": f"{resource.plural}/{name}",
        "singularName": "",
        "namespaced": resource.kind.namespaced,
        "kind": kind,
        "verbs": _SUBRESOURCE_VERBS.get(name, ["create"]),
    }
    if group != resource.group:
        entry |= {"group": group, "version": version}
    return entry


def _aggregate(items: list[dict[str, Any]]) -> Response:
    body = {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }
    media = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    return Response(200, body, headers={"content-type": media})


def _discovered(
    registry: Registry, group: str, versions: Sequence[str]
) -> dict[str, Any]:
    listed = []
    for version in versions:
        group_version = f"{group}/{version}" if group else version
        resources = [
            _discovered_resource(one) for one in _resources(registry, group_version)
        ]
        listed.append(
            {"version": version, "resources": resources, "freshness": "Current"}
        )
    meta = {"name": group, "creationTimestamp": None}
    return {"metadata": meta, "versions": listed}


def _discovered_resource(resource: Resource) -> dict[str, Any]:
    kind = resource.kind
    entry: dict[str, Any] = {
        "resource": kind.plural,
        "responseKind": _response_kind(
            kind.gvk.group, kind.gvk.version, resource.kind_name
        ),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular,
        "verbs": _VERBS if kind.stored else ["create"],
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": name,
                "responseKind": _response_kind(*_subresource_kind(resource, name)),
                "verbs": _SUBRESOURCE_VERBS.get(name, ["create"]),
            }
            for name in resource.subresources
        ]
    return entry


def _response_kind(group: str, version: str, kind: str) -> dict[str, str]:
    return {"group": group, "version": version, "kind": kind}
