"""A Job's podFailurePolicy and its back-off. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

import attrs

from mpiop.local.client import Json

from .objects import key_of

_FIRST: Final = timedelta(seconds=10)
_LAST: Final = timedelta(minutes=10)  # the API's documentation says six, the code ten


@attrs.frozen
class Ruling:
    """What the first matching rule says of a failed Pod; Count where none matches."""

    action: str = "Count"
    message: str = ""


def ruling(job: Json, pod: Json) -> Ruling:
    """Ask the policy about a failed Pod."""
    policy = job["spec"].get("podFailurePolicy") or {}
    for index, rule in enumerate(policy.get("rules") or ()):
        what = _exit_code(rule, pod) if rule.get("onExitCodes") else _state(rule, pod)
        if what:
            tail = f"{what} matching {rule['action']} rule at index {index}"
            return Ruling(rule["action"], tail)
    return Ruling()


def _exit_code(rule: Json, pod: Json) -> str:
    wanted = rule["onExitCodes"]
    status = pod.get("status", {})
    for container in (
        *(status.get("containerStatuses") or ()),
        *(status.get("initContainerStatuses") or ()),
    ):
        ended = container.get("state", {}).get("terminated")
        if ended is None or ended["exitCode"] == 0:
            continue
        if wanted.get("containerName") not in {None, container["name"]}:
            continue
        if (ended["exitCode"] in wanted["values"]) == (wanted["operator"] == "In"):
            return (
                f"Container {container['name']} for pod {'/'.join(key_of(pod))} "
                f"failed with exit code {ended['exitCode']}"
            )
    return ""


def _state(rule: Json, pod: Json) -> str:
    for wanted in rule.get("onPodConditions") or ():
        for seen in pod.get("status", {}).get("conditions") or ():
            same = seen["status"] == wanted.get("status", "True")
            if seen["type"] == wanted["type"] and same:
                return f"Pod {'/'.join(key_of(pod))} has condition {seen['type']}"
    return ""


@attrs.frozen
class Backoff:
    """How long a Job waits before its next Pod: 10 s, doubled with each failure."""

    failures: int = 0
    last: datetime | None = None

    def after(
        self, successes: Iterable[datetime], failures: Iterable[datetime]
    ) -> "Backoff":
        """Add the ends of newly ended Pods; a success starts the count anew."""
        count, last, newest = self.failures, self.last, max(successes, default=None)
        if newest is not None:
            count, last = 0, None
        for end in sorted(failures):
            if newest is None or end > newest:
                count, last = count + 1, end
        return Backoff(count, last)

    def remaining(self, now: datetime) -> timedelta:
        """Say how long to wait still; zero when the next Pod may come."""
        if not self.failures or self.last is None:
            return timedelta(0)
        doubled: timedelta = _FIRST * 2 ** min(self.failures - 1, 10)
        delay = min(doubled, _LAST)
        return max(self.last + delay - now, timedelta(0))
