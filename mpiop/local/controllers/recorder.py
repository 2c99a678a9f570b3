"""Events, so that `kubectl describe` tells what the controllers did."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Final

import attrs

from mpiop.local.client import EVENTS, ApiError, Client, Json

from .objects import timestamp, uid_of

_CONFLICT: Final = 409
_LOST: Final = frozenset({403, 404})


@attrs.frozen
class About:
    """Whom an Event is about, and who tells."""

    obj: Json
    group_version: str
    kind: str
    source: str


class Recorder:
    """Writes core/v1 Events; one that repeats itself is counted, not written anew."""

    def __init__(self, client: Client, clock: Callable[[], datetime]) -> None:
        self._client = client
        self._clock = clock

    def normal(self, about: About, reason: str, message: str) -> None:
        """Tell what went well."""
        self._record("Normal", about, reason, message)

    def warning(self, about: About, reason: str, message: str) -> None:
        """Tell what went wrong."""
        self._record("Warning", about, reason, message)

    def _record(self, level: str, about: About, reason: str, message: str) -> None:
        meta = about.obj["metadata"]
        now = timestamp(self._clock())
        told = "\0".join((uid_of(about.obj), level, reason, message, about.source))
        digest = hashlib.sha256(told.encode()).hexdigest()[:16]
        event = {
            "metadata": {
                "name": f"{meta['name']}.{digest}",
                "namespace": meta.get("namespace", "default"),
            },
            "involvedObject": {
                "apiVersion": about.group_version,
                "kind": about.kind,
                "name": meta["name"],
                "namespace": meta.get("namespace", ""),
                "uid": uid_of(about.obj),
                "resourceVersion": meta.get("resourceVersion", ""),
            },
            "type": level,
            "reason": reason,
            "message": message,
            "source": {"component": about.source},
            "reportingComponent": about.source,
            "reportingInstance": "",
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            self._client.create(EVENTS, event)
        except ApiError as error:
            if error.status == _CONFLICT:
                self._count(event, now)
            elif error.status not in _LOST:
                raise

    def _count(self, event: Json, now: str) -> None:
        meta = event["metadata"]
        seen = self._client.get(EVENTS, meta["namespace"], meta["name"])
        patch = {"count": seen.get("count", 1) + 1, "lastTimestamp": now}
        self._client.patch(EVENTS, seen, patch)
