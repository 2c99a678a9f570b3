"""Where the API server keeps each kind that we touch."""

from collections.abc import Mapping
from typing import Final

import attrs

from mpiop.reconcile import names
from mpiop.reconcile.actions import KindName
from mpiop.reconcile.gang import API_VERSIONS, gang
from mpiop.reconcile.mpijob import Install


@attrs.frozen
class Resource:
    """One kind's place in the API.

    Attributes:
        selector: what restricts a list of children to mpiop's own, "" for MPIJobs.
        optional: comes with a component of the install; without it lists are refused.
        addon: other people define it, and may not have done so (yet).
    """

    group_version: str
    plural: str
    selector: str = names.JOB_UID
    optional: bool = False
    addon: bool = False

    def path(self, namespace: str = "", name: str = "") -> str:
        """Give the path of the collection, or of one object."""
        root = "api" if "/" not in self.group_version else "apis"
        parts = [f"/{root}", self.group_version]
        if namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        return "/".join([*parts, name] if name else parts)


RBAC: Final = "rbac.authorization.k8s.io/v1"
RESOURCES: Final[Mapping[KindName, Resource]] = {
    "MPIJob": Resource(names.API_VERSION, "mpijobs", selector=""),
    "Pod": Resource("v1", "pods"),
    "Job": Resource("batch/v1", "jobs"),
    "Service": Resource("v1", "services"),
    "ConfigMap": Resource("v1", "configmaps"),
    "Secret": Resource("v1", "secrets"),
    "ServiceAccount": Resource("v1", "serviceaccounts", optional=True),
    "Role": Resource(RBAC, "roles", optional=True),
    "RoleBinding": Resource(RBAC, "rolebindings", optional=True),
    **{
        kind: Resource(version, "podgroups", addon=True)
        for kind, version in API_VERSIONS.items()
    },
}
# Secrets are only ever created (design 5.8): nothing lists or reads them.
CACHED: Final[tuple[KindName, ...]] = tuple(k for k in RESOURCES if k != "Secret")
WATCHED: Final = tuple(kind for kind in CACHED if kind not in API_VERSIONS)
EVENTS: Final = Resource("v1", "events")
PRIORITIES: Final = Resource("scheduling.k8s.io/v1", "priorityclasses")
LEASES: Final = Resource("coordination.k8s.io/v1", "leases")
ACCESS_REVIEWS: Final = Resource("authorization.k8s.io/v1", "selfsubjectaccessreviews")


def watched(install: Install) -> tuple[KindName, ...]:
    """Name the kinds that are watched: PodGroups only with a gang scheduler."""
    found = gang(install.gang_scheduler)
    return WATCHED if found is None else (*WATCHED, found.object_kind)
