"""Judge the present attempt: does it go on, did it succeed, why did it fail?

One launcher Job is one attempt. Exit code 0 is necessary for a success, not
sufficient: Open MPI 5 may exit 0 when it loses a worker (design 4).
"""

import re
from datetime import datetime
from typing import Final, Literal

import attrs

from mpiop.reconcile.actions import LookLog
from mpiop.reconcile.causes import describe, listed, permanent, whereabouts
from mpiop.reconcile.desired import hosts
from mpiop.reconcile.facts import Facts
from mpiop.reconcile.policies import worker_loss
from mpiop.reconcile.recorded import Truth
from mpiop.reconcile.views import JobView, PodView

TAIL_LINES: Final = 40
SHOWN_LINES: Final = 5
SHOWN_WIDTH: Final = 500
# Lines that say nothing: blanks, rules, and kubectl of each remote start that ended,
# which the record tells by worker.
_IDLE: Final = re.compile(r"[\s=*_-]*|command terminated with exit code \d+")
# How long a worker's end may take to reach us after the launcher's, though it came
# first: each Pod is told of by a kubelet of its own, in its own time. It is counted
# from when the Job was told. Where that was later than where nobody is busy, three
# times as much longer a worker's end may take: a busy kubelet was seen to be eight
# seconds late, and to tell of one Pod long after the other. An exit code of 0 is not
# believed before; where a remote start ended badly, much later. A failure that may be a
# worker's is not put down to the program before.
SETTLE_SECONDS: Final = 1.5
LATER: Final = 3.0
# What is no sign of being busy: a kubelet looks at its containers once a second; a
# second after the end it tells the Pod's phase, and the Job controller gathers Pods for
# another. The API's times are in whole seconds.
LOOKING_SECONDS: Final = 1.0
TELLING_SECONDS: Final = 2.0
DOUBT_SECONDS: Final = 10.0


@attrs.frozen
class Outcome:
    """How the attempt stands.

    Attributes:
        free: a retry does not count against backoffLimit (a disruption).
        final: no retry can help.
        verified: whether the success can be believed.
    """

    state: Literal["open", "succeeded", "failed"]
    reason: str = ""
    message: str = ""
    free: bool = False
    final: bool = False
    verified: Truth = "True"


OPEN: Final = Outcome("open")


def judge(facts: Facts) -> Outcome:
    """Judge this attempt from its launcher Job, its Pod and its workers.

    Jobs and Pods come by two watches, and either may be behind. A terminal Job is
    believed once its Pod is seen terminal as well: what happened to a worker before
    has come by the same watch, and so has the agent's record.
    """
    job, pod = facts.launcher_job, facts.launcher
    bare = facts.bare_launcher
    if bare is not None and bare.terminal and bare.deleted is None:
        return _completed(facts) if bare.phase == "Succeeded" else _failed(facts, None)
    if job is not None and job.terminal and pod is not None and not pod.terminal:
        return OPEN
    if job is not None and job.terminal == "Complete":
        return _completed(facts)
    if job is not None and job.terminal == "Failed":
        return OPEN if settles_in(facts) else _failed(facts, job)
    if facts.launcher_alive is not None:
        return OPEN
    if job is not None and job.inherited and job.suspended:
        return _replaced(facts)
    if (job is None or job.deleted) and facts.launcher_started:
        return _failed_by_loss(facts) or Outcome(
            "failed", "LauncherDeleted", "the launcher was deleted"
        )
    return OPEN


def _replaced(facts: Facts) -> Outcome:
    """Judge a suspended Job of another operator: it is not resumed, but replaced.

    Its Pod would have keys that no worker of ours takes.
    """
    if facts.job.run_policy.suspend:
        return OPEN
    message = "the launcher is made anew; its Job was another operator's"
    return _failed_by_loss(facts) or Outcome(
        "failed", "LauncherReplaced", message, free=True
    )


def _failed_by_loss(facts: Facts) -> Outcome | None:
    missing = facts.recorded.missing
    if missing is None:
        return None
    return Outcome("failed", missing.reason, missing.message, free=missing.disrupted)


def wanted_log(facts: Facts) -> LookLog | None:
    """Name the log whose last lines tell why the launcher failed, if one does."""
    job, pod = facts.launcher_job, facts.launcher
    failed = job.terminal == "Failed" if job else facts.bare_launcher is not None
    if facts.finished or not failed or pod is None or pod.phase != "Failed":
        return None
    if settles_in(facts):
        return None
    container = hosts.main_name(facts.job.launcher.template)
    look = LookLog(pod.name, container, TAIL_LINES)
    return look if pod.started and container else None


def remote_starts(pod: PodView | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Read our agent's record in the termination log (desired/scripts.py).

    Words of the user's program in the same log are passed over.

    Returns:
        The hosts in which something was started, and those in which it ended badly,
        with the exit code; each once, in order.
    """
    lines = pod.ended.message.splitlines() if pod and pod.ended else []
    started: dict[str, None] = {}
    bad: dict[str, None] = {}
    for line in lines:
        match line[:1], line[1:].split():
            case "+", [who]:
                started[_host(who)] = None
            case "!", [who, code]:
                bad[f"{_host(who)} ({code})"] = None
            case _:
                pass
    return tuple(started), tuple(bad)


def _host(who: str) -> str:
    return f"worker-{who}" if who.isdecimal() else who


def _completed(facts: Facts) -> Outcome:
    pod = facts.launcher
    fate, why = worker_loss.fate(facts)
    if fate == "lost":
        message = f"the launcher exited with code 0, but {why}"
        return Outcome("failed", "WorkerLost", message, free=_disrupted(facts))
    if fate == "unknown":
        message = f"whether the workers lived to the end is not known: {why}"
        return Outcome("succeeded", "LauncherSucceeded", message, verified="Unknown")
    if pod is None:
        message = "the launcher's Pod is gone, and with it what it recorded"
        return Outcome("succeeded", "LauncherSucceeded", message, verified="Unknown")
    return OPEN if settles_in(facts) else _believed(facts, pod)


def _believed(facts: Facts, pod: PodView) -> Outcome:
    """Decide how far an exit code of 0 with workers that look alive is believed."""
    if pod.inherited:
        message = "another operator started the launcher: what had a part is not known"
        return Outcome("succeeded", "LauncherSucceeded", message, verified="Unknown")
    started, bad = remote_starts(pod)
    if bad and not facts.job.elastic:
        message = f"remote starts that ended badly: {listed(bad)}"
        return Outcome("succeeded", "LauncherSucceeded", message, verified="Unknown")
    if facts.job.worker_replicas and not started:
        message = "no process was started in any worker: the launcher ran alone"
        return Outcome("succeeded", "RanOnLauncherOnly", message, verified="False")
    message = f"hosts started by the launcher: {listed(started)}" if started else ""
    return Outcome("succeeded", "LauncherSucceeded", message)


def settles_in(facts: Facts) -> float | None:
    """Seconds until an ended launcher is judged; None where there is none to judge."""
    job, pod = facts.launcher_job, facts.launcher
    if facts.finished or job is None or not job.terminal:
        return None
    finished = facts.launcher_finished
    lonely = facts.job.elastic or not facts.job.worker_replicas
    if pod is None or finished is None or lonely:
        return 0.0
    doubtful = bool(remote_starts(pod)[1])
    failed = job.terminal == "Failed"
    if failed and not (doubtful and _unexplained(facts, job, pod)):
        return None
    told = job.ended or finished
    late = _late(finished, max(finished, pod.unready_since or finished), told)
    wait = min(SETTLE_SECONDS + LATER * late, DOUBT_SECONDS)
    if doubtful and not failed:
        wait = DOUBT_SECONDS
    age = facts.since(max(told, finished))
    # A clock far behind the node's would wait for as long as it is behind.
    return 0.0 if age < -wait else max(0.0, wait - age)


def _late(finished: datetime, noticed: datetime, told: datetime) -> float:
    """Seconds by which kubelet or Job controller are later than at rest."""
    looked = (noticed - finished).total_seconds() - LOOKING_SECONDS
    heard = (told - noticed).total_seconds() - TELLING_SECONDS
    return max(0.0, looked, heard)


def _unexplained(facts: Facts, job: JobView, pod: PodView) -> bool:
    """Whether nothing is known yet of why the launcher failed but its exit code."""
    disrupted = pod.disruption or job.reason == "PodFailurePolicy"
    return not (disrupted or job.inherited or worker_loss.loss(facts))


def _disrupted(facts: Facts) -> bool:
    missing = worker_loss.loss(facts)
    return missing is not None and missing.disrupted


def _failed(facts: Facts, job: JobView | None) -> Outcome:
    outcome = _cause(facts, job)
    if job is None or not job.inherited:
        return outcome
    # It has retried by itself, as often as the user wanted.
    return attrs.evolve(outcome, reason=job.reason or outcome.reason, final=True)


def _cause(facts: Facts, job: JobView | None) -> Outcome:
    missing = worker_loss.loss(facts)
    if missing is not None:
        reason, message = missing.reason, missing.message
        return Outcome("failed", reason, message, free=missing.disrupted)
    pod = facts.launcher
    if pod is not None and (pod.disruption or pod.reason == "Evicted"):
        why = pod.disruption or pod.message
        message = f"{whereabouts(pod)} was disrupted ({why})"
        return Outcome("failed", "LauncherDisrupted", message, free=True)
    if job is not None and job.reason == "PodFailurePolicy":
        return Outcome("failed", "LauncherDisrupted", job.message, free=True)
    if pod is None or pod.ended is None:
        message = (job and job.message) or "the launcher's Pod ended"
        if end := pod and pod.init_ended:
            how = f"an init container of the launcher ended with {describe(end)}"
            message = _said(how, end.message)
        return Outcome("failed", "LauncherFailed", message)
    return _exited(facts, pod)


def _exited(facts: Facts, pod: PodView) -> Outcome:
    assert pod.ended is not None  # noqa: S101 - the caller looked
    tail = tail_of(facts)
    how = f"the launcher exited with {describe(pod.ended)}"
    _, bad = remote_starts(pod)
    if bad:
        how += f"; remote starts that ended badly: {listed(bad)}"
    known = permanent(facts.job.mpi_implementation, pod.ended, tail)
    if known is not None:
        reason, remedy = known
        return Outcome("failed", reason, _said(f"{how}; {remedy}", tail), final=True)
    return Outcome("failed", "LauncherFailed", _said(how, tail))


def tail_of(facts: Facts) -> str:
    """Give the launcher's last lines: its log where it may be read."""
    look = wanted_log(facts)
    read = facts.snapshot.answers.get(look) if look else None
    return (read or "").strip()


def _said(what: str, words: str) -> str:
    """Add the last lines; one that never ends would not fit into a status."""
    telling = [line for line in words.splitlines() if not _IDLE.fullmatch(line)]
    lines = [
        line if len(line) <= SHOWN_WIDTH else f"{line[:SHOWN_WIDTH]}..."
        for line in telling[-SHOWN_LINES:]
    ]
    return "\n".join([f"{what}; last lines:", *lines]) if lines else what
