"""Whom a container runs as, and what its /etc/passwd says of that."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mpiop.local.kubelet.objects import Json
from mpiop.local.kubelet.paths import below
from mpiop.local.kubelet.spawn import User

# What container runtimes leave to root by default.
_DEFAULT_CAPABILITIES: Final = frozenset(
    {"CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
     "NET_BIND_SERVICE", "NET_RAW", "SYS_CHROOT", "MKNOD", "AUDIT_WRITE", "SETFCAP"}
)  # fmt: skip
_CAPABILITIES: Final = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID",
    "SETUID", "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST",
    "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO",
    "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE",
    "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM",
    "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE",
)  # fmt: skip


def security(pod: Json, container: Json, field: str) -> object:
    """Return a field of the container's security context, else of the Pod's."""
    for owner in (container, pod["spec"]):
        context = owner.get("securityContext") or {}
        if context.get(field) is not None:
            value: object = context[field]
            return value
    return None


def wanted_uid(pod: Json, container: Json) -> int | None:
    """Return runAsUser."""
    uid = security(pod, container, "runAsUser")
    return uid if isinstance(uid, int) else None


def user_of(pod: Json, container: Json, *, passwd: str, alone: int | None) -> User:
    """Say whom a container runs as.

    Args:
        pod: the manifest.
        container: which container of it.
        passwd: the image's /etc/passwd.
        alone: the machine's user, where no other can exist in the Pods; root there is
            a name for that user, who has its uid, since programs that find
            themselves to be uid 0 (sshd) want to become others and cannot.
    """
    uid = wanted_uid(pod, container) or 0
    group = security(pod, container, "runAsGroup")
    gid = group if isinstance(group, int) else _primary_group(passwd, uid)
    if alone is not None:
        return User(uid or alone, gid or alone, everyone=False)
    context = pod["spec"].get("securityContext") or {}
    groups = list(context.get("supplementalGroups") or ())
    if context.get("fsGroup") is not None:
        groups.append(context["fsGroup"])
    return User(uid, gid, tuple(dict.fromkeys([gid, *groups])))


def read_passwd(layers: Sequence[Path]) -> str:
    """Return the topmost /etc/passwd, empty where there is none."""
    for layer in layers:
        path = below(layer, "/etc/passwd")
        if path.is_file():
            return path.read_text(encoding="utf-8", errors="replace")
    return ""


def passwd_with(passwd: str, user: User, *, as_root: bool) -> str:
    """Return a passwd file that knows this user, with `as_root` by the name of root."""
    lines = passwd.splitlines()
    if as_root:
        lines = [_renumber(line, user) for line in lines]
    if not any(_uid(line) == user.uid for line in lines):
        lines.append(f"user{user.uid}:x:{user.uid}:{user.gid}::/:/bin/sh")
    return "\n".join(lines) + "\n"


def shadow(passwd: str) -> str:
    """Return a shadow file: no password opens an account, and none is locked.

    Without one some libraries make up a locked root, which sshd turns away.
    """
    names = (line.split(":")[0] for line in passwd.splitlines() if line)
    return "".join(f"{name}:*:::::::\n" for name in names)


def home(passwd: str, user: User) -> str:
    """Return the user's home folder."""
    for line in passwd.splitlines():
        if _uid(line) == user.uid:
            return line.split(":")[5] or "/"
    return "/"


def capabilities(container: Json) -> frozenset[int] | None:
    """Return the numbers of the capabilities that root keeps, None for all."""
    context = container.get("securityContext") or {}
    if context.get("privileged"):
        return None
    changes = context.get("capabilities") or {}
    dropped = {name.removeprefix("CAP_") for name in changes.get("drop") or ()}
    added = {name.removeprefix("CAP_") for name in changes.get("add") or ()}
    kept = set() if "ALL" in dropped else set(_DEFAULT_CAPABILITIES) - dropped
    kept |= set(_CAPABILITIES) if "ALL" in added else added
    return frozenset(_CAPABILITIES.index(name) for name in kept & set(_CAPABILITIES))


def _uid(line: str) -> int | None:
    parts = line.split(":")
    return int(parts[2]) if len(parts) > 6 and parts[2].isdigit() else None  # noqa: PLR2004


def _renumber(line: str, user: User) -> str:
    if not line.startswith("root:"):
        return line
    parts = line.split(":")
    return ":".join([*parts[:2], str(user.uid), str(user.gid), *parts[4:]])


def _primary_group(passwd: str, uid: int) -> int:
    for line in passwd.splitlines():
        if _uid(line) == uid:
            return int(line.split(":")[3])
    return 0
