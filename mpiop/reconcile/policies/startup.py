"""When the launcher may start, and what keeps it from starting.

The launcher's init container makes the remote start itself, so mpirun runs only when
it can succeed (design 6); here is decided when its Job is made or resumed.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from mpiop.reconcile import names
from mpiop.reconcile.actions import LookLog
from mpiop.reconcile.causes import trouble, whereabouts
from mpiop.reconcile.facts import Facts
from mpiop.reconcile.mpijob import LauncherCreationPolicy
from mpiop.reconcile.policies import gang, retry
from mpiop.reconcile.recorded import Missing
from mpiop.reconcile.views import PodView

UNREACHABLE_SECONDS: Final = 300.0
NO_POD_SECONDS: Final = 10.0
NEWLY_SECONDS: Final = 30.0
BLOCKED_SECONDS: Final = 10.0

WORKERS_READY: Final = "WorkersReady"


def launcher_wait(facts: Facts) -> float | None:
    """Seconds until this attempt's launcher may be created or resumed.

    0 means now, None that something else must change first.
    """
    if facts.launcher_alive is not None or _names_held(facts):
        return None
    policy = facts.job.launcher_creation_policy
    waits = policy is LauncherCreationPolicy.WAIT_FOR_WORKERS_READY
    if waits and not facts.workers_ready and not gang.together(facts):
        return None
    return retry.delay(facts)


def _names_held(facts: Facts) -> bool:
    """Whether Pods on their way out still have the names of this attempt's workers.

    A launcher that does not wait for its workers would begin without them, and lose
    by that attempt after attempt; on a lost node they may be there for long.
    """
    return any(pod.index < facts.job.worker_replicas for pod in facts.leaving)


def unreached(facts: Facts) -> Missing | None:
    """Tell that a launcher has failed to reach its ready workers for five minutes."""
    if gives_up_in(facts) != 0.0:
        return None
    message = "every worker is ready, but a remote start does not succeed"
    message += last_words(facts)
    now = facts.now.replace(microsecond=0)
    return Missing(now, disrupted=False, message=message, unreached=True)


def gives_up_in(facts: Facts) -> float | None:
    """Seconds until a launcher that does not reach its ready workers is ended."""
    since = _tries_since(facts)
    if since is None:
        return None
    return max(0.0, UNREACHABLE_SECONDS - facts.since(since))


def _tries_since(facts: Facts) -> datetime | None:
    """Since when this very launcher tries in vain, while every worker is ready.

    One that waits for a node or its image tries nothing, and an earlier attempt's
    workers were ready long ago.
    """
    pod, ready = facts.launcher, facts.recorded.since(WORKERS_READY)
    if pod is None or pod.tries_since is None or ready is None:
        return None
    over = pod.started or pod.terminal or pod.deleted is not None
    return max(pod.tries_since, ready) if facts.workers_ready and not over else None


def has_no_pod(facts: Facts) -> bool:
    """Whether the launcher Job should have a Pod and has had none for ten seconds."""
    return no_pod_in(facts) == 0.0


def no_pod_in(facts: Facts) -> float | None:
    """Seconds until `has_no_pod`; None where there is a Pod, or need be none."""
    age = _without_pod(facts)
    return None if age is None else max(0.0, NO_POD_SECONDS - age)


def newly_without_pod(facts: Facts) -> bool:
    """Whether that is so for less than half a minute."""
    age = _without_pod(facts)
    return age is not None and NO_POD_SECONDS <= age < NEWLY_SECONDS


def _without_pod(facts: Facts) -> float | None:
    """Seconds for which the launcher Job has waited for its Pod; None where not."""
    job = facts.launcher_job
    if job is None or job.suspended or job.terminal or job.deleted:
        return None
    if facts.launcher is not None:
        return None
    begin = max(filter(None, (job.created, facts.recorded.start_time)), default=None)
    return facts.since(begin)


def silent(facts: Facts) -> PodView | None:
    """Find a worker that has a node, is not ready and says no reason.

    Its Events may: a volume that is not mounted, a probe that fails.
    """
    return next((pod for pod, wait in _unready(facts) if not wait), None)


def silent_in(facts: Facts) -> float | None:
    """Seconds until another worker may count as silent; None where none may."""
    return min((wait for _, wait in _unready(facts) if wait), default=None)


def _unready(facts: Facts) -> Iterator[tuple[PodView, float]]:
    """Give workers that say no reason, and for how long they may yet."""
    if facts.launcher_started:
        return
    for index in range(facts.job.worker_replicas):
        pod = facts.workers.get(index)
        if pod is None or pod.ready or pod.terminal or not pod.node:
            continue
        if not trouble(pod):
            yield pod, max(0.0, BLOCKED_SECONDS - facts.since(pod.created))


def held_up(facts: Facts) -> LookLog | None:
    """Name the log that says which worker a launcher does not reach, if one waits."""
    pod, since = facts.launcher, _tries_since(facts)
    if pod is None or since is None or facts.since(since) < BLOCKED_SECONDS:
        return None
    return LookLog(pod.name, names.WAIT_CONTAINER, 1)


def last_words(facts: Facts) -> str:
    """Give what that log says, after a colon; "" where it says nothing or is closed."""
    look = held_up(facts)
    said = ((facts.snapshot.answers.get(look) if look else None) or "").strip()
    return f": {said}" if said else ""


def blocker(facts: Facts, events: str = "") -> str:
    """Name the first thing that keeps the job waiting; "" if none shows.

    Args:
        facts: what is seen.
        events: what the Events of a silent worker say.
    """
    pod = facts.launcher
    if found := gang.blocker(facts):
        return found
    for index in range(facts.job.worker_replicas):
        worker = facts.workers.get(index)
        if worker is None or worker.ready:
            continue
        found = trouble(worker)
        if not found and worker.started and worker is silent(facts):
            said = f" ({events})" if events else ""
            found = f"{whereabouts(worker)} runs, but is not ready{said}"
        if found:
            asked = facts.job.worker_replicas
            return f"{asked - facts.ready} of {asked} workers not ready: {found}"
    if pod is not None and (found := trouble(pod)):
        return found
    return ""
