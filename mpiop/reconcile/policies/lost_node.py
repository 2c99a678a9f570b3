"""Pods that do not end, since their node is away: they hold their names (design 4).

Only a person can say that a node will not come back. Who runs the operator may say
once and for all how long workers are waited for; a launcher is never forced.
"""

from collections.abc import Iterator
from typing import Final

from mpiop.reconcile.actions import Action, Delete, EmitEvent, Ref
from mpiop.reconcile.causes import listed, whereabouts
from mpiop.reconcile.facts import Facts
from mpiop.reconcile.views import PodView

NAMED_SECONDS: Final = 60.0
LATE_SECONDS: Final = 30.0  # after its grace, which may be an hour for a checkpoint
# By a NoExecute taint: mostly of a node that is not reached, seldom of one that is.
AWAY: Final = "DeletionByTaintManager"
FORCED: Final = "LostWorkerDeleted"


def message(facts: Facts) -> str:
    """Name the Pod that a lost node keeps from ending, "" where there is none.

    A Pod whose deletion was asked for long ago, whose grace is over, and that still is
    not terminal waits for its kubelet.
    """
    for pod in _going(facts):
        if _named_in(facts, pod) <= 0:
            return (
                f"{whereabouts(pod)} does not end; if the node is lost for"
                f" good, delete the node, or the Pod with --force --grace-period=0"
            )
    return ""


def actions(facts: Facts) -> Iterator[Action]:
    """Delete by force the workers whose nodes were waited for long enough."""
    patience = facts.install.force_delete_lost_workers_after
    lost = [
        pod
        for pod in facts.leaving
        if patience and not pod.terminal and facts.since(pod.due) >= patience
    ]
    for pod in lost:
        ref = Ref("Pod", facts.job.namespace, pod.name)
        yield Delete(ref, pod.uid, grace_seconds=0)
    if lost:
        who = listed([whereabouts(pod) for pod in lost])
        why = f"deleted by force, since no end was seen for {patience:g} s: {who}"
        yield EmitEvent("Warning", FORCED, why)


def due_in(facts: Facts) -> float | None:
    """Seconds until a Pod is named or forced next; None where none may be."""
    patience = facts.install.force_delete_lost_workers_after
    marks = [_named_in(facts, pod) for pod in _going(facts)]
    if patience:
        marks += [patience - facts.since(pod.due) for pod in facts.leaving]
    return min((mark for mark in marks if mark > 0), default=None)


def _named_in(facts: Facts, pod: PodView) -> float:
    """Seconds until a Pod that is to end is late."""
    known = NAMED_SECONDS - facts.since(pod.deleted)
    if AWAY in pod.disruption:
        return known
    return max(known, LATE_SECONDS - facts.since(pod.due))


def _going(facts: Facts) -> Iterator[PodView]:
    """Go through the Pods that are to end and have not."""
    alive = facts.launcher_alive
    pods = (*((alive,) if alive else ()), *facts.leaving)
    return (pod for pod in pods if pod.deleted and not pod.terminal)
