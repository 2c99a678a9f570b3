"""A worker Pod: the user's template, a stable name, and one way in."""

from typing import Any

from mpiop.reconcile import names
from mpiop.reconcile.desired import environment, meta, scripts, ssh, template
from mpiop.reconcile.mpijob import Install, Json, MPIJob, RemoteShell

CONFIG_VOLUME = "mpi-job-config"
EXECUTABLE, READABLE = 0o555, 0o444


def worker(job: MPIJob, install: Install, index: int) -> Json:
    """Give worker number `index`.

    A worker without a command waits: in our sshd, or idle where processes come by
    exec. Its readiness is the ssh port's where sshd is ours.
    """
    assert job.worker is not None  # noqa: S101 - only called for workers that exist
    replica = index + 1 if job.run_launcher_as_worker else index
    labels = {
        **meta.pod_labels(job, names.WORKER, replica),
        names.INDEX: str(index),
    }
    name = names.worker(job.name, index)
    pod = template.pod(job.worker.template, labels)
    template.join_network(pod, name, names.service(job.name))
    _search(job, install, pod.spec)
    policy = job.worker.restart_policy
    pod.spec["restartPolicy"] = "Never" if policy == "ExitCode" else policy
    pod.environment(environment.worker(job))
    pod.explain_failures()
    idle = not template.has_command(job.worker.template)
    mount_config(job, pod)
    if job.remote_shell is RemoteShell.SSH:
        ssh.mount_keys(job, pod)
        if idle:
            ssh.serve(pod)
    elif idle:
        pod.main["command"] = list(scripts.IDLE)
    body = pod.json()
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **body["metadata"],
            "name": name,
            "namespace": job.namespace,
            "ownerReferences": [meta.owner(job)],
        },
        "spec": body["spec"],
    }


def mount_config(job: MPIJob, pod: template.Pod) -> None:
    """Mount the ConfigMap at /etc/mpi, scripts executable."""
    agent = environment.AGENTS[job.remote_shell]
    keys = ["hostfile", "discover_hosts.sh", "wait.sh", agent]
    if job.remote_shell is RemoteShell.SSH and ssh.ours(job):
        keys += ["sshd.sh", "remote.sh", "sshd_config", "ssh_config"]
    items = [
        {
            "key": key,
            "path": key,
            "mode": EXECUTABLE if key.endswith(".sh") else READABLE,
        }
        for key in keys
    ]
    config = {"name": names.config_map(job.name), "items": items}
    pod.mount(
        {"name": CONFIG_VOLUME, "configMap": config},
        [{"name": CONFIG_VOLUME, "mountPath": names.CONFIG_MOUNT}],
    )


def _search(job: MPIJob, install: Install, spec: dict[str, Any]) -> None:
    """Let a worker resolve the launcher's short name: Hydra's proxies call it."""
    domain = install.cluster_domain or "cluster.local"
    search = f"{names.service(job.name)}.{job.namespace}.svc.{domain}"
    searches = spec.setdefault("dnsConfig", {}).setdefault("searches", [])
    if search not in searches:
        searches.append(search)
