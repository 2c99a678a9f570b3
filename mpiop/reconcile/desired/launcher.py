"""The launcher Job: one attempt, one launcher Pod at a time; only mpiop retries."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from mpiop.reconcile import names
from mpiop.reconcile.desired import access, account, environment, hosts, pod, pod_group
from mpiop.reconcile.desired.config_map import run_mount
from mpiop.reconcile.desired.meta import metadata, pod_labels
from mpiop.reconcile.mpijob import Install, Json, MPIJob, RemoteShell
from mpiop.reconcile.reading import dig, items, text
from mpiop.reconcile.views import JobView

WAIT_DISABLED: Final = "disabled"
# Commands of v1's users append /opt/kube/hosts to /etc/hosts: it has to be there. The
# workers' names resolve without it.
DELIVER: Final = (
    'cp "$(command -v kubectl)" "$TARGET_DIR/kubectl" &&'
    ' { tail -n 1 /etc/hosts >"$TARGET_DIR/hosts" || :; }'
)
# What the Job controller puts on its Pods; it may not be taken away.
_BY_JOB: Final = re.compile(r"(batch\.kubernetes\.io/)?(controller-uid|job-name)")
_DIRECTIVES: Final = ("tolerations", "schedulingGates")


def launcher_job(job: MPIJob, install: Install, attempt: int, *, suspend: bool) -> Json:
    """Give the Job of an attempt.

    It neither retries nor expires nor deletes itself: attempts, clocks and clean-up
    are the operator's, and the finished Job is the job's memory.
    """
    number = {names.ATTEMPT: str(attempt)}
    meta = metadata(job, names.launcher_job(job.name, attempt), **number)
    disrupted = [{"type": "DisruptionTarget", "status": "True"}]
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            **meta,
            "labels": {**pod_labels(job, names.LAUNCHER), **_labels(meta)},
        },
        "spec": {
            "backoffLimit": 0,
            "completions": 1,
            "parallelism": 1,
            "suspend": suspend,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [{"action": "FailJob", "onPodConditions": disrupted}]
            },
            "template": _template(job, install, attempt),
        },
    }


def scheduling_patch(job: MPIJob, install: Install, seen: JobView) -> Json:
    """Give what resuming carries from today's template into the suspended Job.

    What a queue has written since is added, what it took away goes.
    """
    built = _template(job, install, seen.attempt)
    labels = tuple(key for key in seen.labels if not _BY_JOB.fullmatch(key))
    meta = {
        "labels": _replaced(labels, dig(built, "metadata", "labels")),
        "annotations": _replaced(
            seen.annotations, dig(built, "metadata", "annotations")
        ),
    }
    selector = _replaced(seen.node_selector, dig(built, "spec", "nodeSelector"))
    spec = {key: dig(built, "spec", key) for key in _DIRECTIVES}
    template = {"metadata": meta, "spec": {**spec, "nodeSelector": selector or None}}
    return {"spec": {"template": template}}


def _replaced(old: tuple[str, ...], new: object) -> dict[str, object]:
    """Replace one map by another in a merge patch, which by itself adds up maps."""
    return {**dict.fromkeys(old), **(new if isinstance(new, Mapping) else {})}


def _pod_labels(job: MPIJob, attempt: int) -> dict[str, str]:
    labels = {**pod_labels(job, names.LAUNCHER), names.ATTEMPT: str(attempt)}
    if job.run_launcher_as_worker:
        labels[names.REPLICA_INDEX] = "0"
    return labels


def _labels(meta: Json) -> dict[str, str]:
    found = meta["labels"]
    return dict(found) if isinstance(found, dict) else {}


def _template(job: MPIJob, install: Install, attempt: int) -> Json:
    template = job.launcher.template
    built = pod.build(
        template,
        _pod_labels(job, attempt),
        {
            "restartPolicy": "Never",
            **pod.network(job, install, template, hosts.launcher_host(job)),
        },
    )
    kubectl = job.remote_shell is RemoteShell.KUBECTL_EXEC
    additions = [] if kubectl else [pod.ssh_auth(job)]
    additions += [pod.config(job), pod.scratch(job)]
    env = environment.launcher(job, run_mount(job))
    pod.extend(built, env, additions, pod.message_policy)
    account.give(job, built)
    spec = built["spec"]
    if kubectl:
        spec["serviceAccountName"] = access.service_account_name(job)
    own = tuple(_own_init(job, install, spec["containers"][0]))
    first = [init for init in own if init["name"] == "kubectl-delivery"]
    last = [init for init in own if init not in first]
    spec["initContainers"] = [*first, *items(spec, "initContainers"), *last]
    pod_group.mark(built, job, install, names.LAUNCHER)
    return built


def _own_init(job: MPIJob, install: Install, main: Json) -> Iterator[Json]:
    if job.remote_shell is RemoteShell.KUBECTL_EXEC:
        yield _delivery(job, install, main)
    disabled = job.annotations.get(names.WAIT) == WAIT_DISABLED
    if job.worker_replicas and not disabled:
        yield _wait(main)


def _delivery(job: MPIJob, install: Install, main: Json) -> Json:
    """Bring kubectl in; as who the main container runs as, without any privilege."""
    user = {
        key: found
        for key in ("runAsUser", "runAsGroup", "runAsNonRoot")
        if (found := dig(main, "securityContext", key)) is not None
    }
    amounts = {"cpu": "100m", "memory": "128Mi"}
    return {
        "name": "kubectl-delivery",
        "image": install.kubectl_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", DELIVER],
        "env": [
            {"name": "TARGET_DIR", "value": names.KUBECTL_MOUNT},
            {"name": "NAMESPACE", "value": job.namespace},
        ],
        "resources": {"limits": amounts, "requests": amounts},
        "securityContext": {
            **user,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [pod.scratch(job).mount],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _wait(main: Json) -> Json:
    """Make the remote start itself, as the main container would, until it works."""
    shared = pod.like(main)
    if "envFrom" in main:
        shared["envFrom"] = main["envFrom"]
    path = text(main, "terminationMessagePath") or environment.TERMINATION_LOG
    kept = [
        entry for entry in items(main, "env") if text(entry, "name") != "MPIOP_RECORD"
    ]
    return {
        "name": names.WAIT_CONTAINER,
        **shared,
        "command": ["/bin/sh", f"{names.CONFIG_MOUNT}/wait.sh"],
        "env": [*kept, {"name": "MPIOP_REPORT", "value": path}],
        "volumeMounts": main["volumeMounts"],
        "terminationMessagePath": path,
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
