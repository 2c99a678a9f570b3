"""The controller of batch/v1 Jobs that are not indexed.

It writes in the order of a current Kubernetes, so that a crash or a refused write in
between loses no count: ended Pods are noted in status.uncountedTerminatedPods, then
lose the tracking finalizer, then are added to the counters; a Job gets FailureTarget or
SuccessCriteriaMet first, and Failed or Complete once no Pod runs or is to be counted.
"""

from collections.abc import Hashable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, cast

from mpiop.local.client import JOBS, PODS, ApiError, Client, Deletion, Json

from .cache import Caches, Change
from .job_pods import (
    TRACKING,
    failed,
    new_pod,
    removal_order,
    succeeded,
    tracked,
    waits_for_the_end,
)
from .job_policy import Backoff, ruling
from .job_view import JobView, finished
from .objects import (
    controller_of,
    deleting,
    finalizers,
    holds,
    moment,
    set_condition,
    uid_of,
)
from .recorder import About, Recorder

_OURS: Final = "kubernetes.io/job-controller"
_NOT_FOUND: Final = 404


class JobController:
    """Brings one Job (by uid) and its Pods in order."""

    def __init__(self, client: Client, caches: Caches, events: Recorder) -> None:
        self._client = client
        self._caches = caches
        self._events = events
        self._backoffs: dict[str, Backoff] = {}

    def keys(self, change: Change) -> Iterator[Hashable]:
        """The Job itself, or that of a Pod."""
        if change.resource == JOBS:
            yield uid_of(change.last)
        elif change.resource == PODS:
            owner = controller_of(change.last)
            if owner is not None and owner["kind"] == "Job":
                yield owner["uid"]

    def sync(self, key: Hashable, now: datetime) -> timedelta | None:
        """Do what the Job needs now; say when it needs to be looked at again."""
        uid = cast(str, key)
        found = self._caches.by_uid(uid)
        job = found[1] if found else None
        owned = [pod for kind, pod in self._caches.dependents(uid) if kind == PODS]
        if job is None or (ended := finished(job)):
            self._backoffs.pop(uid, None)
            for pod in filter(tracked, owned):
                self._release(pod)
            return self._expire(job, ended, now) if job else None
        if job["spec"].get("managedBy", _OURS) != _OURS:
            return None
        view = JobView(job, owned, now, self._backoffs.get(uid, Backoff()))
        return self._bring_in_order(view)

    def _bring_in_order(self, view: JobView) -> timedelta | None:
        if not view.suspended:
            view.status.setdefault("startTime", view.start_time())
        verdict, news, refused = view.verdict(), "", None
        if verdict is not None:
            self._delete(view, list(view.active), keep_counting=True)
        else:
            if not deleting(view.job):
                refused = self._match_wanted(view)
            verdict = view.success(len(view.active))
            if verdict is None and not deleting(view.job):
                news = view.set_suspended()
        self._record(view, verdict)
        if news:
            self._events.normal(_about(view.job), news, f"Job {news.lower()}")
        if refused is not None:
            raise refused
        waits = (view.until_deadline(), view.backoff.remaining(view.now))
        ahead = [wait for wait in waits if wait is not None and wait > timedelta(0)]
        return min(ahead, default=None)

    def _match_wanted(self, view: JobView) -> ApiError | None:
        """Have as many active Pods as wanted; give back why one was refused."""
        wanted = 0 if view.suspended else view.wanted
        if len(view.active) > wanted:
            chosen = sorted(view.active, key=removal_order)
            self._delete(view, chosen[: len(chosen) - wanted], keep_counting=False)
            return None
        held = view.terminating if waits_for_the_end(view.job) else 0
        missing = wanted - held - len(view.active)
        if missing <= 0 or view.backoff.remaining(view.now):
            return None
        for _ in range(missing):
            try:
                pod = self._client.create(PODS, new_pod(view.job))
            except ApiError as error:
                self._events.warning(
                    _about(view.job), "FailedCreate", f"Error creating: {error}"
                )
                return error
            view.active.append(pod)
            name = pod["metadata"]["name"]
            self._events.normal(
                _about(view.job), "SuccessfulCreate", f"Created pod: {name}"
            )
        return None

    def _delete(self, view: JobView, pods: list[Json], *, keep_counting: bool) -> None:
        """Delete active Pods; those not kept for counting count as nothing."""
        for pod in pods:
            if not keep_counting and tracked(pod):
                self._release(pod)
            try:
                self._client.delete(PODS, pod, Deletion(policy="Background"))
            except ApiError as error:
                if error.status != _NOT_FOUND:
                    raise
            view.active.remove(pod)
            view.terminating += 1
            view.ready -= holds(pod, "Ready")
            name = pod["metadata"]["name"]
            self._events.normal(
                _about(view.job), "SuccessfulDelete", f"Deleted pod: {name}"
            )

    def _record(self, view: JobView, verdict: dict[str, Any] | None) -> None:
        """Write counts and conditions, in the order that loses none."""
        waiting = {uid_of(pod) for pod in view.pods if tracked(pod)}
        done = [pod for pod in view.pods if self._countable(view, pod, verdict)]
        _count(view.status, waiting)
        for pod in done:
            _note(view, pod, verdict)
        if verdict is not None and verdict not in view.status["conditions"]:
            view.status["conditions"].append(verdict)
        _put_numbers(view)
        job = self._write(view.job, view.status)
        self._backoffs[uid_of(job)] = view.backoff
        for pod in done:
            self._release(pod)
            waiting.discard(uid_of(pod))
        _count(view.status, waiting)
        final = _final(view, verdict)
        if final is not None:
            set_condition(view.status["conditions"], final)
        job = self._write(job, view.status)
        if final is not None:
            self._tell_end(job, final)

    def _countable(
        self, view: JobView, pod: Json, verdict: Mapping[str, Any] | None
    ) -> bool:
        if not tracked(pod):
            return False
        over = deleting(view.job) or verdict is not None
        return over or succeeded(pod) or failed(pod, view.job)

    def _write(self, job: Json, status: dict[str, Any]) -> Json:
        if job.get("status") == status:
            return job
        return self._client.replace_status(JOBS, {**job, "status": status})

    def _release(self, pod: Json) -> None:
        """Take the tracking finalizer from a Pod, whatever else has changed on it."""
        at = f"/metadata/finalizers/{finalizers(pod).index(TRACKING)}"
        patch = [
            {"op": "test", "path": at, "value": TRACKING},
            {"op": "remove", "path": at},
        ]
        try:
            self._client.patch(PODS, pod, patch)
        except ApiError as error:
            if error.status != _NOT_FOUND:
                raise

    def _tell_end(self, job: Json, final: Json) -> None:
        if final["type"] == "Complete":
            self._events.normal(_about(job), "Completed", "Job completed")
        else:
            self._events.warning(_about(job), final["reason"], final["message"])

    def _expire(self, job: Json, ended: Json | None, now: datetime) -> timedelta | None:
        ttl = job["spec"].get("ttlSecondsAfterFinished")
        if ttl is None or ended is None or deleting(job):
            return None
        left = moment(ended["lastTransitionTime"]) + timedelta(seconds=ttl) - now
        if left > timedelta(0):
            return left
        self._client.delete(JOBS, job, Deletion(policy="Foreground"))
        return None


def _about(job: Json) -> About:
    return About(job, "batch/v1", "Job", "job-controller")


def _note(view: JobView, pod: Json, verdict: Mapping[str, Any] | None) -> None:
    """Put a Pod among those that are to be counted, if it is to be counted at all."""
    uncounted = view.status["uncountedTerminatedPods"]
    uid = uid_of(pod)
    if any(uid in uids for uids in uncounted.values()):
        return
    lost = verdict is not None and verdict["type"] == "FailureTarget"
    if succeeded(pod):
        uncounted.setdefault("succeeded", []).append(uid)
    elif (failed(pod, view.job) or lost) and ruling(view.job, pod).action != "Ignore":
        uncounted.setdefault("failed", []).append(uid)


def _count(status: dict[str, Any], waiting: set[str]) -> None:
    """Add to the counters the noted Pods that have no finalizer any more."""
    uncounted = status["uncountedTerminatedPods"]
    for kind in [*uncounted]:
        kept = [uid for uid in uncounted[kind] if uid in waiting]
        if gone := len(uncounted[kind]) - len(kept):
            status[kind] = status.get(kind, 0) + gone
        uncounted[kind] = kept
        if not kept:
            del uncounted[kind]


def _put_numbers(view: JobView) -> None:
    view.status["ready"] = view.ready
    view.status["terminating"] = view.terminating
    if view.active:
        view.status["active"] = len(view.active)
    else:
        view.status.pop("active", None)


def _final(view: JobView, verdict: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The condition that ends the Job, unless a Pod still runs or is to be counted."""
    if verdict is None or view.terminating or view.status["uncountedTerminatedPods"]:
        return None
    kind = "Complete" if verdict["type"] == "SuccessCriteriaMet" else "Failed"
    final = view.condition(kind, verdict["reason"], verdict["message"])
    if kind == "Complete":
        view.status["completionTime"] = final["lastTransitionTime"]
    return final
