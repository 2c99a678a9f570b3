"""An account for a uid that the image may not know: ssh and sshd want to have one."""

from typing import Final

from mpiop.reconcile import names
from mpiop.reconcile.desired import hosts, pod
from mpiop.reconcile.mpijob import Json, MPIJob
from mpiop.reconcile.reading import dig, items, text

PASSWD: Final = "/etc/passwd"  # noqa: S105 (a path)


def give(job: MPIJob, built: pod.Built) -> None:
    """Add what makes and mounts the account, where ssh is ours and the user not root.

    Args:
        job: whose Pod it is.
        built: the Pod, with our volumes and mounts in its main container.
    """
    spec = built["spec"]
    main = spec["containers"][0]
    mounted = any(text(one, "mountPath") == PASSWD for one in main["volumeMounts"])
    if not hosts.own_ssh(job) or mounted or not _may_be_unknown(spec, main):
        return
    scratch = pod.scratch(job)
    init = {
        "name": "mpiop-account",
        **pod.like(main),
        "command": ["/bin/sh", f"{names.CONFIG_MOUNT}/account.sh"],
        "volumeMounts": [_scripts(main), scratch.mount],
        **pod.message_policy({}),
    }
    spec["initContainers"] = [*items(spec, "initContainers"), init]
    mount = {**scratch.mount, "mountPath": PASSWD, "subPath": "passwd"}
    spec["containers"] = [
        {**main, "volumeMounts": [*main["volumeMounts"], mount]},
        *spec["containers"][1:],
    ]


def _may_be_unknown(spec: Json, main: Json) -> bool:
    """Whether the container is to run as somebody else than root."""
    places = (dig(main, "securityContext"), dig(spec, "securityContext"))
    for place in places:
        user = dig(place, "runAsUser")
        if user is not None:
            return user != 0
    return any(dig(place, "runAsNonRoot") is True for place in places)


def _scripts(main: Json) -> Json:
    mounts = items(main, "volumeMounts")
    return next(one for one in mounts if text(one, "name") == pod.CONFIG)
