"""What every namespace has, and how a deleted one becomes empty."""

from collections.abc import Hashable, Iterator
from datetime import datetime
from typing import Final, cast

from mpiop.local.client import (
    CONFIG_MAPS,
    NAMESPACES,
    SERVICE_ACCOUNTS,
    ApiError,
    Client,
    Deletion,
    Json,
    Resource,
)

from .cache import Caches, Change
from .objects import deleting

_ACCOUNT: Final = "default"
_ROOT_CA: Final = "kube-root-ca.crt"
_NEEDED: Final = {SERVICE_ACCOUNTS: _ACCOUNT, CONFIG_MAPS: _ROOT_CA}
_NOT_FOUND: Final = 404


class NamespaceController:
    """Fills living namespaces, and empties and finalizes deleted ones."""

    def __init__(self, client: Client, caches: Caches, ca_pem: str) -> None:
        self._client = client
        self._caches = caches
        self._ca_pem = ca_pem

    def keys(self, change: Change) -> Iterator[Hashable]:
        """Namespaces, and those that lose an object or what each of them has."""
        meta = change.last["metadata"]
        if change.resource == NAMESPACES:
            yield meta["name"]
        elif change.new is None or _NEEDED.get(change.resource) == meta["name"]:
            yield meta.get("namespace", "")

    def sync(self, key: Hashable, now: datetime) -> None:
        """Fill the namespace, or go on with its end."""
        del now
        namespace = self._caches.get(NAMESPACES, "", cast(str, key))
        if namespace is None:
            return
        if deleting(namespace):
            self._empty(namespace)
        else:
            self._fill(namespace["metadata"]["name"])

    def _fill(self, namespace: str) -> None:
        wanted: dict[Resource, dict[str, object]] = {SERVICE_ACCOUNTS: {}}
        if self._ca_pem:
            wanted[CONFIG_MAPS] = {"data": {"ca.crt": self._ca_pem}}
        for resource, content in wanted.items():
            name = _NEEDED[resource]
            seen = self._caches.get(resource, namespace, name)
            if seen is None:
                meta = {"name": name, "namespace": namespace}
                self._client.create(resource, {"metadata": meta, **content})
            elif any(seen.get(key) != value for key, value in content.items()):
                self._client.patch(resource, seen, content)

    def _empty(self, namespace: Json) -> None:
        """Delete all that is there; once nothing is left, finalize."""
        left = 0
        for kind in self._caches.kinds:
            if kind.namespaced and {"list", "delete"} <= kind.verbs:
                left += self._delete_all(kind.resource, namespace["metadata"]["name"])
        if not left and namespace["spec"].get("finalizers"):
            body = {**namespace, "spec": {**namespace["spec"], "finalizers": []}}
            self._client.replace(NAMESPACES, body, "finalize")

    def _delete_all(self, resource: Resource, namespace: str) -> int:
        """Delete a kind's objects; say how many are still there after it."""
        items = self._client.list(resource, namespace)["items"]
        for item in items:
            if not deleting(item):
                try:
                    self._client.delete(resource, item, Deletion(policy="Background"))
                except ApiError as error:
                    if error.status != _NOT_FOUND:
                        raise
        return len(self._client.list(resource, namespace)["items"]) if items else 0
