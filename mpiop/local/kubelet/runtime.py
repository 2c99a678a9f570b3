"""What the kubelet wants of a way to isolate Pods; there are two.

`namespaced` gives each Pod a network, host name and file system of its own; `plain`
makes do with processes and folders, where namespaces are forbidden.
"""

from pathlib import Path
from typing import Protocol

import attrs

from mpiop.local.kubelet.objects import Json
from mpiop.local.kubelet.rootfs import Mount
from mpiop.local.kubelet.spawn import Child, Process


@attrs.frozen
class Launch:
    """One instance of a container, ready to be started."""

    pod: Json
    container: Json
    id: str  # unique in the node
    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: str
    image: Path | None
    mounts: tuple[Mount, ...]
    memory_limit: int | None = None  # bytes


class Instance(Protocol):
    """A container instance that has been or will be started."""

    def process(self, stdio: tuple[int, int, int]) -> Process:
        """Say how to start it."""

    def started(self, first: Child) -> None:
        """Take note of its first process."""

    def joined(
        self, argv: tuple[str, ...], stdio: tuple[int, int, int], *, terminal: bool
    ) -> Process:
        """Say how to start another process in it."""

    def kill(self) -> None:
        """End all its processes at once."""

    def out_of_memory(self) -> bool:
        """Tell whether the kernel ended a process of it for its memory limit."""

    def close(self) -> None:
        """Clear up after it; idempotent."""


class Sandbox(Protocol):
    """What the containers of a Pod share."""

    address: str

    def content(self, data: bytes) -> bytes:
        """Adapt a ConfigMap's file to where its Pod finds things."""

    def instance(self, launch: Launch) -> Instance:
        """Prepare an instance of a container."""

    def close(self) -> None:
        """Clear up; no container of the Pod runs any more."""


class Runtime(Protocol):
    """A way to isolate Pods."""

    host_address: str
    alone: bool  # only one user can exist in the Pods

    def sandbox(self, pod: Json, folder: Path) -> Sandbox:
        """Make what a Pod's containers share.

        Raises:
            OSError: the machine refuses.
        """

    def close(self) -> None:
        """End all that is left of all Pods."""
