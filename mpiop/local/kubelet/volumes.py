"""A Pod's volumes as folders of the node.

Those with content of the API (ConfigMap, Secret, downward API, projected) are written
as a kubelet writes them: files are links through `..data` to a folder that is swapped
as a whole, so a reader never sees half of an update.
"""

import asyncio
import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import attrs

from mpiop.local.kubelet.api import ApiError
from mpiop.local.kubelet.data import PodData, Reference, volume_references
from mpiop.local.kubelet.env import Facts, expand, field, resource
from mpiop.local.kubelet.objects import Json, MissingError, all_containers
from mpiop.local.kubelet.rootfs import Mount

_API: Final = ("configMap", "secret", "downwardAPI", "projected")
_HOUR: Final = 3600  # a token's life, in seconds, where none is asked for
_RENEW_AT: Final = 0.8  # of a token's life
_GROUP_ACCESS: Final = 0o060
Payload = dict[str, tuple[bytes, int]]  # relative path -> content, mode


@attrs.define
class Volumes:
    """The volumes of one Pod."""

    folder: Path
    pod: Json
    data: PodData
    facts: Facts
    alone: bool  # only one user can exist in the Pods
    adapt: Callable[[bytes], bytes]  # of ConfigMaps' files
    _tokens: dict[str, str] = attrs.field(factory=dict)
    _made: set[str] = attrs.field(factory=set)

    async def prepare(self) -> None:
        """Make all volumes.

        Raises:
            MissingError: something that a volume needs does not exist (yet).
            ApiError: the API server does not answer.
            OSError: a folder cannot be made.
        """
        for volume in self._volumes():
            await self._fetch_tokens(volume)
            self._make(volume)
            self._made.add(volume["name"])

    async def renew(self) -> None:
        """Keep the service account's tokens valid, until cancelled."""
        while True:
            lifetimes = [
                wish.get("expirationSeconds", _HOUR)
                for volume in self._volumes()
                for wish in _token_wishes(volume)
            ]
            if not lifetimes:
                return
            await asyncio.sleep(_RENEW_AT * min(lifetimes))
            for volume in self._volumes():
                with contextlib.suppress(MissingError, ApiError):
                    if any(_token_wishes(volume)):
                        await self._fetch_tokens(volume)
                        self._write(volume)

    def refresh(self, changed: Reference) -> None:
        """Write the volumes anew that show an object; keep what is there without it."""
        for volume in self._volumes():
            if volume["name"] in self._made and changed in volume_references([volume]):
                with contextlib.suppress(MissingError):
                    self._write(volume)

    def mounts(self, container: Json, env: dict[str, str]) -> Iterator[Mount]:
        """Say what a container sees where; missing subPaths are made as folders."""
        for mount in container.get("volumeMounts", ()):
            source = self.path(mount["name"])
            sub = mount.get("subPath") or expand(mount.get("subPathExpr", ""), env)
            if sub:
                source = source / sub
                if not source.exists():
                    source.mkdir(parents=True)
            yield Mount(
                source.resolve(),
                mount["mountPath"],
                bool(mount.get("readOnly")) or self._is_api(mount["name"]),
            )

    def path(self, name: str) -> Path:
        """Say where a volume lies on the node."""
        volume = next(item for item in self._volumes() if item["name"] == name)
        if "hostPath" in volume:
            return Path(volume["hostPath"]["path"])
        return self.folder / name

    def _volumes(self) -> list[Json]:
        volumes: list[Json] = self.pod["spec"].get("volumes", [])
        return volumes

    def _is_api(self, name: str) -> bool:
        volume = next(item for item in self._volumes() if item["name"] == name)
        return any(kind in volume for kind in _API)

    def _make(self, volume: Json) -> None:
        if "hostPath" in volume:
            _check_host_path(volume["hostPath"])
        elif any(kind in volume for kind in _API):
            (self.folder / volume["name"]).mkdir(parents=True, exist_ok=True)
            self._write(volume)
        elif "emptyDir" in volume:
            place = self.folder / volume["name"]
            place.mkdir(parents=True, exist_ok=True)
            place.chmod(0o777)
            self._give_group(place, folder=True)
        else:
            kinds = ", ".join(kind for kind in volume if kind != "name")
            raise MissingError(
                f'volume "{volume["name"]}": {kinds} is not supported here'
            )

    def _write(self, volume: Json) -> None:
        place = self.folder / volume["name"]
        payload = self._payload(volume)
        old = place / "..data"
        former = str(old.readlink()) if old.is_symlink() else None
        number = int(former.rpartition("_")[2]) + 1 if former else 0
        content = place / f"..content_{number}"
        shutil.rmtree(content, ignore_errors=True)
        content.mkdir()
        for name, (text, mode) in payload.items():
            file = content / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text)
            # Nobody but the one user could use the other bits, and ssh refuses a key
            # of its caller's that has them.
            file.chmod(mode & 0o700 if self.alone and _is_secret(volume) else mode)
            self._give_group(file)
        fresh = place / "..data_tmp"
        fresh.symlink_to(content.name)
        fresh.rename(old)
        _link_entries(place, {name.split("/")[0] for name in payload})
        if former:
            shutil.rmtree(place / former)

    def _give_group(self, path: Path, *, folder: bool = False) -> None:
        group = self.pod["spec"].get("securityContext", {}).get("fsGroup")
        if group is None or self.alone:
            return
        with contextlib.suppress(OSError):
            os.chown(path, -1, group)
            bits = stat.S_ISGID | _GROUP_ACCESS if folder else _GROUP_ACCESS & 0o040
            path.chmod(stat.S_IMODE(path.stat().st_mode) | bits)

    async def _fetch_tokens(self, volume: Json) -> None:
        account = self.pod["spec"].get("serviceAccountName") or "default"
        for wish in _token_wishes(volume):
            seconds = wish.get("expirationSeconds", _HOUR)
            token = await self.data.token(account, wish.get("audience"), seconds)
            self._tokens[f"{volume['name']}/{wish['path']}"] = token

    def _payload(self, volume: Json) -> Payload:
        mode = _default_mode(volume)
        if "projected" not in volume:
            return self._source(volume, volume["name"], mode)
        payload: Payload = {}
        for source in volume["projected"].get("sources") or ():
            payload |= self._source(source, volume["name"], mode)
        return payload

    def _source(self, source: Json, volume: str, mode: int) -> Payload:
        if "configMap" in source:
            wish = source["configMap"]
            payload = self._items("configmap", wish["name"], wish, mode)
            return {name: (self.adapt(text), m) for name, (text, m) in payload.items()}
        if "secret" in source:
            wish = source["secret"]
            name = wish.get("secretName") or wish["name"]
            return self._items("secret", name, wish, mode)
        if "serviceAccountToken" in source:
            path = source["serviceAccountToken"]["path"]
            return {path: (self._tokens[f"{volume}/{path}"].encode(), mode)}
        if "downwardAPI" in source:
            return self._downward(source["downwardAPI"], mode)
        raise MissingError(
            f'volume "{volume}": {", ".join(source)} is not supported here'
        )

    def _items(self, kind: str, name: str, wish: Json, mode: int) -> Payload:
        values = self.data.bytes_of(kind, name)
        if values is None:
            if wish.get("optional"):
                return {}
            raise MissingError(f'{kind} "{name}" not found')
        items = wish.get("items")
        if not items:
            return {key: (value, mode) for key, value in values.items()}
        payload: Payload = {}
        for item in items:
            if item["key"] in values:
                content = values[item["key"]]
                payload[item["path"]] = (content, item.get("mode", mode))
            elif not wish.get("optional"):
                raise MissingError(f"{kind} references non-existent config key: "
                              f"{item['key']}")  # fmt: skip
        return payload

    def _downward(self, wish: Json, mode: int) -> Payload:
        payload: Payload = {}
        for item in wish.get("items") or ():
            if "fieldRef" in item:
                text = field(self.pod, item["fieldRef"]["fieldPath"], self.facts)
            else:
                reference = item["resourceFieldRef"]
                first = all_containers(self.pod)[0]
                text = resource(self.pod, first, reference, self.facts)
            payload[item["path"]] = (text.encode(), item.get("mode", mode))
        return payload


def _token_wishes(volume: Json) -> Iterator[Json]:
    for source in volume.get("projected", {}).get("sources") or ():
        if "serviceAccountToken" in source:
            yield source["serviceAccountToken"]


def _default_mode(volume: Json) -> int:
    for kind in _API:
        if kind in volume:
            mode: int | None = volume[kind].get("defaultMode")
            return 0o644 if mode is None else mode
    return 0o644


def _is_secret(volume: Json) -> bool:
    return any(kind == "secret" for kind, _ in volume_references([volume]))


def _link_entries(place: Path, names: set[str]) -> None:
    for entry in place.iterdir():
        if entry.is_symlink() and not entry.name.startswith(".."):
            if entry.name not in names:
                entry.unlink()
            names.discard(entry.name)
    for name in names:
        (place / name).symlink_to(f"..data/{name}")


def _check_host_path(wish: Json) -> None:
    path, kind = Path(wish["path"]), wish.get("type", "")
    if kind == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True)
    elif kind == "FileOrCreate":
        path.touch()
    checks = {
        "": path.exists,
        "Directory": path.is_dir,
        "File": path.is_file,
        "Socket": path.is_socket,
        "CharDevice": path.is_char_device,
        "BlockDevice": path.is_block_device,
    }
    if kind in checks and not checks[kind]():
        expected = kind or "file or directory"
        raise MissingError(f"hostPath {path} is not an existing {expected}")
