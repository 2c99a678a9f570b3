"""What an operator before this one leaves: its children, as its users know them."""

from typing import Any, Final

from mpiop.local.client import (
    CONFIG_MAPS,
    JOBS,
    PODS,
    SERVICES,
    Client,
    Json,
    Resource,
)
from mpiop.reconcile import names
from tests.reconcile.build import template

V1: Final = "kubeflow.org/v1"
V2: Final = "kubeflow.org/v2beta1"
TRAINING: Final = "training"  # the Training Operator's v1, told from mpi-operator's
Labels = dict[str, str]


def mpijob(version: str = V2, workers: int = 2, **run_policy: object) -> dict[str, Any]:
    """Give an MPIJob as a user writes it."""
    replicas: dict[str, Any] = {"Launcher": {"template": template()}}
    replicas["Worker"] = {"replicas": workers, "template": template()}
    return {
        "apiVersion": version,
        "kind": "MPIJob",
        "metadata": {"name": "pi"},
        "spec": {"mpiReplicaSpecs": replicas, "runPolicy": run_policy},
    }


def labels(role: str, flavour: str) -> Labels:
    """Give the labels of a Pod."""
    if flavour == V1:
        group = {names.V1_GROUP_NAME: "kubeflow.org", names.V1_JOB_NAME: "pi"}
        return {**group, names.V1_JOB_ROLE: role}
    if flavour == TRAINING:
        found = {names.OPERATOR_NAME: "mpijob-controller", names.JOB_NAME: "pi"}
        found[names.REPLICA_TYPE] = role
        return found | ({names.JOB_ROLE: "master"} if role == "launcher" else {})
    found = {names.OPERATOR_NAME: "mpi-operator", names.JOB_NAME: "pi"}
    return {**found, names.JOB_ROLE: role}


class Upstream:
    """The other operator, which did some of its work and is no more.

    Args:
        client: leads to the server.
        job: the MPIJob; it is created.
        flavour: V2, V1 or TRAINING.
    """

    def __init__(
        self, client: Client, job: Json, flavour: str = V2, namespace: str = "default"
    ) -> None:
        self.client = client
        self.flavour = flavour
        self.namespace = namespace
        meta = {**job["metadata"], "namespace": namespace}
        self.place = Resource(job["apiVersion"], "mpijobs")
        self.job = client.create(self.place, {**job, "metadata": meta})

    def status(self, *conditions: str, **more: object) -> None:
        """Write a status with these conditions True."""
        now = self.job["metadata"]["creationTimestamp"]
        entries = [
            {
                "type": one,
                "status": "True",
                "reason": f"MPIJob{one}",
                "message": f"MPIJob default/pi is {one}",
                "lastUpdateTime": now,
                "lastTransitionTime": now,
            }
            for one in conditions
        ]
        status = {"conditions": entries, "startTime": now, **more}
        live = self.client.get(self.place, self.namespace, "pi")
        self.client.patch(self.place, live, {"status": status}, "status")

    def make(self, resource: Resource, name: str, **more: Any) -> Json:  # noqa: ANN401
        """Create a child of the job."""
        meta = {
            "name": name,
            "namespace": self.namespace,
            "ownerReferences": [self._owner()],
            "labels": more.pop("labels", {"app": "pi"}),
        }
        return self.client.create(resource, {"metadata": meta, **more})

    def base(self) -> None:
        """Make what stands beside the Pods."""
        if self.flavour == V2:
            spec = {"clusterIP": "None", "selector": {names.JOB_NAME: "pi"}}
            self.make(SERVICES, "pi", spec=spec)
        hosts = "".join(f"pi-worker-{i} slots=1\n" for i in range(2))
        self.make(CONFIG_MAPS, "pi-config", data={"hostfile": hosts})

    def workers(self, count: int = 2) -> None:
        """Make the worker Pods."""
        for index in range(count):
            own = labels("worker", self.flavour)
            spec = template()["spec"]
            self.make(PODS, f"pi-worker-{index}", labels=own, spec=spec)

    def launcher(self, **spec: object) -> Json:
        """Make the launcher: a Job, or v1's bare Pod."""
        own = labels("launcher", self.flavour)
        if self.flavour != V2:
            body = {**template()["spec"], "restartPolicy": "Never"}
            return self.make(PODS, "pi-launcher", labels=own, spec=body)
        pod = {**template()["spec"], "restartPolicy": "Never"}
        body = {"template": {"metadata": {"labels": own}, "spec": pod}, **spec}
        return self.make(JOBS, "pi-launcher", spec=body)

    def _owner(self) -> Json:
        version = V2 if self.flavour == V2 else V1
        return {
            "apiVersion": version,
            "kind": "MPIJob",
            "name": "pi",
            "uid": self.job["metadata"]["uid"],
            "controller": True,
            "blockOwnerDeletion": True,
        }
