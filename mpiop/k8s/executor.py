"""Carries out actions in their order: one action, one call (or two reads and a call).

It never decides. What a refusal teaches becomes a finding for the next plan; what was
written is waited for before the job is planned again.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import groupby, takewhile
from typing import assert_never

import attrs

from mpiop.k8s import launching, ownership
from mpiop.k8s.api import Api, SideBySide, Written
from mpiop.k8s.clock import Clock
from mpiop.k8s.errors import AlreadyExists, ApiError, NotFound
from mpiop.k8s.events import event
from mpiop.k8s.freshness import Freshness
from mpiop.k8s.lessons import Lesson, Lessons
from mpiop.k8s.ownership import Owner, owner_of
from mpiop.k8s.refusals import finding, in_the_way, judged
from mpiop.k8s.store import version
from mpiop.k8s.subject import Subject
from mpiop.k8s.transport import Sent
from mpiop.reconcile.actions import (
    Action,
    Adopt,
    Count,
    Create,
    CreateLauncher,
    CreateSSHSecret,
    Delete,
    EmitEvent,
    Patch,
    PatchStatus,
    Ref,
)
from mpiop.reconcile.mpijob import Json
from mpiop.reconcile.reading import dig, integer
from mpiop.reconcile.snapshot import Finding, FindingKind

Result = ApiError | Finding | None
Counter = Callable[[Count, str], None]
KeyMaker = Callable[[], Mapping[str, str]]

log = logging.getLogger(__name__)


@attrs.frozen
class Report:
    """How far the actions got.

    Attributes:
        acted: actions carried out.
        error: what stopped them, None where nothing or a finding did.
        finding: the first finding that stopped them.
        news: whether a finding says something that the plan did not know.
    """

    acted: int = 0
    error: ApiError | None = None
    finding: Finding | None = None
    news: bool = False


@attrs.define
class Executor:
    """Does what plans ask for.

    Attributes:
        beat: told after each write that it goes on.
        count: adds to a metric, for a job of that namespace.
        make_keys: makes the data of a job's ssh Secret.
    """

    api: Api
    clock: Clock
    freshness: Freshness
    lessons: Lessons
    count: Counter
    make_keys: KeyMaker
    beat: Callable[[], None] = lambda: None

    def execute(self, job: Subject, actions: Sequence[Action]) -> Report:
        """Carry out actions until one fails.

        Guarantees: nothing after a failed action is sent, but for the Events and
        counts that follow a status that was written.
        """
        acted = 0
        for _, group in groupby(actions, key=_together):
            members = tuple(group)
            together = [one for one in members if isinstance(one, SideBySide)]
            results = (
                self._side_by_side(job, together)
                if together
                else [self._try(job, members[0])]
            )
            failed = [result for result in results if result is not None]
            acted += len(results) - len(failed)
            if failed:
                rest = actions[acted:]
                if not any(isinstance(action, PatchStatus) for action in rest):
                    self._tell(job, rest)
                return self._stopped(acted, job, zip(members, results, strict=False))
        return Report(acted)

    def probe(self, job: Subject, lesson: Lesson) -> bool:
        """Try, as a dry run, whether what was in the way of a write still is.

        Returns:
            Whether the write is worth trying again; if not, the lesson is renewed.
        """
        action = lesson.action
        manifest = getattr(action, "manifest", None)
        if manifest is None:
            return True
        ref = lesson.finding.ref

        def call() -> Finding | None:
            try:
                self.api.create(ref, manifest, dry_run=True)
            except AlreadyExists:
                if ref.kind == "Secret":  # ours by its name, and not ours to read
                    return None
                owner = owner_of(self.api.get(ref), job)
                return None if owner is Owner.US else in_the_way(job, ref, owner)
            return None

        found = judged(job, ref, call)
        if found is None or found.kind is FindingKind.REJECTED:
            return True  # refused for being a dry run, perhaps
        self.lessons.learn(job.uid, found, action)
        return False

    def _side_by_side(
        self, job: Subject, actions: Sequence[SideBySide]
    ) -> Sequence[Result]:
        """Send neighbours until one fails; give what came of those that were sent."""
        results: dict[int, Result] = {}
        failed: list[Result] = []
        for sent in self.api.send_all(takewhile(lambda _: not failed, actions)):
            result = self._try(job, actions[sent.index], sent)
            results[sent.index] = result
            if result is not None:
                failed.append(result)
            self.beat()
        return [results[index] for index in sorted(results)]

    def _try(self, job: Subject, action: Action, sent: Sent | None = None) -> Result:
        try:
            return self._perform(job, action, sent)
        except ApiError as error:
            return error

    def _perform(
        self, job: Subject, action: Action, sent: Sent | None = None
    ) -> Finding | None:
        match action:
            case Create(ref, manifest):
                call = partial(self._create, job, ref, manifest, sent)
                return judged(job, ref, call)
            case CreateSSHSecret(ref, manifest):
                return judged(job, ref, partial(self._create_secret, ref, manifest))
            case CreateLauncher(ref):
                return judged(job, ref, partial(self._launch, job, action))
            case Adopt(ref):
                return judged(job, ref, partial(self._adopt, job, action))
            case Patch(ref):
                return judged(job, ref, partial(self._patch, job, action))
            case Delete(ref):
                return judged(job, ref, partial(self._delete, job, action, sent))
            case PatchStatus(ref, patch, resource_version):
                written = self.api.patch(ref, patch, resource_version, "status")
                self._wrote(job, ref, written)
                self.lessons.told(job.uid)
            case EmitEvent():
                self._emit(job, action)
            case Count():
                self.count(action, job.namespace)
            case _:
                assert_never(action)
        return None

    def _create(
        self, job: Subject, ref: Ref, manifest: Json, sent: Sent | None = None
    ) -> Finding | None:
        try:
            written = self.api.create(ref, manifest, sent=sent)
        except AlreadyExists:
            return self._settle_name(job, ref, manifest)
        self._wrote(job, ref, written)
        self.lessons.drop(job.uid, ref)
        for warning in written.warnings:
            warned = finding(job, FindingKind.WARNED, ref, warning)
            self.lessons.learn(job.uid, warned, Create(ref, manifest))
        return None

    def _settle_name(self, job: Subject, ref: Ref, manifest: Json) -> Finding | None:
        """Find out whose the name is; label what is ours, so that it is cached."""
        live = self.api.get(ref)
        owner = owner_of(live, job)
        if owner is not Owner.US:
            return in_the_way(job, ref, owner)
        operations = ownership.labelling(live, manifest)
        written = ownership.label(self.api, ref, live, operations)
        self._wrote(job, ref, written)
        self.lessons.drop(job.uid, ref)
        return None

    def _create_secret(self, ref: Ref, manifest: Json) -> None:
        try:
            self.api.create(ref, {**manifest, "data": self.make_keys()})
        except AlreadyExists:
            return  # its name carries the job's uid: it is ours

    def _launch(self, job: Subject, action: CreateLauncher) -> Finding | None:
        launching.check(self.api, job, action)
        if action.manifest is not None:
            return self._create(job, action.ref, action.manifest)
        version = action.resource_version
        if action.reset:
            never = {"status": {"startTime": None}}
            cleared = self.api.patch(action.ref, never, version, "status")
            version = cleared.resource_version
        self._patch(job, Patch(action.ref, action.resume or {}, version))
        return None

    def _adopt(self, job: Subject, action: Adopt) -> None:
        live = self.api.get(action.ref)
        if ownership.controller(live) == action.owner:
            operations = ownership.adopting(live, action.labels)
            written = ownership.label(self.api, action.ref, live, operations)
            self._wrote(job, action.ref, written)

    def _patch(self, job: Subject, action: Patch) -> None:
        written = self.api.patch(action.ref, action.patch, action.resource_version)
        self._wrote(job, action.ref, written)
        self.lessons.drop(job.uid, action.ref)

    def _delete(self, job: Subject, action: Delete, sent: Sent | None = None) -> None:
        ref, uid = action.ref, action.uid
        try:
            written = self.api.delete(action, sent)
        except NotFound:
            written = Written({})
        if _stays(written.manifest):
            self._wrote(job, ref, written)
        else:
            self.freshness.expect_gone(job.uid, ref, uid)
        self.lessons.drop(job.uid, ref)

    def _wrote(self, job: Subject, ref: Ref, written: Written) -> None:
        self.freshness.expect(job.uid, ref, version(written.resource_version))

    def _emit(self, job: Subject, action: EmitEvent) -> None:
        try:
            self.api.create_event(job.namespace, event(job, action, self.clock.now()))
        except AlreadyExists:
            return  # said in this very second
        except ApiError as error:
            context = {"namespace": job.namespace, "mpijob": job.name}
            log.warning("event lost", extra={**context, "error": str(error)})

    def _tell(self, job: Subject, rest: Iterable[Action]) -> None:
        for action in rest:
            if isinstance(action, EmitEvent | Count):
                self._perform(job, action)

    def _stopped(
        self, acted: int, job: Subject, results: Iterable[tuple[Action, Result]]
    ) -> Report:
        report = Report(acted)
        for action, result in results:
            if isinstance(result, Finding):
                news = self.lessons.learn(job.uid, result, action)
                first = report.finding or result
                report = attrs.evolve(report, finding=first, news=report.news or news)
            elif result is not None and report.error is None:
                report = attrs.evolve(report, error=result)
        return report


def _together(action: Action) -> object:
    """Group neighbours that may run side by side: same verb, same kind."""
    if isinstance(action, SideBySide):
        return type(action), action.ref.kind
    return id(action)


def _stays(manifest: Json) -> bool:
    """Whether a deleted object remains for a while: by grace or by finalizers."""
    meta = manifest.get("metadata")
    if dig(meta, "deletionTimestamp") is None:
        return False
    finalizers = dig(meta, "finalizers")
    return integer(meta, "deletionGracePeriodSeconds") > 0 or bool(finalizers)
