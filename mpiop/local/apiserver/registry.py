"""The resources that are served, built in or by definition, and where they are kept."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import attrs

from .schema import BUILTINS, Builtin, CustomKind, Gvk, custom_kinds

StorageKey = tuple[str, str]
"""Group and plural: all versions of a resource share one storage."""

EVENTS: Final = ("", "events")
_SUBRESOURCES: Final[Mapping[StorageKey, tuple[str, ...]]] = {
    ("", "pods"): ("binding", "eviction", "exec", "log"),
    ("", "namespaces"): ("finalize",),
    ("", "serviceaccounts"): ("token",),
}
_EVENT_FIELDS: Final = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}


@attrs.frozen(eq=False)
class Resource:
    """One resource in one version."""

    kind: Builtin | CustomKind
    stored_as: str

    @property
    def group_version(self) -> str:
        """The version asked for, as in apiVersion."""
        return self.kind.gvk.group_version

    @property
    def group(self) -> str:
        """The API group, empty for core."""
        return self.kind.gvk.group

    @property
    def plural(self) -> str:
        """The resource's name in paths."""
        return self.kind.plural

    @property
    def kind_name(self) -> str:
        """The kind of its objects."""
        return self.kind.gvk.kind

    @property
    def custom(self) -> bool:
        """Whether a CustomResourceDefinition made it."""
        return isinstance(self.kind, CustomKind)

    @property
    def schema(self) -> Gvk | CustomKind:
        """What the functions of `schema` want to know."""
        return self.kind if isinstance(self.kind, CustomKind) else self.kind.gvk

    @property
    def storage(self) -> StorageKey:
        """Where its objects are kept."""
        key = (self.group, self.plural)
        return EVENTS if key == ("events.k8s.io", "events") else key

    @property
    def subresources(self) -> tuple[str, ...]:
        """What may follow the name in a path."""
        own = _SUBRESOURCES.get((self.group, self.plural), ())
        return (*own, "status") if self.kind.status else own

    def present(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Give a stored object in this version; shallow, the original stays."""
        if self.group_version == self.stored_as:
            return obj
        if self.storage == EVENTS:
            obj = _renamed(obj, _EVENT_FIELDS)
        return {**obj, "apiVersion": self.group_version}

    def storable(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Give an object of this version as it is stored."""
        if self.group_version == self.stored_as:
            return obj
        if self.storage == EVENTS:
            obj = _renamed(obj, {new: old for old, new in _EVENT_FIELDS.items()})
        return {**obj, "apiVersion": self.stored_as}


def _renamed(obj: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in obj.items()}


def _builtin_resource(kind: Builtin) -> Resource:
    is_event = kind.plural == "events"
    return Resource(kind, "v1" if is_event else kind.gvk.group_version)


class Registry:
    """Finds resources by group version and plural."""

    def __init__(self) -> None:
        self._builtin = [_builtin_resource(kind) for kind in BUILTINS.values()]
        self._custom: dict[str, list[Resource]] = {}
        self._index: dict[tuple[str, str], Resource] = {}
        self._reindex()

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._index.values())

    def find(self, group_version: str, plural: str) -> Resource | None:
        """Find a served resource."""
        return self._index.get((group_version, plural))

    def group_versions(self) -> list[str]:
        """Name what is served, core first, in order of appearance."""
        return list(dict.fromkeys(group_version for group_version, _ in self._index))

    def install(self, crd: Mapping[str, Any]) -> None:
        """Serve (anew) what a valid CustomResourceDefinition defines."""
        versions = crd["spec"]["versions"]
        stored = next(one["name"] for one in versions if one.get("storage"))
        stored_as = f"{crd['spec']['group']}/{stored}"
        self._custom[crd["metadata"]["name"]] = [
            Resource(kind, stored_as) for kind in custom_kinds(crd)
        ]
        self._reindex()

    def uninstall(self, crd_name: str) -> None:
        """Serve a definition's resources no more."""
        self._custom.pop(crd_name, None)
        self._reindex()

    def of_crd(self, crd_name: str) -> list[Resource]:
        """Give the served versions of a definition."""
        return self._custom.get(crd_name, [])

    def _reindex(self) -> None:
        custom = [one for versions in self._custom.values() for one in versions]
        self._index = {
            (one.group_version, one.plural): one for one in (*self._builtin, *custom)
        }
