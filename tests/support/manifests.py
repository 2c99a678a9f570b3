"""MPIJobs for a whole cluster, and what their Pods and status say."""

from collections.abc import Iterable, Mapping
from typing import Any

Json = Mapping[str, Any]
# What a rank that has nothing to do does. Open MPI 5 may wait for ever for one that
# ends in its first milliseconds: with `true` one mpirun in eight did on a busy machine,
# over either transport, and of those whose ranks live this long none.
MOMENT = "sleep 0.5"
# Labels of a namespace that enforces restricted Pods, and a container that it admits.
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
HARDENED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "seccompProfile": {"type": "RuntimeDefault"},
}


def job(
    name: str,
    command: str,
    *,
    workers: int = 2,
    shell: str = "KubectlExec",
    launcher: Json | None = None,
    worker: Json | None = None,
    policy: Json | None = None,
    **spec: object,
) -> Json:
    """Write an MPIJob whose launcher runs a command line of the shell.

    Args:
        name: of the job.
        command: what the launcher runs; $ATTEMPT is the attempt's number there.
        workers: how many.
        shell: how ranks are started.
        launcher: more of the launcher's container.
        worker: more of the workers' container.
        policy: runPolicy.
        spec: more of the spec.
    """
    attempt = {"fieldPath": "metadata.labels['mpiop/attempt']"}
    main = {
        "name": "main",
        "image": "none",
        "command": ["/bin/sh", "-c", command],
        "env": [
            {"name": "ATTEMPT", "valueFrom": {"fieldRef": attempt}},
            {"name": "OMPI_ALLOW_RUN_AS_ROOT", "value": "1"},
            {"name": "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "value": "1"},
        ],
        **(launcher or {}),
    }
    idle = {"name": "main", "image": "none", **(worker or {})}
    replicas = {
        "Launcher": {"replicas": 1, "template": {"spec": {"containers": [main]}}},
        "Worker": {
            "replicas": workers,
            "template": {"spec": {"containers": [idle]}},
        },
    }
    return {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {
            "remoteShell": shell,
            "slotsPerWorker": 1,
            "runPolicy": {"cleanPodPolicy": "Running", **(policy or {})},
            "mpiReplicaSpecs": replicas
            if workers
            else {"Launcher": replicas["Launcher"]},
            **spec,
        },
    }


def ended(pod: Json) -> bool:
    """Whether a Pod is terminal."""
    return pod.get("status", {}).get("phase") in {"Succeeded", "Failed"}


def condition(status: Json, name: str) -> Json:
    """Give a condition of a job; {} where it is not said."""
    found: Iterable[Json] = status.get("conditions", ())
    return next((one for one in found if one["type"] == name), {})
