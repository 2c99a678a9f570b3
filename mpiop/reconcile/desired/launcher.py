"""A launcher Job: one attempt, one Pod, no retry of its own."""

import copy
from typing import Any, Final

from mpiop.reconcile import names
from mpiop.reconcile.desired import access, environment, meta, ssh, template
from mpiop.reconcile.desired.worker import mount_config
from mpiop.reconcile.mpijob import Install, Json, MPIJob, RemoteShell

KUBECTL_VOLUME: Final = "mpi-job-kubectl"
WAIT_LOG: Final = "/dev/termination-log"
# Kept from the main container: what the wait needs to start a process like mpirun.
_LIKE_MAIN: Final = (
    "image",
    "imagePullPolicy",
    "securityContext",
    "resources",
    "env",
    "envFrom",
    "volumeMounts",
)
_DIRECTIVES: Final = ("nodeSelector", "tolerations", "schedulingGates")


def launcher_job(job: MPIJob, install: Install, attempt: int, *, suspend: bool) -> Json:
    """Give the launcher Job of an attempt (design 4).

    Only the operator retries, so backoffLimit is 0 and the Pod never restarts; a
    disruption fails the Job by a rule of its own, so that its condition tells which.
    """
    labels = {names.ATTEMPT: str(attempt)}
    disruption = {"type": "DisruptionTarget", "status": "True"}
    rule = {"action": "FailJob", "onPodConditions": [disruption]}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta.metadata(job, names.launcher_job(job.name, attempt), labels),
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": [rule]},
            "suspend": suspend,
            "template": _pod(job, install, labels),
        },
    }


def scheduling_patch(job: MPIJob) -> Json:
    """Carry today's scheduling directives into a suspended Job (upstream 5.5)."""
    given: Any = job.launcher.template
    metadata = given.get("metadata") or {}
    spec = {
        field: copy.deepcopy(given["spec"][field])
        for field in _DIRECTIVES
        if field in given["spec"]
    }
    carried = {
        field: dict(metadata[field])
        for field in ("labels", "annotations")
        if metadata.get(field)
    }
    template_patch = {
        **({"metadata": carried} if carried else {}),
        **({"spec": spec} if spec else {}),
    }
    return {"spec": {"template": template_patch}} if template_patch else {}


def _pod(job: MPIJob, install: Install, labels: Json) -> Json:
    index = 0 if job.run_launcher_as_worker else None
    pod_labels = meta.pod_labels(job, names.LAUNCHER, index)
    pod = template.pod(
        job.launcher.template, {**pod_labels, **{k: str(v) for k, v in labels.items()}}
    )
    template.join_network(pod, f"{job.name}-launcher", names.service(job.name))
    pod.spec["restartPolicy"] = "Never"
    record = pod.main.get("terminationMessagePath", template.DEFAULT_RECORD)
    pod.environment({**environment.launcher(job), "MPIOP_RECORD": record})
    pod.explain_failures()
    mount_config(job, pod)
    before: list[dict[str, Any]] = []
    if job.remote_shell is RemoteShell.SSH:
        ssh.mount_keys(job, pod)
    else:
        before.append(_delivery(job, install, pod))
    if job.worker_replicas and job.annotations.get(names.WAIT) != "disabled":
        before.append(_wait(pod))
    pod.spec["initContainers"] = before + pod.spec.get("initContainers", [])
    return pod.json()


def _delivery(job: MPIJob, install: Install, pod: template.Pod) -> dict[str, Any]:
    """Bring `kubectl` into the Pod, restricted as Pod Security asks."""
    pod.spec["serviceAccountName"] = access.account_name(job)
    mount = {"name": KUBECTL_VOLUME, "mountPath": names.KUBECTL_MOUNT}
    pod.mount({"name": KUBECTL_VOLUME, "emptyDir": {}}, [mount])
    amounts = {"cpu": "100m", "memory": "128Mi"}
    target = f"{names.KUBECTL_MOUNT}/kubectl"
    copy_it = f'cp "$(command -v kubectl)" {target} && chmod 755 {target}'
    return {
        "name": "kubectl-delivery",
        "image": install.kubectl_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", copy_it],
        "resources": {"limits": amounts, "requests": dict(amounts)},
        "volumeMounts": [dict(mount)],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def _wait(pod: template.Pod) -> dict[str, Any]:
    """Wait until a process can be started in every worker, by starting one."""
    like: dict[str, Any] = {
        field: copy.deepcopy(pod.main[field])
        for field in _LIKE_MAIN
        if field in pod.main
    }
    return {
        "name": "mpiop-wait",
        **like,
        "command": ["/bin/sh", f"{names.CONFIG_MOUNT}/wait.sh"],
    }
