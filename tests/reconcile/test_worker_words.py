"""A worker that ends well and says no reason: its Events are asked for one."""

import attrs
import pytest

from mpiop.reconcile.actions import LookEvents
from mpiop.reconcile.plan import plan
from mpiop.reconcile.snapshot import Snapshot
from tests.reconcile.build import (
    NAME,
    NOW,
    Obj,
    after,
    base,
    ended,
    launcher_job,
    launcher_pod,
    running,
    snapshot,
    status_of,
    terminated,
    worker,
)

FULL = 'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". '


def stopped(code: int = 0, phase: str = "Succeeded", **status: object) -> Obj:
    """Give worker 1, whose sshd has ended as if all were well."""
    pod = ended(worker(1), terminated(code, -2), phase)
    pod["status"].update(status)
    return pod


def seen(job: Obj, pod: Obj, *others: Obj) -> Snapshot:
    launcher = others or (launcher_job(), launcher_pod())
    return snapshot(job, *base(), worker(0), pod, *launcher)


def asked(found: Snapshot) -> list[LookEvents]:
    return [one for one in plan(found, NOW).looks if isinstance(one, LookEvents)]


def test_its_events_say_why() -> None:
    """A kubelet that evicts it for its own doing says so nowhere else; it is kept."""
    found = seen(running(), stopped())
    (look,) = asked(found)
    assert look.ref.name == f"{NAME}-worker-1"
    told = plan(attrs.evolve(found, answers={look: FULL}), NOW).actions
    why = f"{NAME}-worker-1 on node node-a has ended (exit code 0): {FULL.strip()}"
    assert why in status_of(told)["message"]
    again = seen(after(running(), told), stopped())
    assert asked(again) == []


def test_a_launcher_that_ended_well_beside_it_is_told_so_too() -> None:
    """Open MPI 5 may: the attempt has failed, and its verdict has both."""
    done = ended(launcher_pod(), terminated(0, -1, message="+0\n+1"), "Succeeded")
    job = running(backoffLimit=0)
    found = seen(job, stopped(), launcher_job(0, "Complete"), done)
    (look,) = asked(found)
    told = status_of(plan(attrs.evolve(found, answers={look: FULL}), NOW).actions)
    assert told["reason"] == "WorkerLost"
    assert told["message"].startswith("the launcher exited with code 0, but ")
    assert told["message"].endswith(FULL.strip())


def test_events_that_cannot_be_read_stop_nothing() -> None:
    """What the Pod says is told."""
    found = seen(running(), stopped())
    answers = dict.fromkeys(plan(found, NOW).looks)
    told = status_of(plan(attrs.evolve(found, answers=answers), NOW).actions)
    assert told["message"].endswith("has ended (exit code 0)")


@pytest.mark.parametrize(
    "pod",
    [
        worker(1),
        stopped(137, "Failed"),
        stopped(reason="Evicted", message="The node was low on resource: memory."),
        stopped(conditions=[{"type": "DisruptionTarget", "status": "True"}]),
    ],
    ids=["runs", "failed", "evicted", "disrupted"],
)
def test_a_pod_that_says_why_is_not_asked_about(pod: Obj) -> None:
    """Events cost a call, and may be gone."""
    assert asked(seen(running(), pod)) == []


def test_an_elastic_job_does_without_it() -> None:
    """Its workers may go."""
    job = running(workerFailurePolicy="KeepLauncher")
    assert asked(seen(job, stopped())) == []
