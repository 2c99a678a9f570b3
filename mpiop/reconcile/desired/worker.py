"""A worker Pod: the user's template, made reachable for the launcher."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from mpiop.reconcile import names
from mpiop.reconcile.desired import account, environment, hosts, pod, pod_group
from mpiop.reconcile.desired.config_map import run_mount
from mpiop.reconcile.desired.meta import owner, pod_labels
from mpiop.reconcile.desired.scripts.ssh import PORT
from mpiop.reconcile.mpijob import Install, Json, MPIJob, RemoteShell, ReplicaSpec

# Ends at once when asked to, which `sleep` as process 1 does not.
IDLE: Final = 'trap "exit 0" TERM INT; while :; do sleep 86400 & wait $!; done'


def workers(job: MPIJob, install: Install, indices: Iterable[int]) -> Iterator[Json]:
    """Give worker Pods; they differ by their names alone, all else is made once.

    Raises:
        ValueError: the job has no Worker section (a bug of the caller).
    """
    common = _common(job, install)
    meta, spec = common["metadata"], common["spec"]
    for index in indices:
        name = names.worker(job.name, index)
        labels = {**meta["labels"], **_numbers(job, index)}
        yield {
            **common,
            "metadata": {**meta, "name": name, "labels": labels},
            "spec": {**spec, "hostname": name},
        }


def _numbers(job: MPIJob, index: int) -> Mapping[str, str]:
    """Label a worker by its index, as both upstream generations do."""
    shifted = str(index + int(job.run_launcher_as_worker))
    return {
        names.REPLICA_INDEX: shifted,
        names.V1_REPLICA_INDEX: shifted,
        names.INDEX: str(index),
    }


def _common(job: MPIJob, install: Install) -> pod.Built:
    """Give the first worker Pod, which the others are like."""
    if job.worker is None:
        raise ValueError("a job without a Worker section has no workers")
    name = names.worker(job.name, 0)
    built = pod.build(
        job.worker.template,
        {**pod_labels(job, names.WORKER), **_numbers(job, 0)},
        {
            "restartPolicy": _restart_policy(job.worker),
            **pod.network(job, install, job.worker.template, name),
        },
    )
    own = hosts.own_ssh(job)
    run = run_mount(job) if own else ""
    pod.extend(
        built,
        environment.worker(run),
        _additions(job, own=own),
        lambda main: _change(job, main),
    )
    account.give(job, built)
    pod_group.mark(built, job, install, names.WORKER)
    meta = {"name": name, "namespace": job.namespace, **built["metadata"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**meta, "ownerReferences": [owner(job)]},
        "spec": built["spec"],
    }


def _restart_policy(worker: ReplicaSpec) -> str:
    return "Never" if worker.restart_policy == "ExitCode" else worker.restart_policy


def _additions(job: MPIJob, *, own: bool) -> list[pod.Addition]:
    """Mount keys and agent: above 64 hosts workers start workers, over ssh."""
    config = pod.config(job, sshd=True)
    if job.remote_shell is RemoteShell.KUBECTL_EXEC:
        return [config]
    if not own:
        return [pod.ssh_auth(job), config]
    privsep = pod.Addition({"name": pod.SSHD, "emptyDir": {}}, "/run/sshd")
    return [pod.ssh_auth(job), config, pod.scratch(job), privsep]


def _change(job: MPIJob, main: Json) -> Mapping[str, object]:
    """Give a container without a command ours, and a probe of it."""
    found: dict[str, object] = {**pod.message_policy(main)}
    if hosts.has_command(job):
        return found
    if job.remote_shell is RemoteShell.KUBECTL_EXEC:
        return {**found, "command": ["/bin/sh", "-c", IDLE], "args": []}
    found["command"] = ["/bin/sh", f"{names.CONFIG_MOUNT}/sshd.sh"]
    if not main.get("readinessProbe"):
        probe = {"tcpSocket": {"port": PORT}, "periodSeconds": 2}
        found["readinessProbe"] = probe
    return found
