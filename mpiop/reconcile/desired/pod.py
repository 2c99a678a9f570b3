"""What mpiop adds to a user's Pod template; all else of it passes through as it is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import attrs

from mpiop.reconcile import names
from mpiop.reconcile.defaults import SSH_AUTH_MOUNT_PATH
from mpiop.reconcile.desired import config_map, hosts
from mpiop.reconcile.desired.environment import user_sets
from mpiop.reconcile.mpijob import Install, Json, MPIJob, RemoteShell
from mpiop.reconcile.reading import dig, items, text

Built = dict[str, Any]
SSH_AUTH: Final = "ssh-auth"
CONFIG: Final = "mpi-job-config"
KUBECTL: Final = "mpi-job-kubectl"
RUN: Final = "mpi-job-run"
SSHD: Final = "mpi-job-sshd"
READ, EXECUTE, PRIVATE = 0o444, 0o555, 0o600
_SHARED: Final = ("image", "imagePullPolicy", "securityContext")
_AMOUNTS: Final = ("limits", "requests", "claims")


@attrs.frozen
class Addition:
    """A volume and where the main container sees it."""

    volume: Json
    path: str

    @property
    def mount(self) -> Json:
        """The mount of the volume."""
        return {"name": self.volume["name"], "mountPath": self.path}


def build(
    template: Json, labels: Mapping[str, str], spec: Mapping[str, object]
) -> Built:
    """Copy a template, with labels added and fields of spec set."""
    meta = _copy(template.get("metadata"))
    kept = {key: meta[key] for key in ("annotations", "labels") if key in meta}
    kept["labels"] = {**_copy(meta.get("labels")), **labels}
    return {"metadata": kept, "spec": {**_copy(template.get("spec")), **spec}}


def _copy(value: object) -> Built:
    return dict(cast("Built", value)) if isinstance(value, Mapping) else {}


def network(job: MPIJob, install: Install, template: Json, host: str) -> Built:
    """Give a Pod its names: as host, in DNS, and those of the others in short."""
    spec = template.get("spec")
    config = _copy(dig(spec, "dnsConfig"))
    searches = [*(config.get("searches") or ()), hosts.search_domain(job, install)]
    found: Built = {
        "hostname": host,
        "subdomain": names.service(job.name),
        "dnsConfig": {**config, "searches": list(dict.fromkeys(searches))},
    }
    if dig(spec, "hostNetwork") is True:
        found["dnsPolicy"] = "ClusterFirstWithHostNet"
    return found


def extend(
    pod: Built,
    env: Sequence[Json],
    additions: Sequence[Addition],
    change: Callable[[Built], Mapping[str, object]] = lambda _: {},
) -> None:
    """Add environment, volumes and mounts to the main container of a built Pod."""
    spec = pod["spec"]
    main = dict(spec["containers"][0])
    taken = user_sets(main)
    main["env"] = [*items(main, "env"), *(e for e in env if e["name"] not in taken)]
    main["volumeMounts"] = [
        *items(main, "volumeMounts"),
        *(addition.mount for addition in additions),
    ]
    main |= change(main)
    spec["containers"] = [main, *spec["containers"][1:]]
    own = {text(addition.volume, "name"): addition.volume for addition in additions}
    spec["volumes"] = [*items(spec, "volumes"), *own.values()]


def like(main: Json) -> Built:
    """Give an init container of ours what it shares with the main container."""
    shared = {key: main[key] for key in _SHARED if key in main}
    # A key that the API server does not know is the user's slip, told once: not here.
    resources = {
        key: found
        for key in _AMOUNTS
        if (found := dig(main, "resources", key)) is not None
    }
    return {**shared, "resources": resources} if resources else shared


def message_policy(container: Json) -> Json:
    """Let a container's last lines be its message, unless the user decides."""
    key = "terminationMessagePolicy"
    return {} if container.get(key) else {key: "FallbackToLogsOnError"}


def config(job: MPIJob, *, sshd: bool = False) -> Addition:
    """Mount hostfile and scripts, and, where ssh is ours, keys for any uid."""
    source = {
        "name": names.config_map(job.name),
        "items": _config_items(job, sshd=sshd),
    }
    if not hosts.own_ssh(job):
        return Addition({"name": CONFIG, "configMap": source}, names.CONFIG_MOUNT)
    keys = {"ssh-privatekey": "id", "known_hosts": "known_hosts"}
    if sshd:
        keys |= {"ssh-publickey": "authorized_keys", "host-privatekey": "host_key"}
    secret = {
        "name": names.ssh_secret(job.name, job.uid),
        "items": [
            {"key": key, "path": path, "mode": READ} for key, path in keys.items()
        ],
    }
    sources = [{"configMap": source}, {"secret": secret}]
    volume = {"name": CONFIG, "projected": {"sources": sources}}
    return Addition(volume, names.CONFIG_MOUNT)


def _config_items(job: MPIJob, *, sshd: bool) -> list[Json]:
    """List the files of the ConfigMap; kubexec.sh is v1's name of the agent."""
    found = [("agent.sh", "agent.sh", EXECUTE)]
    if not sshd:
        found += [
            ("hostfile", "hostfile", READ),
            ("discover_hosts.sh", "discover_hosts.sh", EXECUTE),
            ("wait.sh", "wait.sh", EXECUTE),
        ]
    if job.remote_shell is RemoteShell.KUBECTL_EXEC:
        found.append(("agent.sh", "kubexec.sh", EXECUTE))
    if hosts.own_ssh(job):
        found.append(("account.sh", "account.sh", EXECUTE))
        found.append(("ssh_config", "ssh_config", READ))
    if sshd and hosts.own_ssh(job):
        found += [
            ("sshd.sh", "sshd.sh", EXECUTE),
            ("session.sh", "session.sh", EXECUTE),
            ("sshd_config", "sshd_config", READ),
        ]
    return [{"key": key, "path": path, "mode": mode} for key, path, mode in found]


def ssh_auth(job: MPIJob) -> Addition:
    """Mount upstream's ssh files; where ssh is ours, its configuration beside them."""
    path = job.ssh_auth_mount_path
    mode = {"defaultMode": PRIVATE} if path == SSH_AUTH_MOUNT_PATH else {}
    name = names.ssh_secret(job.name, job.uid)
    files = [
        {"key": "ssh-privatekey", "path": "id_rsa"},
        {"key": "ssh-publickey", "path": "id_rsa.pub"},
        {"key": "ssh-publickey", "path": "authorized_keys"},
    ]
    if not hosts.own_ssh(job):
        secret = {"secretName": name, **mode, "items": files}
        return Addition({"name": SSH_AUTH, "secret": secret}, path)
    files.append({"key": "known_hosts", "path": "known_hosts"})
    client = {
        "name": names.config_map(job.name),
        "items": [{"key": "ssh_config", "path": "config"}],
    }
    sources = [{"secret": {"name": name, "items": files}}, {"configMap": client}]
    return Addition({"name": SSH_AUTH, "projected": {**mode, "sources": sources}}, path)


def scratch(job: MPIJob) -> Addition:
    """Give our scripts a folder; kubectl itself lies in it where it is used."""
    kubectl = job.remote_shell is RemoteShell.KUBECTL_EXEC
    volume: Json = {"name": KUBECTL if kubectl else RUN, "emptyDir": {}}
    return Addition(volume, config_map.run_mount(job))
