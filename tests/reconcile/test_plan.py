"""Stories, step by step: what is seen, and what is done about it."""

from datetime import timedelta
from typing import Any, TypeGuard, cast

import attrs
import pytest

from mpiop.reconcile import names
from mpiop.reconcile.actions import (
    Action,
    Create,
    CreateLauncher,
    CreateSSHSecret,
    Delete,
    EmitEvent,
    LookEvents,
    Patch,
    PatchStatus,
    Ref,
)
from mpiop.reconcile.mpijob import Install
from mpiop.reconcile.plan import plan
from mpiop.reconcile.snapshot import Finding, FindingKind
from tests.reconcile.build import (
    NAME,
    NOW,
    UID,
    WORKERS,
    Obj,
    after,
    at,
    base,
    condition,
    ended,
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

SUSPENDED = [{"type": "Suspended", "status": "True"}]
COMPLETE_LONG_AGO = launcher_job(0, "Complete", lastTransitionTime=at(-20))


def created(actions: tuple[Any, ...]) -> list[str]:
    """Name what is created, in order."""
    kinds = (Create, CreateLauncher, CreateSSHSecret)
    return [one.ref.name for one in actions if isinstance(one, kinds)]


def deleted(actions: tuple[Any, ...]) -> list[str]:
    """Name what is deleted, in order."""
    return [one.ref.name for one in actions if isinstance(one, Delete)]


def events(actions: tuple[Any, ...]) -> list[str]:
    """Name the reasons of the Events."""
    return [one.reason for one in actions if isinstance(one, EmitEvent)]


@pytest.mark.compat("objects.order", "launcher.AtStartup", "status.phase")
@pytest.mark.checklist("7.1.AllResourcesCreated")
def test_a_new_job_gets_all_its_children_at_once() -> None:
    """N+4 creates over ssh, the launcher last, after one status write; one Event.

    The Service comes after the workers, each of which its controllers would be told of.
    """
    actions = step(snapshot(mpijob(2)))

    assert isinstance(actions[0], PatchStatus)
    assert created(actions) == [
        f"{NAME}-config",
        f"{NAME}-ssh-{UID}",
        f"{NAME}-worker-0",
        f"{NAME}-worker-1",
        NAME,
        f"{NAME}-launcher",
    ]
    assert events(actions) == ["MPIJobCreated"]
    assert status_of(actions)["phase"] == "Created"


@pytest.mark.compat("objects.order")
def test_kubectl_exec_needs_two_more() -> None:
    """N+6 creates: ServiceAccount, Role and RoleBinding instead of the Secret."""
    job = mpijob(2)
    job["spec"]["remoteShell"] = "KubectlExec"

    actions = step(snapshot(job))

    assert len(created(actions)) == 2 + 6
    assert not [one for one in actions if isinstance(one, CreateSSHSecret)]


def test_ready_workers_are_a_phase() -> None:
    """All workers ready and the launcher still waiting is WorkersReady."""
    seen = snapshot(
        mpijob(2), *base(), *WORKERS, launcher_job(), launcher_pod(started=False)
    )

    assert status_of(step(seen))["phase"] == "WorkersReady"


def test_the_launchers_start_records_the_workers_identity() -> None:
    """LauncherRunning, Running=True, and who the workers are."""
    job = running()

    assert job["status"]["phase"] == "LauncherRunning"
    assert condition(job["status"], "Running")["status"] == "True"
    assert job["status"]["recorded"]["workers"]["count"] == 2


@pytest.mark.compat("clean-up.Running", "launcher.verdict", "status.result")
def test_exit_code_0_with_all_workers_alive_is_a_success() -> None:
    """Succeeded is written first, then cleanPodPolicy Running removes the workers."""
    job = running(cleanPodPolicy="Running")
    pod = ended(launcher_pod(), terminated(0, -2, message="+0\n+1"), "Succeeded")
    seen = snapshot(job, *base(), *WORKERS, launcher_job(0, "Complete"), pod)

    actions = step(seen)

    assert status_of(actions)["phase"] == "Succeeded"
    assert status_of(actions)["result"] == "Succeeded"
    assert condition(status_of(actions), "Verified")["status"] == "True"
    assert deleted(actions) == [f"{NAME}-worker-0", f"{NAME}-worker-1"]
    assert events(actions) == ["MPIJobSucceeded"]
    done = after(job, actions)
    gone = step(snapshot(done, *base(), launcher_job(0, "Complete"), pod))
    assert status_of(gone)["phase"] == "Cleaned"
    assert events(gone) == []


def test_a_terminal_job_waits_for_its_pods_last_word() -> None:
    """The Job's watch is ahead of the Pods': nothing is judged before both are here."""
    job = running()
    seen = snapshot(job, *base(), *WORKERS, launcher_job(0, "Complete"), launcher_pod())

    assert step(seen) == ()


def test_a_lost_worker_stays_until_its_attempt_is_judged() -> None:
    """Cause of a failure whose Pod's end is not here yet, it is not yet replaced."""
    job = running()
    dead = ended(worker(1), terminated(137, -1), "Failed")
    world = (*base(), worker(0), dead, launcher_job(0, "Failed"), launcher_pod())
    first = step(snapshot(job, *world))

    then = step(snapshot(after(job, first), *world), 1)

    assert status_of(first)["reason"] == "WorkerLost"
    for actions in (first, then):
        assert deleted(actions) == created(actions) == []


@pytest.mark.compat("conditions.Succeeded", "status.result")
@pytest.mark.defect("D1", "E21")
def test_exit_code_0_without_a_remote_start_is_no_plain_success() -> None:
    """RanOnLauncherOnly, Verified=False, result Unverified, a Warning."""
    job = running()
    pod = ended(launcher_pod(), terminated(0, -2), "Succeeded")

    actions = step(snapshot(job, *base(), *WORKERS, launcher_job(0, "Complete"), pod))

    assert status_of(actions)["result"] == "Unverified"
    assert status_of(actions)["reason"] == "RanOnLauncherOnly"
    assert [one.type for one in actions if isinstance(one, EmitEvent)] == ["Warning"]


@pytest.mark.compat("launcher.verdict", "workers.lost")
@pytest.mark.defect("D7")
@pytest.mark.parametrize("when", [-10.0, -2.0])
def test_exit_code_0_after_a_workers_end_is_a_failed_attempt(when: float) -> None:
    """A worker that ended before, or in the same second: WorkerLost."""
    job = running(backoffLimit=1)
    pod = ended(launcher_pod(), terminated(0, -2, message="+0"), "Succeeded")
    dead = ended(worker(1), terminated(137, when), "Failed")

    actions = step(
        snapshot(job, *base(), worker(0), dead, launcher_job(0, "Complete"), pod)
    )

    assert status_of(actions)["phase"] != "Succeeded"
    assert status_of(actions)["recorded"]["attempt"] == 1
    assert events(actions) == ["MPIJobRestarting"]
    assert deleted(actions) == [f"{NAME}-worker-1"]


@pytest.mark.parametrize(
    ("when", "code", "deleted", "verified"),
    [
        (-17, 137, False, None),
        (-10, 137, False, "True"),
        (-17, 137, True, "True"),
        (-17, 0, False, "True"),
    ],
)
def test_a_worker_that_fails_just_after_the_launchers_exit_code_0_was_lost_before(
    when: float, code: int, deleted: bool, verified: str | None
) -> None:
    """Its end is stamped late; what ends well, later or by a deletion may be after."""
    pod = ended(launcher_pod(), terminated(0, -20, message="+0"), "Succeeded")
    dead = ended(worker(1), terminated(code, when), "Failed")
    if deleted:
        dead["metadata"]["deletionTimestamp"] = at(-18)
    job = running(backoffLimit=1)
    world = (*base(), worker(0), dead, COMPLETE_LONG_AGO, pod)

    told = status_of(step(snapshot(job, *world)))

    assert told["recorded"].get("attempt", 0) == (0 if verified else 1)
    if verified:
        assert condition(told, "Verified")["status"] == verified


def test_exit_code_0_is_believed_once_workers_ends_would_have_come() -> None:
    """The launcher's end may be told before that of the worker which caused it."""
    job = running(backoffLimit=1)
    pod = ended(launcher_pod(), terminated(0, 0, message="+0\n+1"), "Succeeded")
    done = (launcher_job(0, "Complete"), pod)
    early = snapshot(job, *base(), *WORKERS, *done)

    assert plan(early, NOW).requeue_after == 1.5
    assert "result" not in status_of(step(early))
    dead = ended(worker(1), terminated(137, -1), "Failed")
    told = step(snapshot(job, *base(), worker(0), dead, *done), 0.5)
    assert status_of(told)["recorded"]["attempt"] == 1
    assert status_of(step(early, 1.5))["result"] == "Succeeded"


@pytest.mark.parametrize(
    ("finished", "noticed", "told", "wait"),
    [
        (0, 0, 0, 1.5),
        (-2, -2, 0, 1.5),
        (-3, -2, 0, 1.5),  # a real kubelet and Job controller with nothing else to do
        (-3, -3, 0, 4.5),
        (-3, None, 0, 4.5),
        (-4, -3, 0, 4.5),
        (-4, -2, 0, 4.5),
        (-5, -2, 0, 7.5),
        (-4, -3, -1, 0.5),
        (-2, -40, 0, 1.5),  # it was not ready before
        (-30, -30, 0, 10.0),  # or the clocks differ
    ],
)
def test_what_a_busy_kubelet_tells_late_is_waited_for(
    finished: int, noticed: int | None, told: int, wait: float
) -> None:
    """The later it was with the launcher's, the later it may be with a worker's."""
    job = running(backoffLimit=1)
    pod = ended(launcher_pod(), terminated(0, finished, message="+0\n+1"), "Succeeded")
    if noticed is not None:
        unready = {"type": "ContainersReady", "status": "False"}
        pod["status"]["conditions"] = [{**unready, "lastTransitionTime": at(noticed)}]
    done = (launcher_job(0, "Complete", lastTransitionTime=at(told)), pod)
    seen = snapshot(job, *base(), *WORKERS, *done)

    assert plan(seen, NOW).requeue_after == wait
    dead = ended(worker(1), terminated(137, finished), "Failed")
    later = snapshot(job, *base(), worker(0), dead, *done)
    assert status_of(step(later, wait / 2))["recorded"]["attempt"] == 1
    assert status_of(step(seen, wait))["result"] == "Succeeded"


FAILED_JOB = launcher_job(0, "Failed", reason="BackoffLimitExceeded")


def test_a_failure_waits_for_the_worker_that_may_have_caused_it() -> None:
    """A remote start ended badly, and the launcher's end is told of first."""
    job = running(backoffLimit=0)
    message = "+0\n+1\n!1 137"
    pod = ended(launcher_pod(), terminated(137, 0, message=message), "Failed")
    done = (FAILED_JOB, pod)
    early = snapshot(job, *base(), *WORKERS, *done)

    assert plan(early, NOW).requeue_after == 1.5
    assert plan(early, NOW).looks == ()
    assert "result" not in status_of(step(early))
    dead = ended(worker(1), terminated(137, 0), "Failed")
    told = status_of(step(snapshot(job, *base(), worker(0), dead, *done), 0.5))
    assert told["reason"] == "WorkerLost"
    assert status_of(step(early, 1.5))["reason"] == "BackoffLimitExceeded"


@pytest.mark.parametrize(
    ("message", "more"),
    [("+0\n+1", {}), ("+0\n!0 1", {"workerFailurePolicy": "KeepLauncher"})],
)
def test_a_failure_that_no_worker_explains_is_told_at_once(
    message: str, more: Obj
) -> None:
    """The program failed by itself, or the launcher outlives its workers anyway."""
    job = running(backoffLimit=0, **more)
    pod = ended(launcher_pod(), terminated(1, 0, message=message), "Failed")
    told = status_of(step(snapshot(job, *base(), *WORKERS, FAILED_JOB, pod)))

    assert told["reason"] == "BackoffLimitExceeded"


def test_a_worker_that_ends_after_exit_code_0_is_not_replaced() -> None:
    """Until it is judged nothing is made and nothing removed."""
    job = running()
    pod = ended(launcher_pod(), terminated(0, -1, message="+0\n+1"), "Succeeded")
    dead = ended(worker(1), terminated(0, 0), "Succeeded")
    seen = snapshot(job, *base(), worker(0), dead, launcher_job(0, "Complete"), pod)

    actions = step(seen)

    assert deleted(actions) == created(actions) == []
    assert status_of(step(seen, 1))["result"] == "Succeeded"


def test_a_deadline_does_not_overtake_an_exit_code_of_0() -> None:
    """What ended in time is not failed while its end is judged."""
    job = running(activeDeadlineSeconds=30)
    pod = ended(launcher_pod(), terminated(0, 29, message="+0\n+1"), "Succeeded")
    seen = snapshot(job, *base(), *WORKERS, launcher_job(0, "Complete"), pod)

    assert "result" not in status_of(step(seen, 30))
    assert status_of(step(seen, 31))["result"] == "Succeeded"


def test_a_worker_that_ended_after_the_launcher_took_nothing_away() -> None:
    """A later end leaves the success alone."""
    job = running()
    pod = ended(launcher_pod(), terminated(0, -20, message="+0"), "Succeeded")
    dead = ended(worker(1), terminated(0, -5), "Succeeded")

    actions = step(snapshot(job, *base(), worker(0), dead, COMPLETE_LONG_AGO, pod))

    assert status_of(actions)["result"] == "Succeeded"


def test_a_vanished_worker_makes_a_success_uncertain() -> None:
    """Gone without a trace, in an unknown order: Succeeded with Verified=Unknown."""
    job = running()
    pod = ended(launcher_pod(), terminated(0, -2, message="+0"), "Succeeded")

    actions = step(snapshot(job, *base(), worker(0), launcher_job(0, "Complete"), pod))

    assert status_of(actions)["result"] == "Succeeded"
    assert condition(status_of(actions), "Verified")["status"] == "Unknown"


@pytest.mark.compat("workers.lost", "status.reason", "status.message")
def test_a_lost_worker_ends_the_attempt_after_ten_seconds() -> None:
    """Reason WorkerLost at once, the launcher's Pod deleted ten seconds later."""
    job = running(backoffLimit=1)
    dead = ended(worker(1), terminated(137, -1, reason="OOMKilled"), "Failed")
    world = [*base(), worker(0), dead, launcher_job(), launcher_pod()]

    first = step(snapshot(job, *world))

    assert status_of(first)["reason"] == "WorkerLost"
    assert "OOMKilled" in status_of(first)["message"]
    assert "phase" not in status_of(first)
    assert deleted(first) == []
    assert plan(snapshot(after(job, first), *world), NOW).requeue_after == 10
    ref = Ref("Pod", "default", f"{NAME}-worker-1")
    quota = Finding(FindingKind.DENIED, ref, "exceeded quota", 1)
    held = step(snapshot(after(job, first), *world, findings=(quota,)), 10)
    assert deleted(held) == [f"{NAME}-launcher-abcde"]
    later = step(snapshot(after(job, first), *world), 10)
    assert deleted(later) == [f"{NAME}-launcher-abcde"]


@pytest.mark.compat("spec.runPolicy.workerFailurePolicy", "workers.lost")
@pytest.mark.defect("D7")
def test_keep_launcher_replaces_the_worker_and_goes_on() -> None:
    """With workerFailurePolicy KeepLauncher a dead worker is only replaced."""
    job = running(workerFailurePolicy="KeepLauncher")
    dead = ended(worker(1), terminated(137, -1), "Failed")

    actions = step(
        snapshot(job, *base(), worker(0), dead, launcher_job(), launcher_pod())
    )

    assert deleted(actions) == [f"{NAME}-worker-1"]
    assert "reason" not in status_of(actions)


def failing(code: int = 3, **run_policy: Any) -> tuple[Obj, list[Obj]]:  # noqa: ANN401
    """Give a job whose launcher has failed, and its world."""
    pod = ended(launcher_pod(), terminated(code, -2), "Failed")
    failed = launcher_job(0, "Failed", reason="BackoffLimitExceeded")
    return running(**run_policy), [*base(), *WORKERS, failed, pod]


@pytest.mark.compat(
    "launcher.retries", "spec.runPolicy.backoffLimit", "objects.Launcher"
)
@pytest.mark.checklist("7.4.Failure", "7.7.limits")
def test_a_failed_launcher_is_retried_under_a_new_name() -> None:
    """The attempt is raised, the launcher made after 10 s, the workers kept."""
    job, world = failing(backoffLimit=1)

    raised = step(snapshot(job, *world))
    job = after(job, raised)

    assert job["status"]["recorded"]["attempt"] == 1
    assert "exit code 3" in condition(job["status"], "Restarting")["message"]
    assert created(raised) == []
    assert deleted(raised) == []
    assert plan(snapshot(job, *world), NOW).requeue_after == 10
    assert created(step(snapshot(job, *world), 10)) == [f"{NAME}-launcher-r1"]


@pytest.mark.compat("spec.runPolicy.backoffLimit")
@pytest.mark.checklist("7.4.Failure", "7.7.limits")
def test_the_last_failure_is_the_verdict() -> None:
    """BackoffLimit 0: Failed, with exit code and last lines."""
    job, world = failing(backoffLimit=0)

    actions = step(snapshot(job, *world))

    assert status_of(actions)["phase"] == "Failed"
    assert status_of(actions)["reason"] == "BackoffLimitExceeded"
    assert "exit code 3" in status_of(actions)["message"]
    assert "last line" in status_of(actions)["message"]


@pytest.mark.checklist("7.7.engine")
@pytest.mark.compat("launcher.retries")
def test_a_cause_that_cannot_go_away_is_not_retried() -> None:
    """Exit code 183 of Open MPI: the program is not there, and will not be."""
    job, world = failing(183, backoffLimit=6)

    assert status_of(step(snapshot(job, *world)))["reason"] == "ProgramNotFound"


def test_an_exit_code_of_many_meanings_is_retried() -> None:
    """213 of Open MPI 5 is any failure that has been told in words: a lost daemon, too.

    Only the words about binding are of one that no retry can mend.
    """
    job, world = failing(213, backoffLimit=6)
    seen = snapshot(job, *world)
    (look,) = plan(seen, NOW).looks

    def reason(tail: str) -> str:
        told = plan(attrs.evolve(seen, answers={look: tail}), NOW).actions
        return str(status_of(told)["reason"])

    assert reason("PRTE has lost communication with a remote daemon.") == "Restarting"
    binding = 'protection by adding the "overload-allowed"\noption to your binding'
    assert reason(binding) == "BindingImpossible"


@pytest.mark.compat("launcher.retries")
@pytest.mark.defect("E6")
def test_a_disrupted_launcher_is_retried_for_free() -> None:
    """An eviction costs no backoffLimit and no back-off."""
    job, world = failing(143, backoffLimit=0)
    entry = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "EvictionByEvictionAPI",
    }
    world[-1]["status"]["conditions"] = [entry]

    raised = step(snapshot(job, *world))

    assert status_of(raised)["recorded"]["disruptions"] == 1
    assert created(raised) == [f"{NAME}-launcher-r1"]


@pytest.mark.compat("launcher.retries")
@pytest.mark.parametrize(
    ("before", "limit", "result", "attempt", "made"),
    [
        (9, 0, None, 10, [f"{NAME}-launcher-r10"]),
        (10, 1, None, 11, []),
        (10, 0, "Failed", 10, []),
    ],
)
def test_ten_disruptions_are_free_and_the_next_one_is_not(
    before: int, limit: int, result: str | None, attempt: int, made: list[str]
) -> None:
    """From the eleventh on backoffLimit decides, and the back-off is kept."""
    job = running(backoffLimit=limit)
    job["status"]["recorded"] |= {"attempt": before, "disruptions": before}
    pod = ended(launcher_pod(before), terminated(143, -2), "Failed")
    pod["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    failed = launcher_job(before, "Failed", reason="PodFailurePolicy")

    actions = step(snapshot(job, *base(), *WORKERS, failed, pod))

    told = status_of(actions)
    assert told.get("result") == result
    assert told["recorded"]["attempt"] == attempt
    assert told["recorded"]["disruptions"] == 10
    assert created(actions) == made


def test_a_deleted_launcher_job_is_a_failed_attempt() -> None:
    """The Job is gone after a start: its workers go, then the attempt is raised."""
    job = running(backoffLimit=1)

    first = step(snapshot(job, *base(), *WORKERS))
    assert deleted(first) == [f"{NAME}-worker-0", f"{NAME}-worker-1"]
    assert created(first) == []
    second = step(snapshot(job, *base()))
    assert status_of(second)["recorded"]["attempt"] == 1


def test_a_launcher_job_deleted_before_its_start_is_made_again() -> None:
    """Same name, no attempt spent."""
    job = mpijob(2)

    actions = step(snapshot(job, *base(), *WORKERS))

    assert created(actions) == [f"{NAME}-launcher"]


def test_a_launcher_that_may_still_run_blocks_the_next() -> None:
    """A Pod of a deleted Job that is not terminal: nothing is made."""
    job = running(backoffLimit=1)
    orphan = launcher_pod()
    orphan["metadata"]["deletionTimestamp"] = at(0)

    actions = step(snapshot(job, *base(), *WORKERS, orphan))

    assert created(actions) == []
    assert "recorded" not in status_of(actions)


@pytest.mark.compat("spec.runPolicy.activeDeadlineSeconds", "clean-up.None")
@pytest.mark.checklist("7.7.limits")
@pytest.mark.defect("E17")
def test_the_deadline_is_a_verdict_and_ends_the_launcher() -> None:
    """DeadlineExceeded; the Job is suspended, whatever cleanPodPolicy says."""
    job = running(activeDeadlineSeconds=30, cleanPodPolicy="None")
    seen = snapshot(job, *base(), *WORKERS, launcher_job(), launcher_pod())

    assert plan(seen, NOW).requeue_after == 30
    actions = step(seen, 30)

    assert status_of(actions)["reason"] == "DeadlineExceeded"
    assert [a.patch for a in actions if isinstance(a, Patch)] == [
        {"spec": {"suspend": True}}
    ]
    assert deleted(actions) == []


@pytest.mark.compat("spec.runPolicy.ttlSecondsAfterFinished")
@pytest.mark.checklist("7.7.ttl")
@pytest.mark.defect("D43", "E3")
def test_ttl_deletes_the_job_itself() -> None:
    """After the verdict is recorded and the time is over, the MPIJob goes."""
    job, world = failing(backoffLimit=0, ttlSecondsAfterFinished=5)
    job = after(job, step(snapshot(job, *world)))

    assert plan(snapshot(job, *world), NOW).requeue_after == 5
    assert step(snapshot(job, *world), 5) == (
        Delete(Ref("MPIJob", "default", NAME), UID, "100"),
    )


@pytest.mark.compat("spec.runPolicy.suspend", "suspend.objects")
def test_a_job_created_suspended_has_a_suspended_launcher_and_no_workers() -> None:
    """ConfigMap, Service, Secret and the Job; startTime stays unset."""
    actions = step(snapshot(mpijob(2, suspend=True)))

    assert created(actions) == [
        f"{NAME}-config",
        NAME,
        f"{NAME}-ssh-{UID}",
        f"{NAME}-launcher",
    ]
    assert status_of(actions)["phase"] == "Suspended"
    assert status_of(actions).get("startTime") is None


@pytest.mark.compat("suspend.pods")
@pytest.mark.checklist("7.1.SuspendedRunningMPIJob")
def test_suspending_ends_the_launcher_before_the_workers() -> None:
    """First the Job is suspended; workers go once the launcher has ended."""
    job = running()
    job["spec"]["runPolicy"]["suspend"] = True
    world = [*base(), *WORKERS]

    first = step(snapshot(job, *world, launcher_job(), launcher_pod()))
    job = after(job, first)

    assert [a.patch for a in first if isinstance(a, Patch)] == [
        {"spec": {"suspend": True}}
    ]
    assert deleted(first) == []
    assert job["status"]["recorded"]["workers"] is None
    held = launcher_job()
    held["spec"] = {"suspend": True}
    assert deleted(step(snapshot(job, *world, held))) == [
        f"{NAME}-worker-0",
        f"{NAME}-worker-1",
    ]


@pytest.mark.compat("suspend.pods")
@pytest.mark.parametrize("grace", [5, 600])
def test_workers_outlive_a_suspended_launcher_for_its_grace(grace: int) -> None:
    """It may write a checkpoint with them until then, and no queue waits longer."""
    job = running()
    job["spec"]["runPolicy"]["suspend"] = True
    held = launcher_job()
    held["spec"] = {"suspend": True}
    pod = launcher_pod()
    pod["metadata"]["deletionTimestamp"] = at(grace)
    pod["metadata"]["deletionGracePeriodSeconds"] = grace
    seen = snapshot(job, *base(), *WORKERS, held, pod)

    assert deleted(step(seen, grace - 1)) == []
    assert plan(seen, NOW + timedelta(seconds=grace - 1)).requeue_after == 1
    assert len(deleted(step(seen, grace))) == 2


@pytest.mark.compat("launcher.WaitForWorkersReady", "suspend.resume")
@pytest.mark.defect("D4")
def test_resuming_waits_for_workers_where_the_policy_says_so() -> None:
    """WaitForWorkersReady holds for every start, also after a resume (S7)."""
    job = mpijob(2)
    job["spec"]["launcherCreationPolicy"] = "WaitForWorkersReady"
    held = launcher_job()
    held["spec"] = {"suspend": True}

    waiting = step(snapshot(job, *base(), worker(0), worker(1, ready=False), held))
    assert not [a for a in waiting if isinstance(a, CreateLauncher)]
    resumed = step(snapshot(job, *base(), *WORKERS, held))

    resume = next(a for a in resumed if isinstance(a, CreateLauncher))
    assert resume.manifest is None
    assert resume.resume is not None
    assert resume.resource_version == "7"


@pytest.mark.parametrize(
    ("status", "ready"),
    [
        ({"startTime": at(-40), "active": 1}, False),
        ({"startTime": at(-40)}, False),
        ({"startTime": at(-40), "active": 1, "conditions": SUSPENDED}, False),
        ({"active": 1, "conditions": SUSPENDED}, False),
        ({"startTime": at(-40), "conditions": SUSPENDED}, True),
        ({"conditions": SUSPENDED}, True),
        ({}, True),
    ],
)
def test_a_job_is_resumed_once_its_controller_knows_it_suspended(
    status: Obj, *, ready: bool
) -> None:
    """Before, the API server lets nobody change its template: 422, for good."""
    held = launcher_job()
    held |= {"spec": {"suspend": True}, "status": status}
    actions = step(snapshot(mpijob(2), *base(), *WORKERS, held))
    assert any(isinstance(one, CreateLauncher) for one in actions) is ready


@pytest.mark.compat("validation.template-refused")
def test_a_rejected_template_is_invalid_until_the_spec_changes() -> None:
    """422 on a child: phase Invalid, Valid=False, no retry in this generation."""
    job = mpijob(2)
    ref = Ref("Pod", "default", f"{NAME}-worker-0")
    finding = Finding(
        FindingKind.REJECTED, ref, "spec.containers[0].image: required", 1
    )

    actions = step(snapshot(job, *base(), findings=(finding,)))
    job = after(job, actions)

    assert job["status"]["phase"] == "Invalid"
    assert "image" in condition(job["status"], "Valid")["message"]
    assert step(snapshot(job, *base())) == ()
    job["metadata"]["generation"] = 2
    assert f"{NAME}-worker-0" in created(step(snapshot(job, *base())))


@pytest.mark.compat("objects.foreign")
def test_a_foreign_object_blocks_and_is_named() -> None:
    """Blocked=True; nothing else is made meanwhile."""
    ref = Ref("Service", "default", NAME)
    finding = Finding(FindingKind.FOREIGN, ref, f'Service "{NAME}" is not ours', 1)

    actions = step(snapshot(mpijob(2), findings=(finding,)))

    assert created(actions) == []
    assert condition(status_of(actions), "Blocked")["status"] == "True"
    assert status_of(actions)["reason"] == "Blocked"


def test_a_launcher_job_without_a_pod_shows_the_reason() -> None:
    """After ten seconds its Events are asked for and reach the status."""
    seen = snapshot(
        mpijob(2, status={"startTime": at(-60)}), *base(), *WORKERS, launcher_job()
    )

    assert [type(look) for look in plan(seen, NOW).looks] == [LookEvents]
    actions = step(seen)

    assert status_of(actions)["reason"] == "LauncherHasNoPod"
    assert "last line" in status_of(actions)["message"]


@pytest.mark.parametrize(
    ("age", "said", "again"),
    [(12, "", 2), (12, "a webhook has refused it", 15), (40, "", 15)],
)
def test_events_that_say_nothing_yet_are_asked_again_soon(
    age: float, said: str, again: float
) -> None:
    """A webhook that never answers is told of ten seconds after the Job was made."""
    job = mpijob(2, status={"startTime": at(-age)})
    seen = snapshot(job, *base(), *WORKERS, launcher_job())
    (look,) = plan(seen, NOW).looks

    found = plan(attrs.evolve(seen, answers={look: said}), NOW)

    assert found.requeue_after == again


def test_a_worker_that_waits_without_a_word_shows_its_events() -> None:
    """A mount that fails is told by Events only; the status repeats them."""
    mute = worker(1, ready=False, phase="Pending", containerStatuses=[])
    seen = snapshot(mpijob(2, status={"startTime": at(-60)}), *base(), worker(0), mute)

    actions = step(seen)

    assert status_of(actions)["reason"] == "Waiting"
    assert "last line" in status_of(actions)["message"]


def test_a_launcher_that_does_not_reach_its_workers_says_which() -> None:
    """Its init container knows the first that does not answer; the status tells."""
    workers = (worker(0), worker(1))
    pods = (launcher_job(), trying())
    ready = after(mpijob(), step(snapshot(mpijob(), *base(), *workers, *pods)))

    actions = step(snapshot(ready, *base(), *workers, *pods), 20)

    said = status_of(actions)
    assert said["reason"] == "Waiting"
    assert said["message"].endswith("every worker: first line\nlast line")


def test_a_launcher_that_does_not_try_yet_is_starting() -> None:
    """It is not said to wait for workers while its node pulls the image, say."""
    pods = (worker(0), worker(1), launcher_job(), launcher_pod(started=False))
    ready = after(mpijob(), step(snapshot(mpijob(), *base(), *pods)))

    said = status_of(step(snapshot(ready, *base(), *pods), 20))

    assert said["message"] == f"{NAME}-launcher-abcde on node node-a is starting"


def test_a_worker_that_runs_and_is_not_ready_is_named_with_its_probe() -> None:
    """Where it says nothing itself, its Events do; never once the launcher runs."""
    started = after(mpijob(), step(snapshot(mpijob(), *base())))
    workers = (worker(0), worker(1, ready=False))
    waits = launcher_pod(started=False)
    seen = snapshot(started, *base(), *workers, launcher_job(), waits)

    told = status_of(step(seen, 20))

    assert told["reason"] == "Waiting"
    assert told["message"] == (
        f"1 of 2 workers not ready: {NAME}-worker-1 on node node-a runs, but is not"
        " ready (first line\nlast line)"
    )
    under_way = snapshot(running(), *base(), *workers, launcher_job(), launcher_pod())
    assert plan(under_way, NOW).looks == ()


@pytest.mark.compat("edits.replicas")
def test_scaling_down_under_a_running_launcher_costs_no_attempt() -> None:
    """The identity shrinks first, in the same plan the surplus worker goes."""
    job = running()
    job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"] = 1

    actions = step(snapshot(job, *base(), *WORKERS, launcher_job(), launcher_pod()))

    assert status_of(actions)["recorded"]["workers"]["count"] == 1
    assert deleted(actions) == [f"{NAME}-worker-1"]
    assert status_of(actions).get("reason", "") == ""


@pytest.mark.compat("edits.replicas")
def test_scaling_up_under_a_running_launcher_costs_no_attempt() -> None:
    """New workers are made; the identity counts them once they are ready."""
    job = running()
    job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"] = 3
    world = [*base(), *WORKERS, launcher_job(), launcher_pod()]

    first = step(snapshot(job, *world))
    assert created(first) == [f"{NAME}-worker-2"]
    job = after(job, first)
    assert job["status"]["recorded"]["workers"]["count"] == 2
    second = step(snapshot(job, *world, worker(2)))
    assert status_of(second)["recorded"]["workers"]["count"] == 3
    assert status_of(second).get("reason", "") == ""


def test_readiness_that_flaps_in_mid_run_changes_no_phase() -> None:
    """A probe that fails under a running launcher is nobody's loss."""
    job = running()
    world = [*base(), worker(0), worker(1, ready=False), launcher_job(), launcher_pod()]

    assert step(snapshot(job, *world)) == ()


@pytest.mark.compat("spec.runPolicy.managedBy")
@pytest.mark.checklist(
    "7.1.ManagedExternally", "7.4.ManagedExternally", "7.8.multikueue", "7.7.managedBy"
)
@pytest.mark.parametrize("suspend", [False, True])
@pytest.mark.parametrize("manager", ["kueue.x-k8s.io/multikueue", "example.com/other"])
def test_a_job_managed_elsewhere_is_left_alone(manager: str, suspend: bool) -> None:
    """ManagedBy another controller: nothing is planned, suspended or not."""
    job = mpijob(2, managedBy=manager, suspend=suspend)
    assert plan(snapshot(job), NOW).actions == ()


@pytest.mark.compat("spec.runPolicy.managedBy")
@pytest.mark.checklist("7.7.managedBy")
@pytest.mark.parametrize("name", ["mpi-operator", "training-operator"])
def test_both_operators_names_mean_this_one(name: str) -> None:
    """It replaces both: a job of either is run."""
    actions = step(snapshot(mpijob(2, managedBy=f"kubeflow.org/{name}")))
    assert f"{NAME}-launcher" in created(actions)


@pytest.mark.compat("spec.runPolicy.managedBy")
@pytest.mark.defect("D19")
@pytest.mark.parametrize("manager", ["", "mpi-operator", "kubeflow.org/mpi-operater"])
def test_a_manager_that_is_nobody_is_told(manager: str) -> None:
    """A slip must not freeze a job without a word: Invalid, with the remedy."""
    actions = step(snapshot(mpijob(2, managedBy=manager)))
    assert created(actions) == []
    assert status_of(actions)["phase"] == "Invalid"
    assert "spec.runPolicy.managedBy" in status_of(actions)["message"]


def test_a_job_on_its_way_out_is_left_to_the_garbage_collector() -> None:
    """DeletionTimestamp set: nothing is planned."""
    job = mpijob(2)
    job["metadata"]["deletionTimestamp"] = at(0)

    assert plan(snapshot(job), NOW).actions == ()


def test_a_warning_of_the_api_server_reaches_event_and_status() -> None:
    """A misspelt key is told once."""
    ref = Ref("Pod", "default", names.worker(NAME, 0))
    finding = Finding(FindingKind.WARNED, ref, 'unknown field "spec.x"', 1)
    job = after(mpijob(2), step(snapshot(mpijob(2))))

    actions = step(
        snapshot(job, *base(), *WORKERS, launcher_job(), findings=(finding,))
    )

    assert "APIWarning" in events(actions)
    assert status_of(actions)["recorded"]["warnings"] == ['unknown field "spec.x"']


@pytest.mark.parametrize("works", [True, False])
def test_an_installation_says_whether_v1s_gpu_launcher_takes_ranks(works: bool) -> None:
    """Where it does not, the launcher stands in no hostfile."""
    job = mpijob(1)
    main = job["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]["containers"]
    main[0]["resources"] = {"limits": {"nvidia.com/gpu": 1}}
    seen = snapshot({**job, "apiVersion": names.V1})
    actions = step(attrs.evolve(seen, install=Install(launcher_runs_workloads=works)))
    (config,) = (one.manifest for one in actions if _is_config(one))
    hosts = cast("dict[str, str]", config["data"])["hostfile"]
    assert hosts.startswith(f"{NAME}-launcher") is works


def _is_config(action: Action) -> TypeGuard[Create]:
    return isinstance(action, Create) and action.ref.kind == "ConfigMap"
