"""Plays Kueue: what it writes into an MPIJob, and what it reads from its status.

It knows the v2beta1 API alone. On admission it writes scheduling directives into both
templates and resumes the job; on eviction it suspends the job and writes back what the
user had; in between it looks at nothing but suspend, active counts and conditions.
"""

import copy
from collections.abc import Mapping
from typing import Any, Final

import attrs

from mpiop.local.client import PODS, ApiError, Client, Json
from tests.support.harness import MPIJOBS

ROLES: Final = ("Launcher", "Worker")
MULTIKUEUE: Final = "kueue.x-k8s.io/multikueue"
_GATE: Final = "kueue.x-k8s.io/topology"
TRIES: Final = 20
_META: Final = ("labels", "annotations")
_LISTS: Final = ("tolerations", "schedulingGates")


@attrs.frozen
class Flavor:
    """What Kueue writes into a template for a flavor of nodes.

    Attributes:
        gated: Pods wait until Kueue has chosen their nodes.
    """

    name: str
    gated: bool = False

    def template(self) -> dict[str, Any]:
        """Give the parts of a template."""
        toleration = {"key": "flavor", "operator": "Equal", "value": self.name}
        return {
            "metadata": {
                "labels": {f"flavor/{self.name}": "true"},
                "annotations": {"kueue.x-k8s.io/workload": f"mpijob-{self.name}"},
            },
            "spec": {
                "nodeSelector": {f"pool-{self.name}": "true"},
                "tolerations": [toleration],
                "schedulingGates": [{"name": _GATE}] if self.gated else [],
            },
        }

    def on(self, pod: Json) -> bool:
        """Whether a Pod carries all of it."""
        wanted, meta = self.template(), pod["metadata"]
        return all(
            wanted["metadata"][key].items() <= (meta.get(key) or {}).items()
            for key in _META
        ) and (
            wanted["spec"]["nodeSelector"] == pod["spec"].get("nodeSelector")
            and wanted["spec"]["tolerations"][0]
            in (pod["spec"].get("tolerations") or ())
        )

    def traces(self, pod: Json) -> list[str]:
        """Name what of it a Pod carries."""
        words = (f"flavor/{self.name}", f"pool-{self.name}", f"mpijob-{self.name}")
        return [
            word for word in (*words, f"'value': '{self.name}'") if word in str(pod)
        ]

    @property
    def node_labels(self) -> dict[str, str]:
        """Label nodes of the flavor."""
        labels: dict[str, str] = self.template()["spec"]["nodeSelector"]
        return labels


@attrs.define
class Kueue:
    """The queue, as far as one namespace's MPIJobs are concerned."""

    client: Client
    namespace: str
    _originals: dict[str, Json] = attrs.field(factory=dict)

    def admit(self, name: str, flavor: Flavor) -> None:
        """Give the job its nodes, and let it go."""
        replicas = self.job(name)["spec"]["mpiReplicaSpecs"]
        self._originals[name] = copy.deepcopy(replicas)
        for role in ROLES:
            _merge(replicas[role]["template"], flavor.template())
        self._write(name, replicas, suspend=False)

    def evict(self, name: str) -> None:
        """Take the job's nodes away for another one."""
        self._write(name, self._originals.pop(name), suspend=True)

    def ungate(self) -> int:
        """Let Pods go to nodes that Kueue has chosen; give how many waited."""
        pods: list[Json] = self.client.list(PODS, self.namespace)["items"]
        gated = [pod for pod in pods if pod["spec"].get("schedulingGates")]
        for pod in gated:
            self.client.patch(PODS, pod, {"spec": {"schedulingGates": None}})
        return len(gated)

    def active(self, name: str) -> bool:
        """Whether the job still uses its quota."""
        counts = self._status(name).get("replicaStatuses") or {}
        return any(counts[role].get("active", 0) != 0 for role in counts)

    def pods_ready(self, name: str) -> bool:
        """Whether all Pods of the job are there."""
        return self._condition(name, "Running").get("status") == "True"

    def finished(self, name: str) -> str:
        """Say how the job ended, "" while it has not."""
        for kind in ("Succeeded", "Failed"):
            condition = self._condition(name, kind)
            if condition.get("status") == "True":
                return f"{kind}: {condition['message']}"
        return ""

    def job(self, name: str) -> dict[str, Any]:
        """Read the job."""
        return copy.deepcopy(dict(self.client.get(MPIJOBS, self.namespace, name)))

    def _write(self, name: str, replicas: Json, *, suspend: bool) -> None:
        """Change templates and suspension in one write, as Kueue does."""
        for _ in range(TRIES):
            job = self.job(name)
            job["spec"]["mpiReplicaSpecs"] = replicas
            job["spec"].setdefault("runPolicy", {})["suspend"] = suspend
            try:
                self.client.replace(MPIJOBS, job)
            except ApiError as error:
                if error.reason != "Conflict":  # a status was written meanwhile
                    raise
            else:
                return
        raise AssertionError(f"no write in {TRIES} tries")

    def _status(self, name: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.job(name).get("status") or {}
        return found

    def _condition(self, name: str, kind: str) -> Mapping[str, Any]:
        found = self._status(name).get("conditions") or ()
        return next((one for one in found if one["type"] == kind), {})


def _merge(template: dict[str, Any], parts: Mapping[str, Any]) -> None:
    for where, fields in parts.items():
        section = template.setdefault(where, {})
        for key, value in fields.items():
            if key in _LISTS:
                section[key] = [*section.get(key, ()), *value]
            else:
                section[key] = {**section.get(key, {}), **value}
