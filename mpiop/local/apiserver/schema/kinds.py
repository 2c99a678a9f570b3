"""The kinds that are built in, and how a kind is named."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import attrs


class Gvk(NamedTuple):
    """A kind in one version of its group; `group_version` is as in `apiVersion`."""

    group_version: str
    kind: str

    @property
    def group(self) -> str:
        """The API group, empty for core."""
        return self.group_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        """The version without its group."""
        return self.group_version.rpartition("/")[2]


@attrs.frozen
class Builtin:
    """What discovery, storage and kubectl need to know of a built-in kind."""

    gvk: Gvk
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    status: bool = False
    stored: bool = True

    @property
    def singular(self) -> str:
        """The name of one, in lower case."""
        return self.gvk.kind.lower()

    @property
    def list_kind(self) -> str:
        """The kind of a list of them."""
        return f"{self.gvk.kind}List"


def _kind(group_version: str, kind: str, plural: str) -> Builtin:
    return Builtin(Gvk(group_version, kind), plural)


_RBAC: Final = "rbac.authorization.k8s.io/v1"
_AUTH: Final = "authorization.k8s.io/v1"

_ALL: Final = (
    attrs.evolve(
        _kind("v1", "Namespace", "namespaces"),
        namespaced=False,
        short_names=("ns",),
        status=True,
    ),
    attrs.evolve(
        _kind("v1", "Node", "nodes"), namespaced=False, short_names=("no",), status=True
    ),
    attrs.evolve(
        _kind("v1", "Pod", "pods"),
        short_names=("po",),
        categories=("all",),
        status=True,
    ),
    attrs.evolve(
        _kind("v1", "Service", "services"),
        short_names=("svc",),
        categories=("all",),
        status=True,
    ),
    attrs.evolve(_kind("v1", "ConfigMap", "configmaps"), short_names=("cm",)),
    _kind("v1", "Secret", "secrets"),
    attrs.evolve(_kind("v1", "ServiceAccount", "serviceaccounts"), short_names=("sa",)),
    attrs.evolve(_kind("v1", "Event", "events"), short_names=("ev",)),
    attrs.evolve(_kind("events.k8s.io/v1", "Event", "events"), short_names=("ev",)),
    attrs.evolve(_kind("batch/v1", "Job", "jobs"), categories=("all",), status=True),
    _kind(_RBAC, "Role", "roles"),
    _kind(_RBAC, "RoleBinding", "rolebindings"),
    attrs.evolve(_kind(_RBAC, "ClusterRole", "clusterroles"), namespaced=False),
    attrs.evolve(
        _kind(_RBAC, "ClusterRoleBinding", "clusterrolebindings"), namespaced=False
    ),
    _kind("discovery.k8s.io/v1", "EndpointSlice", "endpointslices"),
    _kind("coordination.k8s.io/v1", "Lease", "leases"),
    attrs.evolve(
        _kind("scheduling.k8s.io/v1", "PriorityClass", "priorityclasses"),
        namespaced=False,
        short_names=("pc",),
    ),
    attrs.evolve(
        _kind(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
        ),
        namespaced=False,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        status=True,
    ),
    attrs.evolve(
        _kind(_AUTH, "SelfSubjectAccessReview", "selfsubjectaccessreviews"),
        namespaced=False,
        stored=False,
    ),
    attrs.evolve(
        _kind(_AUTH, "SelfSubjectRulesReview", "selfsubjectrulesreviews"),
        namespaced=False,
        stored=False,
    ),
)

BUILTINS: Final[Mapping[Gvk, Builtin]] = {one.gvk: one for one in _ALL}
"""Every kind that needs no CustomResourceDefinition; reviews have `stored=False`."""


def builtin(group_version: str, kind: str) -> Builtin | None:
    """Find a built-in kind."""
    return BUILTINS.get(Gvk(group_version, kind))
