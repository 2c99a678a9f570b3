"""What a lost worker means: for a running attempt, and for an exit code of 0.

A worker is lost when its Pod is gone, terminating, ended, disrupted, or another one
than at the start. It is never inferred from mpirun, which may take minutes to notice
a vanished host, nor from readiness (design 4).
"""

from datetime import datetime, timedelta
from typing import Final, Literal

from mpiop.reconcile import names
from mpiop.reconcile.actions import LookEvents, LookKilled, Ref
from mpiop.reconcile.causes import describe, trouble, whereabouts
from mpiop.reconcile.desired import hosts
from mpiop.reconcile.facts import Facts
from mpiop.reconcile.reading import parse_time
from mpiop.reconcile.recorded import Missing
from mpiop.reconcile.views import PodView

GRACE_SECONDS: Final = 10.0
# A container's end is stamped when the last of its processes is gone. mpirun loses the
# first of them, and may end with 0 before: on a busy node in an earlier second.
STAMP: Final = timedelta(seconds=5)

Fate = Literal["intact", "lost", "unknown"]


def loss(facts: Facts) -> Missing | None:
    """Tell which Pod of the started attempt is missing; the first one found.

    The result is sticky: what was recorded stays until the attempt is raised.
    """
    if facts.recorded.missing is not None:
        return facts.recorded.missing
    if not facts.launcher_started:
        return None
    found = None if facts.job.elastic else _worker(facts)
    return found or _launcher(facts)


def _worker(facts: Facts) -> Missing | None:
    since = _launcher_start(facts)
    for index in range(_count(facts)):
        pod = facts.workers.get(index)
        why = _lost(facts, pod, since) if pod else _gone(facts, index)
        if why:
            return Missing(facts.now.replace(microsecond=0), _disrupted(facts), why)
    if _replaced(facts):
        return Missing(
            facts.now.replace(microsecond=0),
            _disrupted(facts),
            "a worker is not the one that the attempt started with",
        )
    return None


def _launcher(facts: Facts) -> Missing | None:
    """Tell why the launcher's Pod is being deleted, where it is not by its Job.

    Its object may be gone by the time at which its Job has failed.
    """
    job, pod = facts.launcher_job, facts.launcher
    if pod is None or pod.deleted is None or not pod.started:
        return None
    if job is None or job.suspended or pod.phase == "Succeeded":
        return None
    why = f"the launcher was deleted ({whereabouts(pod)})"
    if pod.disruption:
        why = trouble(pod)
    now = facts.now.replace(microsecond=0)
    return Missing(now, bool(pod.disruption), why, launcher=True)


def fate(facts: Facts) -> tuple[Fate, str]:
    """Judge whether the workers lived until the launcher finished with exit code 0.

    Times of the API are whole seconds: an end in the very second in which the
    launcher finished counts as before it, since that is when mpirun loses a worker;
    so does the end of one that failed by itself shortly after.
    """
    if facts.job.elastic:
        return "intact", ""
    finished = facts.launcher_finished
    missing = facts.recorded.missing
    if missing is not None and (missing.launcher or missing.unreached):
        missing = None  # it ended well all the same
    if missing is not None and _before(missing.since, finished):
        return "lost", missing.message
    unknown = "" if missing is None else missing.message
    since = _launcher_start(facts)
    for index in range(_count(facts)):
        pods = [pod for pod in facts.leaving if pod.index == index]
        pods += [pod for pod in (facts.workers.get(index),) if pod]
        for pod in pods:
            if _ended_by(pod, since, finished):
                return "lost", _why(facts, pod)
        if not pods:
            unknown = f"{names.worker(facts.job.name, index)} is gone"
    if unknown and (killed := _killed(facts)):
        return "lost", killed
    if not unknown and not facts.leaving and _replaced(facts):
        unknown = "a worker is not the one that the attempt started with"
    return ("unknown", unknown) if unknown else ("intact", "")


def _count(facts: Facts) -> int:
    identity = facts.recorded.identity
    return facts.job.worker_replicas if identity is None else identity.count


def _launcher_start(facts: Facts) -> datetime | None:
    pod = facts.launcher
    return None if pod is None else pod.started_at


def _gone(facts: Facts, index: int) -> str:
    """A Pod that is not there is lost only if it is known to have been there."""
    for pod in facts.leaving:
        if pod.index == index:
            return trouble(pod)
    if facts.recorded.identity is None or index >= facts.job.worker_replicas:
        return ""
    return _killed(facts) or f"{names.worker(facts.job.name, index)} is gone"


def _lost(facts: Facts, pod: PodView, since: datetime | None) -> str:
    if pod.terminal or pod.disruption or pod.deleted is not None:
        return _why(facts, pod)
    if pod.ended is not None and _before(since, pod.ended.finished):
        return _why(facts, pod)
    return ""


def _why(facts: Facts, pod: PodView) -> str:
    """Say what is wrong with a worker; its Events may know more than its status."""
    said = " ".join((facts.snapshot.answers.get(_events_of(facts, pod)) or "").split())
    return (trouble(pod) or _restarted(pod)) + (f": {said}" if said else "")


def wordless(facts: Facts) -> LookEvents | None:
    """Name the Events that may tell why a worker has ended well, if one has.

    Its sshd does so when it is told to, and then a kubelet forgets that it evicted the
    Pod for its own doing (a volume over its limit, seen on 1.37): only an Event tells.
    """
    if not facts.launcher_started or facts.job.elastic or facts.recorded.missing:
        return None
    for pod in facts.workers.values():
        told = pod.reason or pod.disruption or pod.deleted
        if pod.phase == "Succeeded" and not told:
            return _events_of(facts, pod)
    return None


def vanished(facts: Facts) -> LookKilled | None:
    """Name the Events of workers that went while nobody watched, if some did.

    A drain that takes the operator first leaves nothing else: Open MPI 5 ends with 0,
    and of a Job that has ended even the Pod goes.
    """
    job, launcher = facts.launcher_job, facts.launcher
    if job is None or not job.terminal or facts.job.elastic:
        return None
    if facts.recorded.identity is None or facts.recorded.missing:
        return None
    running = launcher is not None and not launcher.terminal
    if running or facts.job.worker is None or not _traceless(facts):
        return None
    main = hosts.main_name(facts.job.worker.template)
    return LookKilled(facts.job.namespace, names.worker(facts.job.name, ""), main)


def _killed(facts: Facts) -> str:
    """Say which worker that is gone was told to stop before the launcher ended.

    Told by Events, which name an uid: believed where these are the workers that the
    attempt began with, since an earlier one's had the same names.
    """
    look = vanished(facts)
    if look is None:
        return ""
    said = facts.snapshot.answers.get(look) or ""
    told = {name: rest for name, *rest in map(str.split, said.splitlines())}
    gone = _traceless(facts)
    uids = {pod.index: pod.uid for pod in facts.leaving}
    uids |= {index: told[name][0] for index, name in gone.items() if name in told}
    if facts.identity(_count(facts), uids) != facts.recorded.identity:
        return ""
    for name in gone.values():
        _, when, *node = told[name]
        if _before(parse_time(when), facts.launcher_finished):
            return f"{' on node '.join((name, *node))} was told to stop at {when}"
    return ""


def _traceless(facts: Facts) -> dict[int, str]:
    """Name the workers of the started attempt of which there is no Pod any more."""
    there = facts.workers.keys() | {pod.index for pod in facts.leaving}
    gone = set(range(_count(facts))) - there
    return {index: names.worker(facts.job.name, index) for index in sorted(gone)}


def _events_of(facts: Facts, pod: PodView) -> LookEvents:
    return LookEvents(Ref("Pod", facts.job.namespace, pod.name), pod.uid)


def _restarted(pod: PodView) -> str:
    """Tell of a worker that looks well now, but is not what it was at the start."""
    how = f"has restarted ({describe(pod.ended)})" if pod.ended else "was replaced"
    return f"{whereabouts(pod)} {how}"


def _replaced(facts: Facts) -> bool:
    identity = facts.recorded.identity
    if identity is None or identity.count > facts.job.worker_replicas:
        return False
    return facts.identity(identity.count) not in {identity, None}


def _disrupted(facts: Facts) -> bool:
    """Whether a disruption took a Pod of this attempt.

    A drain that nobody watched leaves the launcher's alone, since its Job keeps the
    object, or none at all where that Job has ended: then Events tell of the workers.
    """
    job, launcher = facts.launcher_job, facts.launcher
    pods = (*facts.workers.values(), *facts.leaving, launcher)
    by_job = job is not None and job.reason == "PodFailurePolicy"
    if by_job or any(pod.disruption for pod in pods if pod):
        return True
    return launcher is None and bool(_killed(facts))


def _ended_by(pod: PodView, since: datetime | None, finished: datetime | None) -> bool:
    """Whether a worker ended, or was replaced or disrupted, while the launcher ran."""
    if pod.deleted is not None and _before(pod.deleted, finished):
        return True
    if pod.disruption and _before(pod.disrupted_at, finished):
        return True
    if pod.ended is not None and _before(since, pod.ended.finished):
        failed = pod.ended.exit_code != 0 and pod.deleted is None
        late = finished + STAMP if finished and failed else finished
        return _before(pod.ended.finished, late)
    replaced = pod.created is not None and since is not None and pod.created > since
    return replaced and _before(pod.created, finished)


def _before(first: datetime | None, second: datetime | None) -> bool:
    """Whether one time is not after another; an unknown time might be."""
    return first is None or second is None or first <= second
