"""Replace a container's paths by where things really lie, for want of mounts."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from mpiop.local.kubelet.objects import Json, all_containers


@attrs.frozen
class Rewriting:
    """Paths as containers know them, and where they lie on the machine."""

    places: Mapping[str, str]

    def text(self, text: str) -> str:
        """Replace each whole path, and the start of each longer one."""
        if not self.places:
            return text
        known = sorted(self.places, key=len, reverse=True)
        path = "|".join(re.escape(item) for item in known)
        pattern = rf"(?<![\w.\-/])({path})(?![\w.\-])"
        return re.sub(pattern, lambda match: self.places[match.group(1)], text)

    def data(self, data: bytes) -> bytes:
        """Replace in a file's content, if it is text."""
        try:
            return self.text(data.decode()).encode()
        except UnicodeDecodeError:
            return data

    def also(self, path: str, place: Path) -> "Rewriting":
        """Know one more path."""
        return Rewriting({**self.places, path: str(place)})


def of_pod(pod: Json, volumes: Path, images: Mapping[str, Path]) -> Rewriting:
    """Know what a Pod's containers mount, and what their images bring."""
    places: dict[str, str] = {}
    sources = {item["name"]: item for item in pod["spec"].get("volumes") or ()}
    for container in all_containers(pod):
        image = images.get(container["image"])
        if image is not None:
            places |= dict(_image_places(image, "/"))
    for container in all_containers(pod):
        for mount in container.get("volumeMounts") or ():
            host = sources[mount["name"]].get("hostPath")
            place = Path(host["path"]) if host else volumes / mount["name"]
            if mount.get("subPath"):
                place /= mount["subPath"]
            places[mount["mountPath"].rstrip("/")] = str(place)
    return Rewriting({path: at for path, at in places.items() if path and path != at})


def _image_places(image: Path, path: str) -> Iterator[tuple[str, str]]:
    """Map the topmost entries that the machine does not have, and all files."""
    for entry in sorted(os.scandir(image), key=lambda item: item.name):
        here = f"{path.rstrip('/')}/{entry.name}"
        if entry.is_dir() and Path(here).is_dir():
            yield from _image_places(Path(entry.path), here)
        else:
            yield here, entry.path
