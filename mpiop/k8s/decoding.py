"""How JSON from the API server is read: all of it, or what is looked at.

The latter where it comes a thousand times: answers to writes, and events of Pods.
Decoding to these types skips what they do not name, managedFields above all, and takes
a third of the time. Leaves are taken as they are: whoever reads them looks at their
types.
"""

from typing import Any, Final, TypedDict

import msgspec
import orjson

from mpiop.reconcile.actions import KindName
from mpiop.reconcile.mpijob import Json


class _Metadata(TypedDict, total=False):
    name: Any
    namespace: Any
    uid: Any
    resourceVersion: Any
    labels: Any
    annotations: Any
    ownerReferences: Any
    finalizers: Any
    creationTimestamp: Any
    deletionTimestamp: Any
    deletionGracePeriodSeconds: Any


class _Left(TypedDict, total=False):
    """What is read of an object's metadata once it is written."""

    resourceVersion: Any
    finalizers: Any
    deletionTimestamp: Any
    deletionGracePeriodSeconds: Any


class _Container(TypedDict, total=False):
    name: Any


class _PodSpec(TypedDict, total=False):
    nodeName: Any
    restartPolicy: Any
    containers: list[_Container]
    schedulingGroup: Any


class _Written(TypedDict, total=False):
    metadata: _Left


class _Pod(TypedDict, total=False):
    """A Pod, or the Status of an event that tells an error."""

    metadata: _Metadata
    spec: _PodSpec
    status: Any
    code: Any
    reason: Any
    message: Any
    details: Any


class _PodEvent(TypedDict, total=False):
    type: Any
    object: _Pod


_WRITTEN: Final = msgspec.json.Decoder(_Written)
_POD_EVENT: Final = msgspec.json.Decoder(_PodEvent)


def whole(text: bytes) -> dict[str, Any]:
    """Read all of a JSON object; what is JSON and no object reads as an empty one.

    Raises:
        ValueError: it is no JSON.
    """
    found = orjson.loads(text)
    return found if isinstance(found, dict) else {}


def written(body: bytes) -> Json:
    """Read what a write is answered by: its version, and what holds it if deleted.

    Raises:
        ValueError: it is no JSON.
    """
    return _decoded(_WRITTEN, body)


def event(kind: KindName, line: bytes) -> Json:
    """Read an event of a watch: of a Pod what `pod_view` looks at, else all of it.

    Raises:
        ValueError: it is no JSON.
    """
    return _decoded(_POD_EVENT, line) if kind == "Pod" else whole(line)


def _decoded(decoder: "msgspec.json.Decoder[Any]", text: bytes) -> Json:
    try:
        found: Json = decoder.decode(text)
    except msgspec.ValidationError:
        # Null for a list, say, as in the Pod of a bookmark: no reason to stop.
        return whole(text)
    return found
