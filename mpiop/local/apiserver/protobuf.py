"""Bodies in Kubernetes' protobuf encoding, for the few kinds that kubectl sends so.

kubectl writes objects from files as JSON. Those it makes itself (`create configmap`,
`create token`, `auth can-i`, ...) go out as protobuf, without a way to turn it off.
"""

import base64
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import attrs

from .schema import Gvk

MEDIA_TYPE: Final = "application/vnd.kubernetes.protobuf"
_MAGIC: Final = b"k8s\x00"


@attrs.frozen
class _Field:
    """A field by its JSON name; `form` is string, bytes, bool, int, time or message."""

    name: str
    form: str = "string"
    message: "_Message" = attrs.field(factory=dict)
    repeated: bool = False
    keep_zero: bool = False


_Message = Mapping[int, _Field]


def _strings(name: str) -> _Field:
    return _Field(name, repeated=True)


def _map(name: str, form: str = "string") -> _Field:
    return _Field(name, "map", {2: _Field("value", form, keep_zero=True)})


def _one(name: str, message: _Message) -> _Field:
    return _Field(name, "message", message)


def _many(name: str, message: _Message) -> _Field:
    return _Field(name, "message", message, repeated=True)


_OWNER: Final[_Message] = {
    1: _Field("kind"),
    3: _Field("name"),
    4: _Field("uid"),
    5: _Field("apiVersion"),
    6: _Field("controller", "bool"),
    7: _Field("blockOwnerDeletion", "bool"),
}
_META: Final = _one(
    "metadata",
    {
        1: _Field("name"),
        2: _Field("generateName"),
        3: _Field("namespace"),
        5: _Field("uid"),
        6: _Field("resourceVersion"),
        8: _Field("creationTimestamp", "time"),
        11: _map("labels"),
        12: _map("annotations"),
        13: _many("ownerReferences", _OWNER),
        14: _strings("finalizers"),
    },
)
_RULE: Final[_Message] = {
    1: _strings("verbs"),
    2: _strings("apiGroups"),
    3: _strings("resources"),
    4: _strings("resourceNames"),
    5: _strings("nonResourceURLs"),
}
_ROLE: Final[_Message] = {1: _META, 2: _many("rules", _RULE)}
_SUBJECT: Final[_Message] = {
    1: _Field("kind"),
    2: _Field("apiGroup"),
    3: _Field("name"),
    4: _Field("namespace"),
}
_ROLE_REF: Final[_Message] = {
    1: _Field("apiGroup"),
    2: _Field("kind"),
    3: _Field("name"),
}
_BINDING: Final[_Message] = {
    1: _META,
    2: _many("subjects", _SUBJECT),
    3: _one("roleRef", _ROLE_REF),
}
_DELETE_OPTIONS: Final[_Message] = {
    1: _Field("gracePeriodSeconds", "int", keep_zero=True),
    2: _one("preconditions", {1: _Field("uid"), 2: _Field("resourceVersion")}),
    3: _Field("orphanDependents", "bool", keep_zero=True),
    4: _Field("propagationPolicy"),
    5: _strings("dryRun"),
}
_ATTRIBUTES: Final[_Message] = {
    1: _Field("namespace"),
    2: _Field("verb"),
    3: _Field("group"),
    4: _Field("version"),
    5: _Field("resource"),
    6: _Field("subresource"),
    7: _Field("name"),
}
_ACCESS: Final[_Message] = {
    1: _one("resourceAttributes", _ATTRIBUTES),
    2: _one("nonResourceAttributes", {1: _Field("path"), 2: _Field("verb")}),
}
_BOUND: Final[_Message] = {
    1: _Field("kind"),
    2: _Field("apiVersion"),
    3: _Field("name"),
    4: _Field("uid"),
}
_TOKEN: Final[_Message] = {
    1: _strings("audiences"),
    3: _one("boundObjectRef", _BOUND),
    4: _Field("expirationSeconds", "int"),
}
_STATUS: Final = _one("status", {2: _Field("expirationTimestamp", "time")})
"""What clients send of a status has no values."""
_CONTAINER: Final[_Message] = {
    1: _Field("name"),
    2: _Field("image"),
    3: _strings("command"),
    4: _strings("args"),
    8: _one("resources", {}),
}
_POD: Final[_Message] = {
    2: _many("containers", _CONTAINER),
    3: _Field("restartPolicy"),
}
_JOB: Final[_Message] = {6: _one("template", {1: _META, 2: _one("spec", _POD)})}


def _review(spec: _Message) -> _Message:
    return {1: _META, 2: _one("spec", spec), 3: _STATUS}


_RBAC: Final = "rbac.authorization.k8s.io/v1"
_REVIEW: Final = "authorization.k8s.io/v1"
_KINDS: Final[Mapping[Gvk, _Message]] = {
    Gvk("v1", "ConfigMap"): {
        1: _META,
        2: _map("data"),
        3: _map("binaryData", "bytes"),
        4: _Field("immutable", "bool"),
    },
    Gvk("v1", "Secret"): {
        1: _META,
        2: _map("data", "bytes"),
        3: _Field("type"),
        4: _map("stringData"),
        5: _Field("immutable", "bool"),
    },
    Gvk("v1", "Namespace"): {1: _META, 2: _one("spec", {}), 3: _STATUS},
    Gvk("v1", "ServiceAccount"): {1: _META},
    Gvk("batch/v1", "Job"): {1: _META, 2: _one("spec", _JOB), 3: _STATUS},
    Gvk("v1", "DeleteOptions"): _DELETE_OPTIONS,
    Gvk("policy/v1", "Eviction"): {1: _META, 2: _one("deleteOptions", _DELETE_OPTIONS)},
    Gvk("authentication.k8s.io/v1", "TokenRequest"): _review(_TOKEN),
    Gvk(_REVIEW, "SelfSubjectAccessReview"): _review(_ACCESS),
    Gvk(_REVIEW, "SelfSubjectRulesReview"): _review({1: _Field("namespace")}),
    Gvk(_RBAC, "Role"): _ROLE,
    Gvk(_RBAC, "ClusterRole"): _ROLE,
    Gvk(_RBAC, "RoleBinding"): _BINDING,
    Gvk(_RBAC, "ClusterRoleBinding"): _BINDING,
}
_TYPE: Final[_Message] = {1: _Field("apiVersion"), 2: _Field("kind")}
_ENVELOPE: Final[_Message] = {1: _one("type", _TYPE), 2: _Field("raw", "raw")}


def decode_protobuf(body: bytes) -> dict[str, Any]:
    """Decode a body.

    Raises:
        KeyError: a kind that is not known here.
        ValueError: not what the media type says.
    """
    if not body.startswith(_MAGIC):
        raise ValueError("the body does not start as Kubernetes protobuf does")
    envelope = _decode(body[len(_MAGIC) :], _ENVELOPE)
    named = envelope.get("type", {})
    gvk = Gvk(named.get("apiVersion", ""), named.get("kind", ""))
    message = _KINDS[gvk]
    head = {"apiVersion": gvk.group_version, "kind": gvk.kind}
    return head | _decode(envelope.get("raw", b""), message)


def _decode(data: bytes, message: _Message) -> dict[str, Any]:
    """Decode a message; zero values are left out as Go's `omitempty` does.

    Raises:
        KeyError: a field that is set and not known here; nothing is dropped in silence.
    """
    result: dict[str, Any] = {}
    for number, raw in _fields(data):
        if (field := message.get(number)) is None:
            if raw:
                raise KeyError(number)
            continue
        if field.form == "map":
            key, value = _entry(raw, field.message)
            result.setdefault(field.name, {})[key] = value
            continue
        value = _value(field, raw)
        if field.repeated:
            result.setdefault(field.name, []).append(value)
        elif value or field.keep_zero:
            result[field.name] = value
    return result


def _entry(raw: int | bytes, message: _Message) -> tuple[str, Any]:
    entry = _decode(_bytes(raw), {1: _Field("key"), **message})
    empty = "" if message[2].form in {"string", "bytes"} else None
    return entry.get("key", ""), entry.get("value", empty)


def _value(field: _Field, raw: int | bytes) -> Any:  # noqa: ANN401
    match field.form:
        case "string":
            return _bytes(raw).decode()
        case "bytes":
            return base64.b64encode(_bytes(raw)).decode()
        case "raw":
            return _bytes(raw)
        case "bool":
            return bool(raw)
        case "int":
            return _integer(raw)
        case "time":
            return _time(_bytes(raw))
        case _:
            return _decode(_bytes(raw), field.message)


def _bytes(raw: int | bytes) -> bytes:
    if isinstance(raw, int):
        raise ValueError("a number where a string is due")  # noqa: TRY004
    return raw


def _integer(raw: int | bytes) -> int:
    if isinstance(raw, bytes):
        raise ValueError("a string where a number is due")  # noqa: TRY004
    return raw - (1 << 64) if raw >> 63 else raw


def _time(data: bytes) -> str:
    seconds = _decode(data, {1: _Field("seconds", "int")}).get("seconds")
    if seconds is None or seconds < 0:
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Split a message into field numbers and raw values (varints or bytes)."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        sizes = {1: 8, 5: 4}
        if wire == 2:  # noqa: PLR2004
            size, at = _varint(data, at)
        elif wire in sizes:
            size = sizes[wire]
        else:
            raise ValueError(f"wire type {wire}")
        if at + size > len(data):
            raise ValueError("cut short")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004
            return value, at
        shift += 7
    raise ValueError("cut short")
