"""The facts that cannot be seen again: the only part of a status that is read.

The list is design section 3's, whole. Erase anything else from a live status and
the next plan acts the same; erase this, and attempt and verdict come back from the
launcher Jobs.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import attrs

from mpiop.reconcile.mpijob import Json, RemoteShell
from mpiop.reconcile.reading import dig, integer, items, parse_time, text

Truth = Literal["True", "False", "Unknown"]


def timestamp(when: datetime | None) -> str | None:
    """Write a time as the API does: UTC, whole seconds."""
    return None if when is None else when.strftime("%Y-%m-%dT%H:%M:%SZ")


@attrs.frozen
class Condition:
    """One entry of status.conditions, with its two times."""

    type: str
    status: Truth
    reason: str
    message: str
    updated: datetime | None = None
    changed: datetime | None = None

    def json(self) -> Json:
        """Write it in upstream's shape."""
        return {
            "type": self.type,
            "status": self.status,
            "reason": self.reason,
            "message": self.message,
            "lastUpdateTime": timestamp(self.updated),
            "lastTransitionTime": timestamp(self.changed),
        }


@attrs.frozen
class Ruling:
    """A verdict with its reasons; never changed once recorded."""

    succeeded: bool
    reason: str
    message: str
    verified: Truth = "True"


@attrs.frozen
class Identity:
    """Who the workers of the started attempt are.

    Attributes:
        count: workers 0..count-1 are meant.
        digest: over their index, uid and restart count.
    """

    count: int
    digest: str


@attrs.frozen
class Missing:
    """Since when a Pod of an attempt is missing, and by what.

    Attributes:
        launcher: it is the launcher's, and not a worker's.
        unreached: none is missing, but the launcher does not reach every worker.
    """

    since: datetime
    disrupted: bool
    message: str
    launcher: bool = False
    unreached: bool = False

    @property
    def reason(self) -> str:
        """One word for it."""
        if self.unreached:
            return "RemoteStartFailed"
        if not self.launcher:
            return "WorkerLost"
        return "LauncherDisrupted" if self.disrupted else "LauncherDeleted"


@attrs.frozen
class Recorded:
    """What an earlier reconcile wrote down because nobody can observe it later."""

    ruling: Ruling | None = None
    start_time: datetime | None = None
    completion_time: datetime | None = None
    attempt: int = 0
    disruptions: int = 0
    identity: Identity | None = None
    missing: Missing | None = None
    refused_generation: int = 0
    refused_message: str = ""
    warnings: tuple[str, ...] = ()
    remote_shell: RemoteShell | None = None
    origin: str = ""
    conditions: tuple[Condition, ...] = ()

    def condition(self, name: str) -> Condition | None:
        """Find a condition by type."""
        return next((c for c in self.conditions if c.type == name), None)

    def since(self, name: str, status: Truth = "True") -> datetime | None:
        """Tell since when a condition has this status; None where it has not."""
        found = self.condition(name)
        return found.changed if found is not None and found.status == status else None

    def json(self) -> Json:
        """Write what goes under status.recorded (conditions and times go beside)."""
        return {
            "verdict": None if self.ruling is None else attrs.asdict(self.ruling),
            "attempt": self.attempt,
            "disruptions": self.disruptions,
            "workers": None if self.identity is None else attrs.asdict(self.identity),
            "missing": None
            if self.missing is None
            else {
                "since": timestamp(self.missing.since),
                "disrupted": self.missing.disrupted,
                "message": self.missing.message,
                "launcher": self.missing.launcher or None,
                "unreached": self.missing.unreached or None,
            },
            "refusedGeneration": self.refused_generation or None,
            "refusedMessage": self.refused_message or None,
            "warnings": list(self.warnings) or None,
            "remoteShell": self.remote_shell,
            "origin": self.origin or None,
        }


def read(manifest: Json) -> Recorded:
    """Read the recorded facts of an MPIJob; what is missing or odd reads as absent."""
    status = manifest.get("status")
    facts = dig(status, "recorded")
    shell = text(facts, "remoteShell")
    conditions = tuple(_condition(c) for c in items(status, "conditions"))
    ended = None if facts is not None else _ended(conditions)
    return Recorded(
        ruling=_ruling(dig(facts, "verdict")) if ended is None else _taken_over(ended),
        start_time=parse_time(dig(status, "startTime")),
        completion_time=parse_time(dig(status, "completionTime"))
        or (ended.changed if ended else None),
        attempt=integer(facts, "attempt"),
        disruptions=integer(facts, "disruptions"),
        identity=_identity(dig(facts, "workers")),
        missing=_missing(dig(facts, "missing")),
        refused_generation=integer(facts, "refusedGeneration"),
        refused_message=text(facts, "refusedMessage"),
        warnings=_strings(dig(facts, "warnings")),
        remote_shell=RemoteShell(shell) if shell in tuple(RemoteShell) else None,
        origin=text(facts, "origin"),
        conditions=conditions,
    )


def _ended(conditions: tuple[Condition, ...]) -> Condition | None:
    """Find the verdict of an operator before this one: it stays the verdict."""
    verdicts = (c for c in conditions if c.type in {"Succeeded", "Failed"})
    return next((c for c in verdicts if c.status == "True"), None)


def _taken_over(ended: Condition) -> Ruling:
    return Ruling(
        succeeded=ended.type == "Succeeded",
        reason=ended.reason,
        message=ended.message,
        verified="Unknown",
    )


def _ruling(value: object) -> Ruling | None:
    if not isinstance(value, Mapping):
        return None
    return Ruling(
        succeeded=value.get("succeeded") is True,
        reason=text(value, "reason"),
        message=text(value, "message"),
        verified=_truth(value.get("verified")),
    )


def _identity(value: object) -> Identity | None:
    if not isinstance(value, Mapping):
        return None
    return Identity(integer(value, "count"), text(value, "digest"))


def _missing(value: object) -> Missing | None:
    since = parse_time(dig(value, "since"))
    if since is None:
        return None
    return Missing(
        since,
        dig(value, "disrupted") is True,
        text(value, "message"),
        dig(value, "launcher") is True,
        dig(value, "unreached") is True,
    )


def _strings(value: object) -> tuple[str, ...]:
    found = value if isinstance(value, list) else ()
    return tuple(one for one in found if isinstance(one, str))


def _truth(value: object) -> Truth:
    if value == "True":
        return "True"
    return "False" if value == "False" else "Unknown"


def _condition(value: Json) -> Condition:
    return Condition(
        type=text(value, "type"),
        status=_truth(value.get("status")),
        reason=text(value, "reason"),
        message=text(value, "message"),
        updated=parse_time(dig(value, "lastUpdateTime")),
        changed=parse_time(dig(value, "lastTransitionTime")),
    )
