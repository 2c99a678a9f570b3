"""Workers that went while nobody watched: their kubelets' Events outlive them."""

from typing import Any

import attrs
import pytest

from mpiop.reconcile.actions import Look, LookKilled
from mpiop.reconcile.plan import plan
from mpiop.reconcile.snapshot import Snapshot
from tests.reconcile.build import (
    NAME,
    NOW,
    Obj,
    at,
    base,
    condition,
    ended,
    launcher_job,
    launcher_pod,
    running,
    snapshot,
    status_of,
    terminated,
    worker,
)

GONE = f"the launcher exited with code 0, but {NAME}-worker-0 on node node-a was told"
ENDED = -2  # seconds from NOW, of the launcher Job


def killed(index: int, seconds: float, uid: str = "", node: str = "node-a") -> str:
    """Write what the look says of one worker."""
    name = f"{NAME}-worker-{index}"
    return f"{name} {uid or f'uid-of-{name}'} {at(seconds)} {node}"


BOTH = "\n".join((killed(1, -9), killed(0, -8)))


def asked(found: Snapshot) -> list[Look]:
    return [one for one in plan(found, NOW).looks if isinstance(one, LookKilled)]


def told(found: Snapshot, answer: str | None) -> Obj:
    """Give the status once the look is answered."""
    answers = dict.fromkeys(plan(found, NOW).looks, answer)
    return status_of(plan(attrs.evolve(found, answers=answers), NOW).actions)


def emptied(*pods: Obj, how: str = "Complete", **policy: Any) -> Snapshot:  # noqa: ANN401
    """See the launcher Job ended, and of all Pods only these."""
    return snapshot(running(**policy), *base(), launcher_job(0, how), *pods)


def test_no_success_is_believed_that_a_drain_made() -> None:
    """All Pods are gone, the Job is complete: the workers were told to stop before."""
    found = emptied()
    (look,) = asked(found)
    assert look == LookKilled("default", f"{NAME}-worker-", "main")
    status = told(found, BOTH)
    assert (status["restarts"], status["recorded"]["disruptions"]) == (1, 1)
    why = condition(status, "Restarting")["message"]
    assert why.endswith(f"{GONE} to stop at {at(-8)}")


def test_a_drain_that_failed_the_launcher_is_for_free() -> None:
    """Another MPI ends with an error when it loses a worker; the cause is the same."""
    status = told(emptied(how="Failed"), BOTH)
    assert (status["restarts"], status["recorded"]["disruptions"]) == (1, 1)


def test_a_launcher_that_is_still_there_was_not_drained() -> None:
    """Somebody took the workers: no success, and an attempt that counts."""
    pod = ended(launcher_pod(), terminated(0, -1, message="+0\n+1"), "Succeeded")
    status = told(emptied(pod, backoffLimit=0), BOTH)
    assert (status["result"], status["reason"]) == ("Failed", "WorkerLost")
    assert status["message"].startswith(GONE)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "",
        killed(0, -8),
        "\n".join((killed(0, -8), killed(1, -9, "uid-of-an-earlier-one"))),
        "\n".join((killed(0, ENDED + 1), killed(1, 0))),
    ],
    ids=["unreadable", "none", "one of two", "others", "later"],
)
def test_what_events_do_not_prove_is_not_known(answer: str | None) -> None:
    """A finished job whose Pods went afterwards must not run anew."""
    status = told(emptied(), answer)
    assert status["result"] == "Succeeded"
    assert condition(status, "Verified")["status"] == "Unknown"


def test_the_very_second_counts_as_before() -> None:
    """That is when mpirun loses a worker."""
    status = told(emptied(), "\n".join((killed(0, 0), killed(1, ENDED, node=""))))
    why = condition(status, "Restarting")["message"]
    assert why.endswith(f"{NAME}-worker-1 was told to stop at {at(ENDED)}")


def test_a_worker_that_stayed_has_its_part_in_the_proof() -> None:
    """Only one node of two was drained."""
    status = told(emptied(worker(1)), killed(0, -8))
    assert status["restarts"] == 1
    assert "result" not in status


@pytest.mark.parametrize(
    "found",
    [
        emptied(worker(0), worker(1)),
        emptied(launcher_pod()),
        emptied(workerFailurePolicy="KeepLauncher"),
        snapshot(running(), *base(), launcher_job(), launcher_pod()),
    ],
    ids=["all there", "Pod not ended yet", "elastic", "running"],
)
def test_what_is_known_is_not_asked(found: Snapshot) -> None:
    """Events cost a call."""
    assert asked(found) == []
