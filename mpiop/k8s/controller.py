"""The loop, whole: key → snapshot → plan → actions → outcome → queue."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import assert_never

import attrs

from mpiop.k8s.api import Api
from mpiop.k8s.clock import Clock
from mpiop.k8s.errors import ApiError
from mpiop.k8s.executor import Executor, Report
from mpiop.k8s.freshness import Freshness
from mpiop.k8s.lessons import Lessons
from mpiop.k8s.looks import answers
from mpiop.k8s.metrics import Metrics
from mpiop.k8s.outcomes import Outcome, outcome_of
from mpiop.k8s.store import Key, Store
from mpiop.k8s.subject import Subject
from mpiop.k8s.workqueue import WorkQueue
from mpiop.reconcile.actions import Count, Plan
from mpiop.reconcile.events import JOBS_DELETED
from mpiop.reconcile.mpijob import Install, Json
from mpiop.reconcile.reading import text
from mpiop.reconcile.snapshot import Snapshot
from mpiop.reconcile.views import ChildView, JobView, PodView

THROTTLED_SECONDS = 1.0

Planner = Callable[[Snapshot, datetime], Plan]
log = logging.getLogger(__name__)


@attrs.define
class Controller:
    """Reconciles one job at a time per caller; several threads may call.

    Attributes:
        plan: the core.
        resync_seconds: a job is looked at this often though nothing shows a change.
    """

    api: Api
    store: Store
    queue: WorkQueue[Key]
    executor: Executor
    lessons: Lessons
    freshness: Freshness
    metrics: Metrics
    clock: Clock
    plan: Planner
    install: Install
    resync_seconds: float
    _uids: dict[Key, str] = attrs.field(factory=dict)

    def reconcile(self, key: Key) -> float:
        """Bring one job a step on.

        Returns:
            Seconds that planning took.
        """
        manifest = self.store.job(key)
        self._recognise(key, text(manifest, "metadata", "uid"))
        if manifest is None:
            self.queue.drop(key)
            return 0.0
        job = Subject.of(manifest)
        lag = self.freshness.wait(job.uid)
        if lag > 0:
            self.queue.add_after(key, lag)
            return 0.0
        begin = self.clock.monotonic()
        plan, planned, report = Plan(), begin, Report()
        try:
            self._probe(job)
            plan = self._decide(job, manifest)
            planned = self.clock.monotonic()
            report = self.executor.execute(job, plan.actions)
        except ApiError as error:
            report = Report(error=error)
        outcome = outcome_of(report)
        self.metrics.reconciled(outcome, self.clock.monotonic() - begin)
        self._log(job, manifest, report, outcome)
        self._requeue(job, plan, report, outcome)
        return planned - begin

    def _recognise(self, key: Key, uid: str) -> None:
        """Forget what is known of an earlier job of this name."""
        old = self._uids.get(key, "")
        if old not in {"", uid}:
            self.metrics.count(Count(JOBS_DELETED), key.namespace)
            self.lessons.forget(old)
            self.freshness.forget(old)
        if uid:
            self._uids[key] = uid
        else:
            self._uids.pop(key, None)

    def _probe(self, job: Subject) -> None:
        for lesson in self.lessons.due(job.uid):
            if self.executor.probe(job, lesson):
                self.lessons.drop(job.uid, lesson.finding.ref)

    def _decide(self, job: Subject, manifest: Json) -> Plan:
        """Plan; where the plan wants a closer look, look and plan once more.

        As of the same time: a moment later it might want yet another look.
        """
        children = self.store.children(job.namespace, job.uid)
        snapshot = Snapshot(
            manifest,
            self.install,
            pods=tuple(one for one in children if isinstance(one, PodView)),
            jobs=tuple(one for one in children if isinstance(one, JobView)),
            others=tuple(one for one in children if isinstance(one, ChildView)),
            findings=self.lessons.findings(job.uid, job.generation),
            unserved=self.store.unserved(job.namespace),
        )
        now = self.clock.now()
        plan = self.plan(snapshot, now)
        if plan.looks:
            seen = answers(self.api, job.namespace, plan.looks)
            plan = self.plan(attrs.evolve(snapshot, answers=seen), now)
        return plan

    def _requeue(
        self, job: Subject, plan: Plan, report: Report, outcome: Outcome
    ) -> None:
        key = job.key
        match outcome:
            case Outcome.DONE | Outcome.BLOCKED:
                self.queue.forget(key)
                resync = self.clock.jitter(self.resync_seconds)
                waits = (plan.requeue_after, self.lessons.next_in(job.uid), resync)
                self.queue.add_after(key, min(w for w in waits if w is not None))
            case Outcome.NEWS:
                self.queue.add(key)
            case Outcome.THROTTLED:
                told = report.error.retry_after if report.error else None
                self.queue.add_after(key, told or THROTTLED_SECONDS)
            case Outcome.STALE | Outcome.TROUBLE:
                self.queue.add_rate_limited(key)
            case _:
                assert_never(outcome)

    def _log(
        self, job: Subject, manifest: Json, report: Report, outcome: Outcome
    ) -> None:
        level = logging.INFO if report.acted else logging.DEBUG
        if outcome is Outcome.TROUBLE:
            level = logging.WARNING
        cause = report.error or report.finding
        context = {
            "namespace": job.namespace,
            "mpijob": job.name,
            "uid": job.uid,
            "phase": text(manifest, "status", "phase"),
            "acted": report.acted,
            "outcome": str(outcome),
            "cause": "" if cause is None else str(cause),
        }
        log.log(level, "reconciled", extra=context)
