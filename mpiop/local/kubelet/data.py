"""ConfigMaps and Secrets that a Pod refers to, as bytes."""

import asyncio
import base64
from collections.abc import Iterator, Mapping

import attrs

from mpiop.local.kubelet.api import Api, ApiError
from mpiop.local.kubelet.objects import Json, MissingError, all_containers

_NOT_FOUND = 404
PLURALS = {"configmap": "configmaps", "secret": "secrets"}
Reference = tuple[str, str]  # kind ("configmap" or "secret") and name


def contents(obj: Json) -> dict[str, bytes]:
    """Return all keys of a ConfigMap or Secret."""
    encoded = dict(obj.get("binaryData") or {})
    plain: dict[str, bytes] = {}
    if obj.get("kind") == "Secret" or "type" in obj:
        encoded.update(obj.get("data") or {})
    else:
        plain = {name: text.encode() for name, text in (obj.get("data") or {}).items()}
    return plain | {name: base64.b64decode(text) for name, text in encoded.items()}


def references(pod: Json) -> frozenset[Reference]:
    """List what a Pod's volumes and environments refer to, optional ones included."""
    found = set(volume_references(pod["spec"].get("volumes", ())))
    for container in all_containers(pod):
        for source in container.get("envFrom", ()):
            found |= set(_named(source, "configMapRef", "secretRef"))
        for item in container.get("env", ()):
            source = item.get("valueFrom", {})
            found |= set(_named(source, "configMapKeyRef", "secretKeyRef"))
    return frozenset(found)


def volume_references(volumes: Iterator[Json] | list[Json]) -> Iterator[Reference]:
    """List what volumes refer to."""
    for volume in volumes:
        for source in (volume, *volume.get("projected", {}).get("sources", ())):
            if "configMap" in source:
                yield "configmap", source["configMap"]["name"]
            if "secret" in source:
                secret = source["secret"]
                yield "secret", secret.get("secretName") or secret["name"]


def _named(source: Json, config_map: str, secret: str) -> Iterator[Reference]:
    if config_map in source:
        yield "configmap", source[config_map]["name"]
    if secret in source:
        yield "secret", source[secret]["name"]


@attrs.define
class PodData:
    """What has been read for one Pod."""

    api: Api
    namespace: str
    _known: dict[Reference, Mapping[str, bytes] | None] = attrs.field(factory=dict)

    async def load(self, wanted: frozenset[Reference]) -> None:
        """Read all of these anew; absent ones are remembered as absent.

        Raises:
            ApiError: the API server gave another answer than the object or 404.
        """
        found = await asyncio.gather(*(self._read(*item) for item in wanted))
        self._known.update(zip(wanted, found, strict=True))

    def put(self, reference: Reference, obj: Json | None) -> None:
        """Take over a newer state."""
        self._known[reference] = None if obj is None else contents(obj)

    def bytes_of(self, kind: str, name: str) -> Mapping[str, bytes] | None:
        """Return all values of an object, None where it does not exist."""
        return self._known.get((kind, name))

    def values(self, kind: str, name: str) -> Mapping[str, str] | None:
        """Return all values of an object as text, None where it does not exist."""
        found = self._known.get((kind, name))
        if found is None:
            return None
        return {key: value.decode(errors="replace") for key, value in found.items()}

    def value(self, kind: str, name: str, key: str) -> str | None:
        """Return one value as text, None where it does not exist."""
        return (self.values(kind, name) or {}).get(key)

    async def token(self, account: str, audience: str | None, seconds: int) -> str:
        """Ask for a token of a service account.

        Raises:
            MissingError: there is no such account.
            ApiError: refused or unreachable.
        """
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{account}/token"
        spec = {
            "audiences": [audience] if audience else [],
            "expirationSeconds": seconds,
        }
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": spec,
        }
        try:
            answer = await self.api.create(path, body)
        except ApiError as error:
            if error.status == _NOT_FOUND:
                raise MissingError(f'serviceaccount "{account}" not found') from error
            raise
        token: str = answer["status"]["token"]
        return token

    async def _read(self, kind: str, name: str) -> Mapping[str, bytes] | None:
        path = f"/api/v1/namespaces/{self.namespace}/{PLURALS[kind]}/{name}"
        try:
            return contents(await self.api.get(path))
        except ApiError as error:
            if error.status == _NOT_FOUND:
                return None
            raise
