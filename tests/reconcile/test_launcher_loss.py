"""A launcher's Pod that somebody deletes: the cause is kept until its Job has ended."""

from mpiop.reconcile.actions import Create, CreateLauncher
from tests.reconcile.build import (
    NAME,
    WORKERS,
    Obj,
    after,
    at,
    base,
    condition,
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

POD = f"{NAME}-launcher-abcde on node node-l"
DISRUPTED = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "message": "evicting",
}
FAILED = launcher_job(0, "Failed", reason="BackoffLimitExceeded")


def going(*conditions: Obj) -> Obj:
    """Give the launcher's Pod on its way out."""
    pod = launcher_pod()
    pod["metadata"]["deletionTimestamp"] = at(30)
    pod["metadata"]["deletionGracePeriodSeconds"] = 30
    pod["spec"]["nodeName"] = "node-l"
    pod["status"]["conditions"] = list(conditions)
    return pod


def test_an_evicted_launcher_is_told_at_once_and_to_the_end() -> None:
    """Pod, node and cause, though the Pod has gone when its Job has failed; free."""
    job = running(backoffLimit=0)
    first = step(snapshot(job, *base(), *WORKERS, launcher_job(), going(DISRUPTED)))
    assert status_of(first)["reason"] == "LauncherDisrupted"
    assert f"{POD} is disrupted (EvictionByEvic" in status_of(first)["message"]
    job = after(job, first)

    failed = launcher_job(0, "Failed", reason="PodFailurePolicy", message="a rule")
    raised = status_of(step(snapshot(job, *base(), *WORKERS, failed)))

    assert raised["recorded"]["disruptions"] == 1
    assert f"{POD} is disrupted" in condition(raised, "Restarting")["message"]
    assert "missing" not in raised["recorded"] or not raised["recorded"]["missing"]


def test_a_launcher_pod_that_a_user_deletes_says_so() -> None:
    """Not by the exit code with which mpirun takes a SIGTERM; backoffLimit decides."""
    job = running(backoffLimit=0)
    world = [*base(), *WORKERS]
    job = after(job, step(snapshot(job, *world, launcher_job(), going())))
    pod = ended(going(), terminated(1, 2), "Failed")

    told = after(job, step(snapshot(job, *world, FAILED, pod), 5))["status"]

    assert (told["result"], told["reason"]) == ("Failed", "LauncherDeleted")
    assert f"the launcher was deleted ({POD})" in told["message"]


def test_an_elastic_job_is_told_of_its_launcher_as_well() -> None:
    """Its workers may go, its launcher may not."""
    job = running(backoffLimit=0, workerFailurePolicy="KeepLauncher")

    told = step(snapshot(job, *base(), *WORKERS, launcher_job(), going()))

    assert status_of(told)["reason"] == "LauncherDeleted"


def test_a_launcher_that_ends_well_while_it_is_deleted_has_succeeded() -> None:
    """Its workers lived to its end."""
    job = running(backoffLimit=0)
    world = [*base(), *WORKERS]
    job = after(job, step(snapshot(job, *world, launcher_job(), going())))
    done = ended(going(), terminated(0, 2, message="+0\n+1"), "Succeeded")

    told = status_of(step(snapshot(job, *world, launcher_job(0, "Complete"), done), 5))

    assert told["result"] == "Succeeded"
    assert condition(told, "Verified")["status"] == "True"


def test_a_drain_that_nobody_watched_is_free() -> None:
    """The worker's object has gone, with its cause; the launcher's Job tells it."""
    job = running(backoffLimit=0)
    failed = launcher_job(0, "Failed", reason="PodFailurePolicy", message="a rule")

    raised = status_of(step(snapshot(job, *base(), worker(0), failed)))

    assert raised["recorded"]["disruptions"] == 1
    assert f"{NAME}-worker-1 is gone" in condition(raised, "Restarting")["message"]


def test_a_launcher_that_its_suspended_job_ends_is_not_missing() -> None:
    """Suspend is no loss, also where resume comes before its Pod has ended."""
    job = running()
    job["spec"]["runPolicy"]["suspend"] = True
    halted = launcher_job()
    halted["spec"]["suspend"] = True
    actions = step(snapshot(job, *base(), *WORKERS, halted, going()))
    job = after(job, actions)
    job["spec"]["runPolicy"]["suspend"] = False

    told = status_of(step(snapshot(job, *base(), *WORKERS, halted, going())))

    assert told.get("reason", "Suspended") == "Suspended"
    assert not told.get("recorded", {}).get("missing")


def test_a_launcher_is_not_made_while_its_workers_names_are_held() -> None:
    """It would begin without them, where it does not wait for them by itself."""
    job = running(backoffLimit=0)
    failed = launcher_job(0, "Failed", reason="PodFailurePolicy", message="a rule")
    stuck = worker(1)
    stuck["metadata"]["deletionTimestamp"] = at(-5)
    job = after(job, step(snapshot(job, *base(), worker(0), stuck, failed)))

    held = step(snapshot(job, *base(), worker(0), stuck, failed), 600)
    free = step(snapshot(job, *base(), worker(0), failed), 601)

    assert not [one for one in held if isinstance(one, Create | CreateLauncher)]
    made = [one.ref.name for one in free if isinstance(one, Create | CreateLauncher)]
    assert made == [f"{NAME}-worker-1", f"{NAME}-launcher-r1"]
