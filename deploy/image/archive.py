"""Image archives that `ctr images import`, `podman load` and `docker load` take."""

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_EPOCH: Final = "2026-01-01T00:00:00Z"
_LEFT_OUT: Final = (
    "./dev/*",
    "./proc/*",
    "./sys/*",
    "./tmp/*",
    "./var/cache/apt/*",
    "./var/lib/apt/lists/*",
    "./var/log/*",
    "./usr/share/doc/*",
    "./usr/share/info/*",
    "./usr/share/locale/*",
    "./usr/share/man/*",
)
_CHUNK: Final = 1 << 20


@attrs.frozen
class Config:
    """How containers of an image start.

    Attributes:
        name: with its tag, such as `mpiop/mpiop:1.0`.
        user: a numeric uid, with `:gid` where it matters; "" for root.
    """

    name: str
    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    env: Mapping[str, str] = attrs.field(factory=dict)
    user: str = ""
    labels: Mapping[str, str] = attrs.field(factory=dict)

    def document(self, layers: Sequence[str]) -> bytes:
        """Render it, for a file system of these layers, by their digests."""
        env = {"PATH": PATH, **self.env}
        config: dict[str, Any] = {
            "Env": [f"{key}={value}" for key, value in env.items()],
            "Entrypoint": list(self.entrypoint) or None,
            "Cmd": list(self.command) or None,
            "User": self.user,
            "Labels": dict(self.labels),
            "WorkingDir": "/",
        }
        told = {
            "architecture": "amd64",
            "os": "linux",
            "created": _EPOCH,
            "config": config,
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{one}" for one in layers],
            },
            "history": [{"created": _EPOCH} for _ in layers],
        }
        return json.dumps(told, sort_keys=True).encode()


def pack(root: Path, layer: Path) -> None:
    """Write a file system as a layer: the same bytes for the same files.

    Raises:
        CalledProcessError: tar failed; it has said why.
    """
    command = ["tar", "--numeric-owner", "--one-file-system", "--sort=name"]
    command += [f"--mtime={_EPOCH}", *(f"--exclude={one}" for one in _LEFT_OUT)]
    subprocess.run([*command, "-C", str(root), "-cf", str(layer), "."], check=True)


def write(layers: Sequence[Path], configs: Sequence[Config], target: Path) -> None:
    """Write an archive of images that share their layers, the lowest first."""
    digests = [_digest(layer) for layer in layers]
    places = [f"{digest}/layer.tar" for digest in digests]
    entries = []
    with tarfile.open(target, "w") as archive:
        for layer, place in zip(layers, places, strict=True):
            archive.add(layer, place)
        for config in configs:
            document = config.document(digests)
            name = f"{hashlib.sha256(document).hexdigest()}.json"
            _add(archive, name, document)
            entries.append(
                {"Config": name, "RepoTags": [config.name], "Layers": places}
            )
        _add(archive, "manifest.json", json.dumps(entries).encode())


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _digest(path: Path) -> str:
    found = hashlib.sha256()
    with path.open("rb") as source:
        while chunk := source.read(_CHUNK):
            found.update(chunk)
    return found.hexdigest()
