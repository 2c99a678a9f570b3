"""How the controllers speak to the embedded API server, in the same thread.

It knows HTTP verbs and Kubernetes' paths, nothing of any kind. What it returns may be
shared with the server and with other readers: copy before changing.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

import attrs
import orjson

from mpiop.local.apiserver.wire import Forward, Request, Response, Watch

Json = Mapping[str, Any]
_MERGE: Final = "application/merge-patch+json"
_JSON_PATCH: Final = "application/json-patch+json"
_FAILURE: Final = 400


class ApiError(Exception):
    """The API server refused, with the Status it gave as reason."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


@attrs.frozen
class Resource:
    """A kind's place in the API, for example `batch/v1` and `jobs`."""

    group_version: str
    plural: str

    @property
    def group(self) -> str:
        """The API group, empty for core."""
        return self.group_version.rpartition("/")[0]

    @property
    def root(self) -> str:
        """The path under which the group's version is served."""
        prefix = "/apis" if "/" in self.group_version else "/api"
        return f"{prefix}/{self.group_version}"

    def path(self, namespace: str = "", *rest: str) -> str:
        """Say where the collection is, or with a name (and subresource) an object.

        Without a namespace it is the cluster's, or all namespaces' collection.
        """
        scope = ("namespaces", namespace) if namespace else ()
        return "/".join((self.root, *scope, self.plural, *rest))


@attrs.frozen
class Kind:
    """One entry of discovery."""

    resource: Resource
    kind: str
    namespaced: bool
    verbs: frozenset[str]


@attrs.frozen
class Deletion:
    """How to delete: whom exactly, and what becomes of dependents."""

    uid: str = ""
    resource_version: str = ""
    policy: str = ""
    grace_seconds: int | None = None

    def body(self) -> dict[str, Any]:
        """Write it as DeleteOptions."""
        preconditions = {"uid": self.uid, "resourceVersion": self.resource_version}
        chosen = {key: value for key, value in preconditions.items() if value}
        body: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if chosen:
            body["preconditions"] = chosen
        if self.policy:
            body["propagationPolicy"] = self.policy
        if self.grace_seconds is not None:
            body["gracePeriodSeconds"] = self.grace_seconds
        return body


class Client:
    """The API's verbs on plain JSON. Every verb raises ApiError where refused."""

    def __init__(self, handle: Callable[[Request], Response | Watch | Forward]) -> None:
        self._handle = handle

    def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """Read one object."""
        return self._ask("GET", resource.path(namespace, name))

    def list(self, resource: Resource, namespace: str = "", **query: str) -> Json:
        """Read a collection; the result is the List with its resourceVersion."""
        return self._ask("GET", resource.path(namespace), query=query.items())

    def watch(
        self, resource: Resource, namespace: str = "", *, resource_version: str = ""
    ) -> Watch:
        """Open a watch that starts after `resource_version`, with bookmarks."""
        query = (
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", resource_version),
        )
        answer = self._handle(Request("GET", resource.path(namespace), query))
        if isinstance(answer, Watch):
            return answer
        raise _error(answer)

    def create(self, resource: Resource, obj: Json) -> Json:
        """Create an object in the namespace that its metadata names."""
        namespace = obj["metadata"].get("namespace", "")
        return self._ask("POST", resource.path(namespace), obj)

    def create_sub(self, resource: Resource, owner: Json, sub: str, obj: Json) -> Json:
        """Post to a subresource, such as a Pod's `binding`."""
        return self._ask("POST", _at(resource, owner, sub), obj)

    def replace(self, resource: Resource, obj: Json, sub: str = "") -> Json:
        """Write a whole object, or a subresource of it, over the one that is there."""
        return self._ask("PUT", _at(resource, obj, sub), obj)

    def replace_status(self, resource: Resource, obj: Json) -> Json:
        """Write an object's status; a resourceVersion in it is a precondition."""
        return self.replace(resource, obj, "status")

    def patch(
        self, resource: Resource, obj: Json, patch: object, sub: str = ""
    ) -> Json:
        """Send a merge patch (a mapping) or a JSON patch (a list) for an object."""
        kind = _JSON_PATCH if isinstance(patch, list) else _MERGE
        return self._ask("PATCH", _at(resource, obj, sub), patch, content_type=kind)

    def delete(
        self, resource: Resource, obj: Json, deletion: Deletion | None = None
    ) -> Json:
        """Delete exactly this object: its uid is a precondition unless one is given."""
        chosen = deletion or Deletion()
        if not chosen.uid:
            chosen = attrs.evolve(chosen, uid=obj["metadata"].get("uid", ""))
        return self._ask("DELETE", _at(resource, obj), chosen.body())

    def discover(self) -> tuple[Kind, ...]:
        """List the kinds served, each in its group's first version that has it."""
        groups = self._ask("GET", "/apis")["groups"]
        served = [version["groupVersion"] for g in groups for version in g["versions"]]
        kinds: dict[tuple[str, str], Kind] = {}
        for group_version in ["v1", *served]:
            for kind in self._kinds(group_version):
                kinds.setdefault((kind.resource.group, kind.resource.plural), kind)
        return tuple(kinds.values())

    def _kinds(self, group_version: str) -> Iterable[Kind]:
        for entry in self._ask("GET", Resource(group_version, "").root)["resources"]:
            if "/" not in entry["name"]:
                yield Kind(
                    Resource(group_version, entry["name"]),
                    entry["kind"],
                    namespaced=entry["namespaced"],
                    verbs=frozenset(entry["verbs"]),
                )

    def _ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: Iterable[tuple[str, str]] = (),
        content_type: str = "application/json",
    ) -> Json:
        request = Request(
            method,
            path,
            tuple(query),
            {"content-type": content_type, "accept": "application/json"},
            b"" if body is None else orjson.dumps(body),
        )
        answer = self._handle(request)
        if isinstance(answer, Response) and answer.status < _FAILURE:
            return cast(Json, answer.body)
        raise _error(answer)


def _at(resource: Resource, obj: Json, sub: str = "") -> str:
    meta = obj["metadata"]
    rest = (meta["name"], sub) if sub else (meta["name"],)
    return resource.path(meta.get("namespace", ""), *rest)


def _error(answer: Response | Watch | Forward) -> ApiError:
    if not isinstance(answer, Response):
        return ApiError(501, "NotImplemented", "the answer is a stream")
    status = cast(Json, answer.body) if isinstance(answer.body, Mapping) else {}
    return ApiError(
        answer.status, str(status.get("reason", "")), str(status.get("message", ""))
    )


PODS: Final = Resource("v1", "pods")
SERVICES: Final = Resource("v1", "services")
NODES: Final = Resource("v1", "nodes")
NAMESPACES: Final = Resource("v1", "namespaces")
CONFIG_MAPS: Final = Resource("v1", "configmaps")
SERVICE_ACCOUNTS: Final = Resource("v1", "serviceaccounts")
EVENTS: Final = Resource("v1", "events")
JOBS: Final = Resource("batch/v1", "jobs")
ENDPOINT_SLICES: Final = Resource("discovery.k8s.io/v1", "endpointslices")
CRDS: Final = Resource("apiextensions.k8s.io/v1", "customresourcedefinitions")
