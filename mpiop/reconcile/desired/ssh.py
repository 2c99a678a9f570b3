"""Both ends of ssh: ours where the workers have no command of their own, else neither.

Ours: sshd in the foreground with a configuration, host key and port of this job, as
root or any other uid. Not ours: upstream's contract to the letter, keys at
sshAuthMountPath and whatever the image configures.
"""

from typing import Any, Final

from mpiop.reconcile import names
from mpiop.reconcile.desired import scripts
from mpiop.reconcile.desired.template import Pod, has_command
from mpiop.reconcile.mpijob import MPIJob

PORT: Final = 2222
RUN: Final = "/run/mpiop"
VOLUME: Final = "ssh-auth"
ROOT_HOME: Final = "/root/.ssh"
OWNER_ONLY: Final = 0o600
AGENT: Final = "ssh.sh"

_KEYS: Final = (
    ("ssh-privatekey", "id_rsa"),
    ("ssh-publickey", "id_rsa.pub"),
    ("ssh-publickey", "authorized_keys"),
)


def ours(job: MPIJob) -> bool:
    """Whether the operator owns both ends."""
    return job.worker is None or not has_command(job.worker.template)


def files(job: MPIJob) -> dict[str, str]:
    """Give the ConfigMap's files of a job over ssh."""
    values = {"run": RUN, "keys": job.ssh_auth_mount_path, "port": str(PORT)}
    if not ours(job):
        options = "-o ConnectionAttempts=10"
        return {AGENT: scripts.fill(scripts.SSH, options=options)}
    return {
        AGENT: scripts.fill(scripts.SSH, options=f"-F {names.CONFIG_MOUNT}/ssh_config"),
        "sshd.sh": scripts.fill(scripts.SSHD, **values),
        "remote.sh": scripts.fill(scripts.REMOTE, **values),
        "sshd_config": scripts.fill(scripts.SSHD_CONFIG, **values),
        "ssh_config": scripts.fill(scripts.SSH_CONFIG, **values),
    }


def mount_keys(job: MPIJob, pod: Pod) -> None:
    """Mount keys, and our client configuration beside them so that `ssh` finds it."""
    items = [{"key": key, "path": path} for key, path in _KEYS]
    secret: dict[str, Any] = {"items": items}
    name = names.ssh_secret(job.name, job.uid)
    mode = {"defaultMode": OWNER_ONLY} if job.ssh_auth_mount_path == ROOT_HOME else {}
    volume: dict[str, Any] = {"secret": {"secretName": name, **secret, **mode}}
    if ours(job):
        items += [
            {"key": "host-privatekey", "path": "ssh_host_key"},
            {"key": "known_hosts", "path": "known_hosts"},
        ]
        config = {
            "name": names.config_map(job.name),
            "items": [{"key": "ssh_config", "path": "config"}],
        }
        sources = [{"secret": {"name": name, **secret}}, {"configMap": config}]
        volume = {"projected": {"sources": sources, **mode}}
    mount = {"name": VOLUME, "mountPath": job.ssh_auth_mount_path}
    pod.mount({"name": VOLUME, **volume}, [mount])


def serve(pod: Pod) -> None:
    """Run our sshd as the worker's main container, ready when it listens."""
    pod.main["command"] = ["/bin/sh", f"{names.CONFIG_MOUNT}/sshd.sh"]
    probe = {"tcpSocket": {"port": PORT}, "periodSeconds": 1, "failureThreshold": 3}
    pod.main.setdefault("readinessProbe", probe)
    pod.mount(
        {"name": "mpiop-run", "emptyDir": {}},
        [
            {"name": "mpiop-run", "mountPath": RUN, "subPath": "mpiop"},
            {"name": "mpiop-run", "mountPath": "/run/sshd", "subPath": "sshd"},
        ],
    )
