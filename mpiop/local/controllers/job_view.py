"""One look at a Job and its Pods: the counts, and whether it is over. Pure.

The view holds a status of its own, which the controller changes and writes.
"""

import copy
from datetime import datetime, timedelta
from typing import Any, Final

import attrs

from mpiop.local.client import Json

from . import job_pods
from .job_policy import Backoff, ruling
from .objects import holds, moment, set_condition, timestamp, uid_of

_SUCCEEDED: Final = "Reached expected number of succeeded pods"
_BACKOFF: Final = "Job has reached the specified backoff limit"
_DEADLINE: Final = "Job was active longer than specified deadline"


def finished(job: Json) -> Json | None:
    """The condition that ended the Job."""
    for item in job.get("status", {}).get("conditions") or ():
        if item["type"] in {"Complete", "Failed"} and item["status"] == "True":
            ended: Json = item
            return ended
    return None


@attrs.define
class JobView:
    """A Job with its Pods as of now."""

    job: Json
    pods: list[Json]
    now: datetime
    backoff: Backoff
    status: dict[str, Any] = attrs.field(init=False)
    active: list[Json] = attrs.field(init=False)
    terminating: int = attrs.field(init=False)
    ready: int = attrs.field(init=False)
    succeeded: int = attrs.field(init=False)
    failed: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Count the Pods, and extend the back-off by those that ended newly."""
        status = self.status = copy.deepcopy(self.job.get("status") or {})
        status.setdefault("conditions", [])
        self.active = [pod for pod in self.pods if job_pods.active(pod)]
        self.terminating = sum(map(job_pods.terminating, self.pods))
        self.ready = sum(holds(pod, "Ready") for pod in self.active)
        uncounted = status.setdefault("uncountedTerminatedPods", {})
        good, bad = uncounted.get("succeeded", []), uncounted.get("failed", [])
        fresh = [
            pod
            for pod in self.pods
            if job_pods.tracked(pod) and uid_of(pod) not in {*good, *bad}
        ]
        won = [pod for pod in fresh if job_pods.succeeded(pod)]
        lost = [pod for pod in fresh if job_pods.failed(pod, self.job)]
        counted = sum(ruling(self.job, pod).action != "Ignore" for pod in lost)
        self.succeeded = status.get("succeeded", 0) + len(good) + len(won)
        self.failed = status.get("failed", 0) + len(bad) + counted
        self.backoff = self.backoff.after(
            [job_pods.finished_at(pod, self.now) for pod in won],
            [job_pods.finished_at(pod, self.now) for pod in lost],
        )

    @property
    def suspended(self) -> bool:
        """Whether the Job is told to have no Pods."""
        return bool(self.job["spec"].get("suspend"))

    @property
    def wanted(self) -> int:
        """How many Pods should be active."""
        spec = self.job["spec"]
        if spec.get("completions") is None:
            return len(self.active) if self.succeeded else spec["parallelism"]
        left = spec["completions"] - self.succeeded
        return int(max(min(left, spec["parallelism"]), 0))

    def start_time(self) -> str:
        """The time from which the Job is active, if it is to start now."""
        return timestamp(self.now)

    def condition(self, kind: str, reason: str, message: str) -> dict[str, Any]:
        """Write a condition that is True from now on."""
        now = timestamp(self.now)
        return {
            "type": kind,
            "status": "True",
            "lastProbeTime": now,
            "lastTransitionTime": now,
            "reason": reason,
            "message": message,
        }

    def verdict(self) -> dict[str, Any] | None:
        """The condition to set because the Job is over, before new Pods are thought of.

        SuccessCriteriaMet or FailureTarget, old or new: their final counterparts come
        once no Pod is left that runs or is to be counted.
        """
        for item in self.status["conditions"]:
            if item["type"] in {"SuccessCriteriaMet", "FailureTarget"}:
                kept: dict[str, Any] = item
                return kept
        for pod in self.pods:
            if job_pods.failed(pod, self.job):
                rule = ruling(self.job, pod)
                if rule.action == "FailJob":
                    return self._failure("PodFailurePolicy", rule.message)
        if self._too_many_failures():
            return self._failure("BackoffLimitExceeded", _BACKOFF)
        left = self.until_deadline()
        if left is not None and left <= timedelta(0):
            return self._failure("DeadlineExceeded", _DEADLINE)
        return None

    def success(self, active: int) -> dict[str, Any] | None:
        """The condition to set because all work is done, with so many Pods active."""
        completions = self.job["spec"].get("completions")
        wanted = 1 if completions is None else completions
        if active or self.succeeded < wanted:
            return None
        return self.condition("SuccessCriteriaMet", "CompletionsReached", _SUCCEEDED)

    def until_deadline(self) -> timedelta | None:
        """How long the Job may go on; None where nothing limits it now."""
        limit = self.job["spec"].get("activeDeadlineSeconds")
        start = self.status.get("startTime")
        if limit is None or start is None or self.suspended:
            return None
        return moment(start) + timedelta(seconds=limit) - self.now

    def set_suspended(self) -> str:
        """Bring condition Suspended and startTime in line; say which Event to write.

        Conditions say Suspended=False only of a Job that was suspended before. A
        deadline counts the time of being active in one go, so startTime is empty while
        the Job is suspended.
        """
        conditions = self.status["conditions"]
        if self.suspended:
            wanted = self.condition("Suspended", "JobSuspended", "Job suspended")
            if set_condition(conditions, wanted):
                self.status.pop("startTime", None)
                return "Suspended"
        elif holds({"status": self.status}, "Suspended"):
            wanted = self.condition("Suspended", "JobResumed", "Job resumed")
            set_condition(conditions, wanted | {"status": "False"})
            self.status["startTime"] = timestamp(self.now)
            return "Resumed"
        return ""

    def _failure(self, reason: str, message: str) -> dict[str, Any]:
        return self.condition("FailureTarget", reason, message)

    def _too_many_failures(self) -> bool:
        limit = self.job["spec"]["backoffLimit"]
        if self.failed > limit:
            return True
        if self.job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
            return False
        count = sum(map(job_pods.restarts, self.pods))
        return bool(count > 0 and count >= limit)
