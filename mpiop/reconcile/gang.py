"""Gang schedulers: which one an installation has, and its marks and words on objects.

A gang scheduler places a group of Pods together or not at all. The group is an object
named PodGroup of each scheduler's own API; Pods say in each scheduler's own way that
they belong to one.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import attrs

from mpiop.reconcile.actions import KindName
from mpiop.reconcile.mpijob import Json
from mpiop.reconcile.reading import dig, items, text

VOLCANO_GROUP: Final = "scheduling.k8s.io/group-name"  # annotation of a Pod
VOLCANO_ROLE: Final = "volcano.sh/task-spec"  # annotation of a Pod
VOLCANO_QUEUE: Final = "scheduling.volcano.sh/queue-name"  # annotation of an MPIJob
COSCHEDULING_GROUP: Final = "scheduling.x-k8s.io/pod-group"  # label of a Pod


class GangKind(StrEnum):
    """Whose PodGroups they are."""

    VOLCANO = "volcano"
    COSCHEDULING = "scheduler-plugins"
    KUBERNETES = "kubernetes"


@attrs.frozen
class Gang:
    """The gang scheduler of an installation.

    Attributes:
        scheduler: schedulerName of the Pods; "" leaves what the user wrote.
    """

    kind: GangKind
    scheduler: str

    @property
    def object_kind(self) -> KindName:
        """How its PodGroups are told from those of other schedulers."""
        return OBJECTS[self.kind]

    @property
    def api_version(self) -> str:
        """The apiVersion of its PodGroups."""
        return API_VERSIONS[OBJECTS[self.kind]]


OBJECTS: Final[Mapping[GangKind, KindName]] = {
    GangKind.VOLCANO: "PodGroup.scheduling.volcano.sh",
    GangKind.COSCHEDULING: "PodGroup.scheduling.x-k8s.io",
    GangKind.KUBERNETES: "PodGroup.scheduling.k8s.io",
}
API_VERSIONS: Final[Mapping[KindName, str]] = {
    "PodGroup.scheduling.volcano.sh": "scheduling.volcano.sh/v1beta1",
    "PodGroup.scheduling.x-k8s.io": "scheduling.x-k8s.io/v1alpha1",
    "PodGroup.scheduling.k8s.io": "scheduling.k8s.io/v1beta1",
}
REMEDIES: Final[Mapping[GangKind, str]] = {
    GangKind.VOLCANO: "install Volcano",
    GangKind.COSCHEDULING: "install scheduler-plugins with its PodGroup definition",
    GangKind.KUBERNETES: "it needs Kubernetes 1.37 with feature gate GenericWorkload"
    " and --runtime-config=scheduling.k8s.io/v1beta1=true",
}
# The chart of scheduler-plugins calls its scheduler so; upstream took the flag's word
# for the scheduler's name, and Pods then waited for a scheduler that nobody runs.
_COSCHEDULER: Final = "scheduler-plugins-scheduler"


def gang(flag: str) -> Gang | None:
    """Read the operator's flag; None where there is no gang scheduler.

    `volcano` and `kubernetes` (kube-scheduler's own, from 1.37 on) mean those; any
    other name is that of a scheduler with the coscheduling plugin.
    """
    if not flag:
        return None
    if flag == GangKind.VOLCANO:
        return Gang(GangKind.VOLCANO, "volcano")
    if flag == GangKind.KUBERNETES:
        return Gang(GangKind.KUBERNETES, "")
    name = _COSCHEDULER if flag == GangKind.COSCHEDULING else flag
    return Gang(GangKind.COSCHEDULING, name)


def marked(pod: object) -> GangKind | None:
    """Tell whose gang a Pod (or those of a template) belongs to; None for nobody's."""
    if text(pod, "spec", "schedulingGroup", "podGroupName"):
        return GangKind.KUBERNETES
    if text(pod, "metadata", "labels", COSCHEDULING_GROUP):
        return GangKind.COSCHEDULING
    if text(pod, "metadata", "annotations", VOLCANO_GROUP):
        return GangKind.VOLCANO
    return None


def wait_reason(group: Json) -> str:
    """Say why a PodGroup waits, in its scheduler's words; "" where it does not.

    Kubernetes' own says it in a condition, Volcano in a phase and conditions, the
    coscheduling plugin in a phase alone.
    """
    status = group.get("status")
    if text(group, "apiVersion") == API_VERSIONS["PodGroup.scheduling.k8s.io"]:
        return _native(status)
    phase = text(status, "phase")
    if phase in _PLACED:
        return ""
    words = [phase and f"phase {phase}", _newest(status, "Unschedulable")]
    return ", ".join(word for word in words if word) or UNSEEN


UNSEEN: Final = "no scheduler has looked at it yet"
_PLACED: Final = {"Running", "Scheduled", "Finished", "Completed"}


def _native(status: object) -> str:
    for condition in items(status, "conditions"):
        if condition.get("type") == "PodGroupInitiallyScheduled":
            placed = condition.get("status") == "True"
            return "" if placed else _said(condition)
    return UNSEEN


def _newest(status: object, kind: str) -> str:
    found = [
        condition
        for condition in items(status, "conditions")
        if condition.get("type") == kind and condition.get("status") == "True"
    ]
    return _said(max(found, key=_when)) if found else ""


def _when(condition: Json) -> str:
    return text(condition, "lastTransitionTime")


def _said(condition: Json) -> str:
    said = (text(condition, "reason"), text(condition, "message"))
    return ": ".join(part for part in said if part)


def spec_values(group: Json) -> Json:
    """List what can drift in a PodGroup, a resource of minResources each by itself."""
    spec = group.get("spec")
    found = dict(spec) if isinstance(spec, Mapping) else {}
    resources = found.pop(MIN_RESOURCES, None)
    count = dig(found.pop("schedulingPolicy", None), "gang", "minCount")
    if count is not None:
        found[MIN_COUNT] = count
    if isinstance(resources, Mapping):
        found |= {f"{MIN_RESOURCES}/{key}": one for key, one in resources.items()}
    return found


MIN_RESOURCES: Final = "minResources"
MIN_COUNT: Final = "minCount"
