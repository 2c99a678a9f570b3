"""From a container of a manifest to something that can be started."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from mpiop.local.kubelet import env as environment
from mpiop.local.kubelet.data import PodData
from mpiop.local.kubelet.objects import Json, MissingError, hostname, quantity
from mpiop.local.kubelet.rootfs import Mount
from mpiop.local.kubelet.runtime import Launch, Sandbox
from mpiop.local.kubelet.spawn import DEFAULT_PATH, Reaper
from mpiop.local.kubelet.users import security, wanted_uid
from mpiop.local.kubelet.volumes import Volumes

_IMAGE_FILE: Final = ".image.json"
_TERMINATION_LOG: Final = "/dev/termination-log"


class CreateError(Exception):
    """A container cannot be made as its manifest stands."""


@attrs.frozen
class Settings:
    """What is the same for all Pods of the node."""

    images: Mapping[str, Path]
    api_address: str  # host:port, as Pods see it
    reaper: Reaper
    backoff: float = 1.0  # factor on all back-off times

    def given_env(self, pod: Json) -> dict[str, str]:
        """Return variables that every container gets."""
        host, _, port = self.api_address.rpartition(":")
        path = [str(Path(sys.executable).parent), os.environ.get("PATH", DEFAULT_PATH)]
        return {
            "PATH": ":".join(path),
            "HOSTNAME": hostname(pod),
            "KUBERNETES_SERVICE_HOST": host,
            "KUBERNETES_SERVICE_PORT": port,
            "KUBERNETES_SERVICE_PORT_HTTPS": port,
            "KUBERNETES_PORT": f"tcp://{self.api_address}",
        }


@attrs.define
class Surroundings:
    """What a container finds in its Pod."""

    pod: Json  # with what the kubelet adds to it
    folder: Path
    sandbox: Sandbox
    volumes: Volumes
    data: PodData
    facts: environment.Facts
    settings: Settings
    changed: Callable[[], None]  # a state has changed, the status is to be written
    event: Callable[[str, str, str, str], None]  # type, reason, message, field


def launch(around: Surroundings, container: Json, number: int) -> Launch:
    """Prepare an instance of a container.

    Raises:
        MissingError: its environment refers to what does not exist.
        CreateError: there is nothing to run, or not as whom it asks.
    """
    pod, settings = around.pod, around.settings
    _check_user(pod, container)
    image = settings.images.get(container["image"])
    config = _image_config(image)
    given = settings.given_env(pod)
    given |= dict(item.split("=", 1) for item in config.get("Env") or ())
    env = environment.build(pod, container, around.facts, around.data, given)
    argv = _command(container, config)
    if not argv:
        raise CreateError(
            f'container "{container["name"]}" has no command, and the image '
            f'"{container["image"]}" stands for a folder, which brings none: '
            "give it a command"
        )
    limit = container.get("resources", {}).get("limits", {}).get("memory")
    return Launch(
        pod=pod,
        container=container,
        id=f"{container['name']}-{number}",
        argv=environment.expand_all(argv, env),
        env=env,
        cwd=container.get("workingDir") or config.get("WorkingDir") or "/",
        image=image,
        mounts=tuple(_mounts(around, container, number, env)),
        memory_limit=None if limit is None else int(quantity(limit)),
    )


def termination_log(around: Surroundings, container: Json, number: int) -> Path:
    """Say where on the node an instance's termination message is written."""
    return around.folder / "containers" / f"{container['name']}-{number}.message"


def log_path(folder: Path, container: str, number: int) -> Path:
    """Say where on the node an instance's output is kept."""
    return folder / "logs" / f"{container}-{number}.log"


def _mounts(
    around: Surroundings, container: Json, number: int, env: dict[str, str]
) -> list[Mount]:
    message = termination_log(around, container, number)
    message.parent.mkdir(parents=True, exist_ok=True)
    message.touch()
    message.chmod(0o666)
    target = container.get("terminationMessagePath") or _TERMINATION_LOG
    mounts = [*around.volumes.mounts(container, env), Mount(message, target)]
    context = container.get("securityContext") or {}
    taken = {mount.target.rstrip("/") for mount in mounts}
    if "/tmp" not in taken and not context.get("readOnlyRootFilesystem"):
        # On disk: what a program writes there may be large.
        folder = around.folder / "tmp" / f"{container['name']}-{number}"
        folder.mkdir(parents=True)
        folder.chmod(0o1777)
        mounts.append(Mount(folder, "/tmp"))
    return mounts


def _image_config(image: Path | None) -> dict[str, Any]:
    if image is None or not (image / _IMAGE_FILE).is_file():
        return {}
    config = json.loads((image / _IMAGE_FILE).read_text(encoding="utf-8"))
    if not isinstance(config, dict):
        raise CreateError(f"{image / _IMAGE_FILE} is not a JSON object")
    return config


def _command(container: Json, config: Json) -> list[str]:
    command, args = container.get("command"), container.get("args")
    if command:
        return [*command, *(args or ())]
    return [*(config.get("Entrypoint") or ()), *(args or config.get("Cmd") or ())]


def _check_user(pod: Json, container: Json) -> None:
    if security(pod, container, "runAsNonRoot") and not wanted_uid(pod, container):
        raise MissingError(
            "container has runAsNonRoot and image will run as root "
            f'(pod: "{pod["metadata"]["name"]}", container: {container["name"]})'
        )
