"""Pods in namespaces: a network, a host name and a file system of their own."""

import shutil
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from mpiop.local.kubelet import hosts, users
from mpiop.local.kubelet import namespaces as ns
from mpiop.local.kubelet.cgroups import Cgroup, Cgroups
from mpiop.local.kubelet.network import GATEWAY, Attachment, Network
from mpiop.local.kubelet.objects import Json, hostname
from mpiop.local.kubelet.rootfs import Mount, RootPlan, enter
from mpiop.local.kubelet.runtime import Launch
from mpiop.local.kubelet.spawn import Child, Process

_HIDDEN: Final = ("/tmp", "/run")
_STICKY: Final = 0o1777


@attrs.frozen
class Machine:
    """What is the same for all Pods."""

    scratch: Path  # memory-backed: tops of overlays, shared memory
    mounts: frozenset[str]  # the machine's mount points
    alone: int | None  # the machine's user, where no other can exist
    cgroups: Cgroups


class NamespacedRuntime:
    """Isolation by namespaces. The node has entered its own before."""

    host_address = str(GATEWAY)

    def __init__(self, machine: Machine) -> None:
        self.alone = machine.alone is not None
        self._machine = machine
        self._network = Network()

    def sandbox(self, pod: Json, folder: Path) -> "NamespacedSandbox":
        """Make what a Pod's containers share.

        Raises:
            OSError: the kernel refuses.
        """
        attachment = self._network.attach(hostname(pod))
        scratch = self._machine.scratch / pod["metadata"]["uid"]
        return NamespacedSandbox(
            pod, folder, scratch, self._machine, self._network, attachment
        )

    def close(self) -> None:
        """Leave it to the kernel: all processes go with process 1, this one."""


class NamespacedSandbox:
    """One Pod's namespaces, and files that its containers share."""

    def __init__(  # noqa: PLR0913, PLR0917  made in one place
        self,
        pod: Json,
        folder: Path,
        scratch: Path,
        machine: Machine,
        network: Network,
        attachment: Attachment,
    ) -> None:
        self.machine = machine
        self.attachment = attachment
        self.scratch = scratch
        self.address = attachment.address
        self.etc = folder / "etc"
        self._network = network
        self.etc.mkdir(parents=True, exist_ok=True)
        (scratch / "shm").mkdir(parents=True)
        (scratch / "shm").chmod(_STICKY)
        hosts.rewrite(self.etc / "hostname", hostname(pod) + "\n")
        hosts.rewrite(self.etc / "resolv.conf", hosts.resolv_conf(pod))
        hosts.rewrite(self.etc / "hosts", hosts.hosts_file(pod, self.address, ()))

    def content(self, data: bytes) -> bytes:
        """Return a file as it is: everything is in its place."""
        return data

    def instance(self, launch: Launch) -> "NamespacedInstance":
        """Prepare an instance of a container."""
        return NamespacedInstance(self, launch)

    def close(self) -> None:
        """Take the Pod off the network and clear its memory."""
        self._network.detach(self.attachment)
        shutil.rmtree(self.scratch, ignore_errors=True)


class NamespacedInstance:
    """One container instance: pid and mount namespaces below the Pod's."""

    def __init__(self, sandbox: NamespacedSandbox, launch: Launch) -> None:
        self._sandbox = sandbox
        self._launch = launch
        self._first: Child | None = None
        self._scratch = sandbox.scratch / launch.id
        self._cgroup: Cgroup | None = None
        image = (launch.image,) if launch.image else ()
        passwd = users.read_passwd([*image, Path("/")])
        pod, container = launch.pod, launch.container
        alone = sandbox.machine.alone
        self._user = users.user_of(pod, container, passwd=passwd, alone=alone)
        as_root = alone is not None and not users.wanted_uid(pod, container)
        self._passwd = users.passwd_with(passwd, self._user, as_root=as_root)

    def process(self, stdio: tuple[int, int, int]) -> Process:
        """Say how to start the container."""
        limit = self._launch.memory_limit
        if limit is not None:
            self._cgroup = self._sandbox.machine.cgroups.make(
                f"{self._launch.pod['metadata']['uid']}-{self._launch.id}", limit
            )
        self._scratch.mkdir()
        return Process(
            argv=self._launch.argv,
            env=self._env(),
            cwd=self._launch.cwd,
            stdio=stdio,
            prepare=self._enter,
            user=self._user,
            moment=ns.new_pid_namespace(),
            capabilities=users.capabilities(self._launch.container),
            no_new_privileges=self._unprivileged(),
        )

    def started(self, first: Child) -> None:
        """Take note of process 1."""
        self._first = first

    def joined(
        self, argv: tuple[str, ...], stdio: tuple[int, int, int], *, terminal: bool
    ) -> Process:
        """Say how to start another process in it."""
        assert self._first is not None
        pid = self._first.pid
        return Process(
            argv=argv,
            env=self._env(),
            cwd=self._launch.cwd,
            stdio=stdio,
            terminal=terminal,
            prepare=partial(self._join, pid),
            user=self._user,
            user_namespace_of=None if self._user.everyone else pid,
            moment=ns.joined_pid_namespace(pid),
            capabilities=users.capabilities(self._launch.container),
            no_new_privileges=self._unprivileged(),
        )

    def kill(self) -> None:
        """End process 1; the kernel ends the others with it."""
        if self._first is not None:
            self._first.signal(signal.SIGKILL)

    def out_of_memory(self) -> bool:
        """Tell whether the memory limit ended a process."""
        return self._cgroup is not None and self._cgroup.out_of_memory()

    def close(self) -> None:
        """Clear up."""
        if self._cgroup is not None:
            self._cgroup.remove()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _env(self) -> dict[str, str]:
        return {"HOME": users.home(self._passwd, self._user), **self._launch.env}

    def _unprivileged(self) -> bool:
        context = self._launch.container.get("securityContext") or {}
        return context.get("allowPrivilegeEscalation") is False

    def _enter(self) -> None:
        if self._cgroup is not None:
            self._cgroup.join()
        self._sandbox.attachment.join()
        ns.unshare(ns.NEW_NS)
        enter(self._root_plan())

    def _join(self, pid: int) -> None:
        if self._cgroup is not None:
            self._cgroup.join()
        mounts = ns.open_namespace("mnt", pid)
        self._sandbox.attachment.join()
        ns.setns(mounts, ns.NEW_NS)

    def _root_plan(self) -> RootPlan:
        launch, sandbox = self._launch, self._sandbox
        context = launch.container.get("securityContext") or {}
        read_only = bool(context.get("readOnlyRootFilesystem"))
        own = [Mount(sandbox.etc / name, f"/etc/{name}") for name in _SHARED_ETC]
        accounts = {"passwd": self._passwd}
        if not self._user.everyone:  # the image's own cannot be read
            accounts["shadow"] = users.shadow(self._passwd)
        for name, text in accounts.items():
            file = self._scratch / name
            file.write_text(text, encoding="utf-8")
            own.append(Mount(file, f"/etc/{name}"))
        # By depth: what is kept in sight may lie below a mount, the Pod's /tmp first.
        wanted = sorted((*_kept(), *own, *launch.mounts), key=_depth)
        return RootPlan(
            scratch=self._scratch,
            image=launch.image,
            mounts=tuple(wanted),
            machine_mounts=sandbox.machine.mounts,
            shared_memory=sandbox.scratch / "shm",
            read_only=read_only,
        )


_SHARED_ETC: Final = ("hosts", "hostname", "resolv.conf")


def _depth(mount: Mount) -> int:
    return mount.target.rstrip("/").count("/")


def _kept() -> list[Mount]:
    """Keep the interpreter and its environment in sight, wherever they are."""
    places = dict.fromkeys((sys.prefix, sys.base_prefix))
    return [
        Mount(Path(place), place, read_only=True)
        for place in places
        if place.startswith(tuple(f"{hidden}/" for hidden in _HIDDEN))
    ]
