"""What failed writes have taught about each job, and when to try them again.

A plan reads the findings and leaves the write alone. A rejected manifest stays so for
its generation; a name that is taken or a right that is missing is probed again after
5 to 60 s, by a dry run, so that a job that stays blocked is written to no more.
"""

import threading
from typing import Final

import attrs

from mpiop.k8s.clock import Clock
from mpiop.reconcile.actions import Action, Ref
from mpiop.reconcile.snapshot import Finding, FindingKind

FIRST_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 60.0
WARNINGS: Final = 10  # distinct texts kept of one job
PROBED: Final = frozenset({FindingKind.FOREIGN, FindingKind.TAKEN, FindingKind.DENIED})


@attrs.frozen
class Lesson:
    """A finding, the write that led to it, and when to probe that write again."""

    finding: Finding
    action: Action
    due: float
    tries: int = 0


class Lessons:
    """Findings by uid of the job. Thread safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, dict[tuple[object, ...], Lesson]] = {}

    def learn(self, job_uid: str, finding: Finding, action: Action) -> bool:
        """Keep a finding; tell whether it says anything new."""
        with self._lock:
            kept = self._kept.setdefault(job_uid, {})
            place = _place(finding)
            old = kept.get(place)
            tries = old.tries + 1 if old else 0
            pause = min(LONGEST_SECONDS, FIRST_SECONDS * 2.0 ** min(tries, 10))
            due = self._clock.monotonic() + self._clock.jitter(pause)
            full = len(kept) >= WARNINGS and finding.kind is FindingKind.WARNED
            if old is None and full:
                return False
            kept[place] = Lesson(finding, action, due, tries)
            return old is None or old.finding != finding

    def findings(self, job_uid: str, generation: int) -> tuple[Finding, ...]:
        """List what is known about this generation; older lessons are dropped."""
        with self._lock:
            kept = self._kept.get(job_uid)
            if kept is None:
                return ()
            for place, lesson in list(kept.items()):
                if lesson.finding.generation != generation:
                    del kept[place]
            return tuple(lesson.finding for lesson in kept.values())

    def due(self, job_uid: str) -> tuple[Lesson, ...]:
        """List the lessons whose write is to be probed again now."""
        now = self._clock.monotonic()
        return tuple(one for one in self._probed(job_uid) if one.due <= now)

    def next_in(self, job_uid: str) -> float | None:
        """Seconds until a write is to be probed again, None where none is."""
        now = self._clock.monotonic()
        waits = [max(0.0, one.due - now) for one in self._probed(job_uid)]
        return min(waits, default=None)

    def drop(self, job_uid: str, ref: Ref) -> None:
        """Forget what is known about one object, but for its warnings."""
        with self._lock:
            kept = self._kept.get(job_uid)
            if kept is not None:
                for kind in FindingKind:
                    kept.pop((kind, ref), None)

    def told(self, job_uid: str) -> None:
        """Forget the warnings: the status that repeats them is written."""
        with self._lock:
            kept = self._kept.get(job_uid, {})
            for place in [place for place in kept if place[0] is FindingKind.WARNED]:
                del kept[place]

    def forget(self, job_uid: str) -> None:
        """Forget everything about a job."""
        with self._lock:
            self._kept.pop(job_uid, None)

    def _probed(self, job_uid: str) -> tuple[Lesson, ...]:
        with self._lock:
            kept = self._kept.get(job_uid, {})
            return tuple(one for one in kept.values() if one.finding.kind in PROBED)


def _place(finding: Finding) -> tuple[object, ...]:
    """Keep one lesson of a kind per object, but every distinct warning."""
    if finding.kind is FindingKind.WARNED:
        return finding.kind, finding.message
    return finding.kind, finding.ref
