"""The MPIJob's definition as the operators before this one have it, by its fields.

v2beta1 names every field outside the Pod templates, and prunes others; v1 names three
numbers and keeps whatever else it is given.
"""

from typing import Any, Final

Schema = dict[str, Any]
NAME: Final = "mpijobs.kubeflow.org"
_FREE: Final[Schema] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_TEXT: Final[Schema] = {"type": "string"}
_SMALL: Final[Schema] = {"type": "integer", "format": "int32"}
_LARGE: Final[Schema] = {"type": "integer", "format": "int64"}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_FLAG: Final[Schema] = {"type": "boolean"}


def _fields(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


def _every(value: Schema) -> Schema:
    return {"type": "object", "additionalProperties": value}


def _v2beta1() -> Schema:
    scheduling = _fields(
        minAvailable=_SMALL,
        queue=_TEXT,
        minResources=_FREE,
        priorityClass=_TEXT,
        scheduleTimeoutSeconds=_SMALL,
    )
    run_policy = _fields(
        cleanPodPolicy=_TEXT,
        ttlSecondsAfterFinished=_SMALL,
        activeDeadlineSeconds=_LARGE,
        backoffLimit=_SMALL,
        schedulingPolicy=scheduling,
        suspend={**_FLAG, "default": False},
        managedBy=_TEXT,
    )
    replica = _fields(replicas=_SMALL, restartPolicy=_TEXT, template=_FREE)
    spec = _fields(
        slotsPerWorker={**_SMALL, "default": 1},
        runLauncherAsWorker={**_FLAG, "default": False},
        runPolicy=run_policy,
        mpiReplicaSpecs=_every(replica),
        sshAuthMountPath={**_TEXT, "default": "/root/.ssh"},
        launcherCreationPolicy={**_TEXT, "default": "AtStartup"},
        mpiImplementation={
            **_TEXT,
            "enum": ["OpenMPI", "Intel", "MPICH"],
            "default": "OpenMPI",
        },
    )
    condition = _fields(
        type=_TEXT,
        status={**_TEXT, "enum": ["True", "False", "Unknown"]},
        reason=_TEXT,
        message=_TEXT,
        lastUpdateTime=_TIME,
        lastTransitionTime=_TIME,
    )
    conditions = {
        "type": "array",
        "items": {**condition, "required": ["type", "status"]},
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
    }
    counts = _fields(active=_SMALL, succeeded=_SMALL, failed=_SMALL)
    status = _fields(
        conditions=conditions,
        replicaStatuses=_every(counts),
        startTime=_TIME,
        completionTime=_TIME,
        lastReconcileTime=_TIME,
    )
    return _fields(spec={**spec, "required": ["mpiReplicaSpecs"]}, status=status)


def _v1() -> Schema:
    one = {**_FREE, "properties": {"replicas": {**_SMALL, "minimum": 1, "maximum": 1}}}
    some = {**_FREE, "properties": {"replicas": {**_SMALL, "minimum": 1}}}
    spec: Schema = {
        **_FREE,
        "properties": {
            "slotsPerWorker": {**_SMALL, "minimum": 1},
            "mpiReplicaSpecs": _fields(Launcher=one, Worker=some),
        },
    }
    return _fields(spec=spec, status=_FREE)


def definition(version: str) -> dict[str, Any]:
    """Give the definition of an operator of v1 or v2beta1, which serves it alone."""
    schema = _v2beta1() if version == "v2beta1" else _v1()
    served = {
        "name": version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    names = {"kind": "MPIJob", "plural": "mpijobs", "singular": "mpijob"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {
            "group": "kubeflow.org",
            "scope": "Namespaced",
            "names": names,
            "versions": [served],
        },
    }
