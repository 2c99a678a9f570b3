"""What every verb is given: the cluster's state, and the call it answers."""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal

import attrs
import orjson

from .errors import bad_request, unsupported_media
from .protobuf import MEDIA_TYPE, decode_protobuf
from .registry import Registry, Resource
from .store import ObjectKey, Record, Store
from .wire import Request

Verb = Literal[
    "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"
]
Object = dict[str, Any]
_SUFFIX_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX_LENGTH: Final = 5


def timestamp(moment: datetime) -> str:
    """Write a time as metav1.Time does: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@attrs.frozen
class Backend:
    """The state behind the API and its two sources of novelty: clock and uids."""

    clock: Callable[[], datetime]
    uid: Callable[[], str]
    store: Store
    registry: Registry = attrs.field(factory=Registry)

    def now(self) -> str:
        """Give the time as objects carry it."""
        return timestamp(self.clock())

    def suffix(self) -> str:
        """Make the five letters that generateName ends in."""
        digest = hashlib.sha256(self.uid().encode()).digest()
        letters = (_SUFFIX_ALPHABET[one % len(_SUFFIX_ALPHABET)] for one in digest)
        return "".join(letters)[:_SUFFIX_LENGTH]

    def find(self, plural: str, name: str, namespace: str = "") -> Object | None:
        """Look up a core/v1 object as it is stored; not the caller's to change."""
        record = self.store.get(("", plural), (namespace, name))
        return record.obj if record else None


@attrs.frozen
class Call:
    """One request, understood: what is to be done to which resource."""

    request: Request
    verb: Verb
    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> ObjectKey:
        """Where the object is kept."""
        return (self.namespace, self.name)

    @property
    def dry_run(self) -> bool:
        """Whether nothing is to be kept."""
        return self.request.param("dryRun") == "All"

    def body(self) -> Object:
        """Decode the request's body.

        Raises:
            StatusError: 400, no object; 415, neither JSON nor known protobuf.
        """
        decoded = _decode(self.request)
        if not isinstance(decoded, dict):
            raise bad_request("the request body must be a JSON object")
        return decoded

    def record(self, backend: Backend) -> Record | None:
        """Find the object that the call names."""
        return backend.store.get(self.resource.storage, self.key)


def _decode(request: Request) -> object:
    media = request.headers.get("content-type", "application/json").partition(";")[0]
    if media in {"application/json", ""}:
        return decode_json(request.body)
    if media != MEDIA_TYPE:
        raise unsupported_media(f"application/json, {MEDIA_TYPE}")
    try:
        return decode_protobuf(request.body)
    except KeyError as error:
        raise unsupported_media("application/json (for this kind)") from error
    except ValueError as error:
        raise bad_request(f"the object provided is unrecognized: {error}") from error


def decode_json(body: bytes) -> object:
    """Decode JSON.

    Raises:
        StatusError: 400, it is none.
    """
    try:
        decoded: object = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise bad_request(f"the object provided is unrecognized: {error}") from error
    return decoded


def part(body: Mapping[str, Any], field: str) -> Object:
    """Give an object within a body, empty if there is none.

    Raises:
        StatusError: 400, it is something else.
    """
    found = body.get(field) or {}
    if not isinstance(found, dict):
        raise bad_request(f"{field}: not an object")
    return found


def metadata(obj: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give an object's metadata, empty if it has none."""
    found = obj.get("metadata")
    return found if isinstance(found, Mapping) else {}
