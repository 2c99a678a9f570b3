"""Reading Kubernetes objects: identity, owners, conditions, labels, times.

Nothing here changes an object, but `set_condition`, which works on a list of one's own.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from mpiop.local.client import Json

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"


def uid_of(obj: Json) -> str:
    """The object's uid."""
    return str(obj["metadata"]["uid"])


def key_of(obj: Json) -> tuple[str, str]:
    """The object's namespace (empty for the cluster's) and name."""
    meta = obj["metadata"]
    return meta.get("namespace", ""), meta["name"]


def deleting(obj: Json) -> bool:
    """Whether the object has been deleted and only waits for its end."""
    return "deletionTimestamp" in obj["metadata"]


def finalizers(obj: Json) -> list[str]:
    """The object's finalizers."""
    return list(obj["metadata"].get("finalizers") or ())


def owners(obj: Json) -> list[Json]:
    """The object's owner references."""
    return list(obj["metadata"].get("ownerReferences") or ())


def controller_of(obj: Json) -> Json | None:
    """The reference to the one owner that manages the object."""
    return next((ref for ref in owners(obj) if ref.get("controller")), None)


def controller_reference(owner: Json, group_version: str, kind: str) -> dict[str, Any]:
    """Write the reference that makes `owner` the manager of a new object."""
    return {
        "apiVersion": group_version,
        "kind": kind,
        "name": owner["metadata"]["name"],
        "uid": uid_of(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def phase(pod: Json) -> str:
    """A Pod's phase; one without status is Pending."""
    return str(pod.get("status", {}).get("phase", "Pending"))


def condition(obj: Json, kind: str) -> Json | None:
    """The condition of that type, whatever its status."""
    conditions: Iterable[Json] = obj.get("status", {}).get("conditions") or ()
    return next((item for item in conditions if item["type"] == kind), None)


def holds(obj: Json, kind: str) -> bool:
    """Whether the condition of that type is True."""
    found = condition(obj, kind)
    return found is not None and found["status"] == "True"


def set_condition(conditions: list[dict[str, Any]], wanted: dict[str, Any]) -> bool:
    """Put a condition into a list of one's own; say whether anything changed.

    Its lastTransitionTime counts only where the status is another than before.
    """
    for index, old in enumerate(conditions):
        if old["type"] != wanted["type"]:
            continue
        if all(old.get(k) == wanted.get(k) for k in ("status", "reason", "message")):
            return False
        kept = old.get("lastTransitionTime")
        if old["status"] == wanted["status"] and kept:
            wanted = wanted | {"lastTransitionTime": kept}
        conditions[index] = wanted
        return True
    conditions.append(wanted)
    return True


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    """Whether labels have every pair of the selector."""
    return all(labels.get(key) == value for key, value in selector.items())


def labels_of(obj: Json) -> Mapping[str, str]:
    """The object's labels."""
    labels: Mapping[str, str] = obj["metadata"].get("labels") or {}
    return labels


def timestamp(when: datetime) -> str:
    """Write a time as Kubernetes does, in UTC and whole seconds."""
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    """Read a time as Kubernetes writes it."""
    return datetime.fromisoformat(text)
