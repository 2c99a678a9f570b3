"""Pods that do not end, since their node is away."""

import attrs
import pytest

from mpiop.reconcile.actions import Action, Delete, EmitEvent, Ref
from mpiop.reconcile.mpijob import Install
from mpiop.reconcile.plan import plan
from mpiop.reconcile.snapshot import Snapshot
from tests.reconcile.build import (
    NAME,
    NOW,
    Obj,
    at,
    base,
    ended,
    launcher_job,
    launcher_pod,
    running,
    snapshot,
    status_of,
    step,
    terminated,
    worker,
)

PATIENCE = 300.0


def going(pod: Obj, seconds: float) -> Obj:
    """Have a Pod be past its grace for so many seconds."""
    pod["metadata"]["deletionTimestamp"] = at(-seconds)
    return pod


def seen(*pods: Obj, patience: float = PATIENCE) -> Snapshot:
    found = snapshot(running(backoffLimit=1), *base(), launcher_job(), *pods)
    install = Install(force_delete_lost_workers_after=patience)
    return attrs.evolve(found, install=install)


def forced(actions: tuple[Action, ...]) -> list[Action]:
    """List what is done by force, and what is told of it."""
    return [
        one
        for one in actions
        if (isinstance(one, Delete) and one.grace_seconds == 0)
        or (isinstance(one, EmitEvent) and one.reason == "LostWorkerDeleted")
    ]


def test_a_lost_node_is_named_with_its_remedy() -> None:
    """A launcher that does not end for a minute: WaitingForLostNode."""
    stuck = going(launcher_pod(), 90)
    actions = step(seen(worker(0), worker(1), stuck))
    assert status_of(actions)["reason"] == "WaitingForLostNode"
    assert "node-a" in status_of(actions)["message"]


@pytest.mark.parametrize(
    ("past", "away", "named"),
    [(-300, False, False), (29, False, False), (30, False, True), (-300, True, True)],
    ids=["in its grace", "in a moment", "late", "its node is known to be away"],
)
def test_a_pod_that_uses_its_grace_is_not_lost(
    past: float, away: bool, named: bool
) -> None:
    """It may write a checkpoint for as long as it was given: no force is advised."""
    pod = going(worker(0), past)
    pod["metadata"]["deletionGracePeriodSeconds"] = 600
    if away:
        entry = {"type": "DisruptionTarget", "status": "True"}
        pod["status"]["conditions"] += [{**entry, "reason": "DeletionByTaintManager"}]
    found = plan(seen(pod, worker(1), launcher_pod(), patience=0.0), NOW)
    told = status_of(found.actions).get("reason") == "WaitingForLostNode"
    assert told is named
    if not named:
        assert found.requeue_after is not None
        assert found.requeue_after <= 30 - past


def test_workers_are_deleted_by_force_once_they_were_waited_for() -> None:
    """By uid, with no grace; one Event names them."""
    pods = [going(worker(index), PATIENCE) for index in range(2)]
    workers = [f"{NAME}-worker-{index}" for index in range(2)]
    deletes = [
        Delete(Ref("Pod", "default", name), f"uid-of-{name}", grace_seconds=0)
        for name in workers
    ]
    where = ", ".join(f"{name} on node node-a" for name in workers)
    said = f"deleted by force, since no end was seen for 300 s: {where}"
    event = EmitEvent("Warning", "LostWorkerDeleted", said)
    assert forced(step(seen(*pods, launcher_pod()))) == [*deletes, event]


@pytest.mark.parametrize(
    ("pod", "patience"),
    [
        (going(worker(0), PATIENCE - 1), PATIENCE),
        (going(worker(0), 10 * PATIENCE), 0.0),
        (going(ended(worker(0), terminated(0, -5), "Succeeded"), 400), PATIENCE),
        (going(launcher_pod(), 10 * PATIENCE), PATIENCE),
    ],
    ids=["not yet", "never", "has ended", "the launcher"],
)
def test_nothing_else_is_deleted_by_force(pod: Obj, patience: float) -> None:
    """Least of all a launcher: there would be two of them."""
    assert forced(step(seen(pod, worker(1), patience=patience))) == []


def test_it_is_looked_at_in_time() -> None:
    """First to name the Pod, then to force it; there may be no other event."""
    pods = worker(1), launcher_pod()
    soon = plan(seen(going(worker(0), 55), *pods), NOW).requeue_after
    later = plan(seen(going(worker(0), PATIENCE - 3), *pods), NOW).requeue_after
    assert soon is not None
    assert later is not None
    assert (soon, later) == (5.0, 3.0)
