"""A launcher that does not reach its ready workers is ended; one that waits is not.

Five minutes are counted from when this very launcher began to try (design 6).
"""

from typing import Any

import pytest

from mpiop.reconcile import names
from mpiop.reconcile.actions import Action, Delete, Ref
from tests.reconcile.build import (
    NAME,
    WORKERS,
    Obj,
    after,
    at,
    base,
    condition,
    ended,
    init,
    launcher_job,
    launcher_pod,
    mpijob,
    running,
    snapshot,
    status_of,
    step,
    terminated,
    trying,
    worker,
)

WHY = "every worker is ready, but a remote start does not succeed"
DAY = 86_400.0


def ready(**run_policy: Any) -> Obj:  # noqa: ANN401
    """Give a job whose workers are all ready since NOW."""
    job = mpijob(**run_policy)
    return after(job, step(snapshot(job, *base(), *WORKERS)))


def deleted(actions: tuple[Action, ...]) -> list[Ref]:
    """Name what is deleted."""
    return [one.ref for one in actions if isinstance(one, Delete)]


def look(job: Obj, pod: Obj, seconds: float, *workers: Obj) -> tuple[Action, ...]:
    """Plan with this launcher's Pod, so many seconds after NOW."""
    attempt = int(pod["metadata"]["labels"][names.ATTEMPT])
    earlier = [failed(one) for one in range(attempt)]
    all_workers = workers or WORKERS
    mine = launcher_job(attempt)
    return step(snapshot(job, *base(), *all_workers, *earlier, mine, pod), seconds)


def failed(attempt: int) -> Obj:
    """Give the Job of an attempt that has failed."""
    return launcher_job(attempt, "Failed", reason="BackoffLimitExceeded")


def test_it_is_recorded_and_then_ended() -> None:
    """The words of its log are kept: its Pod is gone before its Job has failed."""
    job = ready(backoffLimit=0)
    assert not deleted(look(job, trying(), 299))

    actions = look(job, trying(), 301)

    told = status_of(actions)
    assert told["recorded"]["missing"]["unreached"] is True
    assert told["reason"] == "RemoteStartFailed"
    assert deleted(actions) == [Ref("Pod", "default", f"{NAME}-launcher-abcde")]
    assert actions.index(next(a for a in actions if isinstance(a, Delete))) > 0
    job = after(job, actions)
    job = after(job, step(snapshot(job, *base(), *WORKERS, failed(0)), 310))
    told = job["status"]
    assert (told["result"], told["reason"]) == ("Failed", "RemoteStartFailed")
    assert told["message"] == f"{WHY}: first line\nlast line"


def test_it_is_ended_though_the_operator_went_between_record_and_deletion() -> None:
    """What is recorded is carried through."""
    job = ready(backoffLimit=0)
    job = after(job, look(job, trying(), 301))

    assert len(deleted(look(job, trying(), 302))) == 1


def test_the_next_attempt_has_five_minutes_of_its_own() -> None:
    """Though the workers are ready since the first one began, an hour ago."""
    job = running(backoffLimit=2)
    pod = ended(launcher_pod(), terminated(3, 3_600), "Failed")
    job = after(job, step(snapshot(job, *base(), *WORKERS, failed(0), pod), 3_605))
    assert condition(job["status"], "WorkersReady")["status"] == "True"

    assert not deleted(look(job, launcher_pod(1, started=False), 3_700))
    assert not deleted(look(job, trying(1, 3_620), 3_700))
    assert not deleted(look(job, trying(1, 3_620), 3_919))
    assert len(deleted(look(job, trying(1, 3_620), 3_921))) == 1


def test_an_evicted_launcher_is_tried_again() -> None:
    """Its retry is free, and begins with five minutes of its own as well."""
    job = running(backoffLimit=0)
    pod = ended(launcher_pod(), terminated(137, 3_600), "Failed")
    pod["status"] |= {"reason": "Evicted", "message": "The node was low on memory."}
    job = after(job, step(snapshot(job, *base(), *WORKERS, failed(0), pod), 3_605))
    assert job["status"]["recorded"]["disruptions"] == 1

    assert not deleted(look(job, launcher_pod(1, started=False), 3_700))


@pytest.mark.parametrize(
    "inits",
    [
        [],
        [init("stage-in", {"running": {"startedAt": at(0)}})],
        [init(names.WAIT_CONTAINER, {"waiting": {"reason": "ImagePullBackOff"}})],
        [init(names.WAIT_CONTAINER, terminated(0, 200, 0))],
    ],
    ids=["not scheduled, or no wait", "stages data in", "pulls its image", "waited"],
)
def test_a_launcher_that_does_not_try_has_all_the_time(inits: list[Obj]) -> None:
    """There is no bound on how long a node, an image or the user's own takes."""
    pod = launcher_pod(started=False)
    pod["status"]["initContainerStatuses"] = inits

    assert not deleted(look(ready(), pod, DAY))


def test_a_worker_that_is_not_ready_explains_it() -> None:
    """The five minutes are those in which every worker is ready."""
    workers = [worker(0), worker(1, ready=False)]

    assert not deleted(look(ready(), trying(), DAY, *workers))


def test_an_init_container_that_fails_is_named() -> None:
    """The user's own, say: the Job alone tells that it has failed."""
    pod = launcher_pod(started=False)
    pod["status"]["phase"] = "Failed"
    end = terminated(2, -1, message="no such bucket")
    pod["status"]["initContainerStatuses"] = [init("stage-in", end)]
    job = ready(backoffLimit=0)

    told = status_of(step(snapshot(job, *base(), *WORKERS, failed(0), pod), 10))

    assert "an init container of the launcher ended with exit code 2" in told["message"]
    assert told["message"].endswith("no such bucket")
