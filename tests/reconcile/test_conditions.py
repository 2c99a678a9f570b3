"""Conditions, counts, times and Events, as users of upstream read them."""

from typing import Any

import pytest

from mpiop.reconcile.actions import Count, EmitEvent
from mpiop.reconcile.names import API_VERSION, V1
from tests.reconcile.build import (
    WORKERS,
    Obj,
    after,
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
    worker,
)

PENDING: Obj = {"phase": "Pending", "containerStatuses": []}


def said(actions: tuple[Any, ...]) -> list[tuple[str, str]]:
    """Give type and reason of the Events, in order."""
    return [(one.type, one.reason) for one in actions if isinstance(one, EmitEvent)]


def counted(actions: tuple[Any, ...]) -> list[str]:
    """Name the counters of jobs that are raised."""
    found = [one.metric for one in actions if isinstance(one, Count)]
    return [metric for metric in found if metric.startswith("jobs_")]


def told(job: Obj) -> list[tuple[str, str, str]]:
    """Give type, status and reason of the conditions, oldest first."""
    return [
        (one["type"], one["status"], one["reason"])
        for one in job["status"]["conditions"]
    ]


def done(code: int, job: Obj) -> tuple[Obj, tuple[Any, ...]]:
    """End the launcher; give the job then, and what was done about it."""
    phase, verdict = ("Failed", "Failed") if code else ("Succeeded", "Complete")
    pod = ended(launcher_pod(), terminated(code, -2, message="+0\n+1"), phase)
    failed = {"reason": "BackoffLimitExceeded"} if code else {}
    seen = snapshot(job, *base(), *WORKERS, launcher_job(0, verdict, **failed), pod)
    actions = step(seen)
    return after(job, actions), actions


@pytest.mark.compat("conditions.Created", "events.normal")
@pytest.mark.defect("E5")
def test_a_job_is_created_once() -> None:
    """One condition, one Event, one count; none of it again in the next plan."""
    job = mpijob(2)
    first = step(snapshot(job))
    job = after(job, first)

    assert told(job)[0] == ("Created", "True", "MPIJobCreated")
    assert said(first) == [("Normal", "MPIJobCreated")]
    assert counted(first) == ["jobs_created"]
    again = step(snapshot(job, *base(), *WORKERS, launcher_job()), 1)
    assert said(again) == []
    assert counted(again) == []


@pytest.mark.compat("conditions.Running")
@pytest.mark.checklist("7.1.LauncherActiveWorkerNotReady", "7.6.LauncherActiveWorker")
@pytest.mark.parametrize("version", [V1, API_VERSION])
def test_a_launcher_alone_is_not_running(version: str) -> None:
    """With the wait disabled a launcher may run before its workers: no Running yet."""
    job = {**mpijob(2), "apiVersion": version}
    pending = [worker(i, ready=False, **PENDING) for i in range(2)]
    seen = snapshot(job, *base(2), *pending, launcher_job(), launcher_pod())
    job = after(job, step(seen))

    assert job["status"]["phase"] == "LauncherRunning"
    assert condition(job["status"], "Running") == {}
    assert job["status"]["replicaStatuses"]["Launcher"]["active"] == 1
    assert job["status"]["replicaStatuses"]["Worker"]["active"] == 0
    seen = snapshot(job, *base(), *WORKERS, launcher_job(), launcher_pod())
    assert condition(status_of(step(seen, 60)), "Running")["status"] == "True"


@pytest.mark.compat(
    "conditions.Running",
    "status.replicaStatuses",
    "status.replicaStatuses.*.active",
    "events.budget",
)
@pytest.mark.checklist("7.1.LauncherActiveWorkerReady", "7.7.counts")
@pytest.mark.defect("D16")
def test_a_running_job_says_so_once() -> None:
    """Running=True with all active, one Event, and no other however often looked at."""
    job = mpijob(2)
    seen = snapshot(job, *base(), *WORKERS, launcher_job(), launcher_pod())
    first = step(seen)
    job = after(job, first)

    assert ("Running", "True", "MPIJobRunning") in told(job)
    assert job["status"]["replicaStatuses"] == {
        "Launcher": {"active": 1, "succeeded": 0, "failed": 0},
        "Worker": {"active": 2, "succeeded": 0, "failed": 0},
    }
    assert ("Normal", "MPIJobRunning") in said(first)
    seen = snapshot(job, *base(), *WORKERS, launcher_job(), launcher_pod())
    assert step(seen, 3600) == ()


@pytest.mark.parametrize(
    ("implementation", "launcher", "worker_", "says"),
    [
        ("OpenMPI", {}, {}, True),
        (
            "OpenMPI",
            {"env": [{"name": "PRTE_MCA_hwloc_default_binding_policy"}]},
            {},
            False,
        ),
        ("OpenMPI", {}, {"resources": {"limits": {"cpu": 2}}}, False),
        ("OpenMPI", {}, {"resources": {"limits": {"cpu": "500m"}}}, True),
        ("Intel", {}, {}, True),
        ("Intel", {"env": [{"name": "I_MPI_PIN_DOMAIN", "value": "core"}]}, {}, False),
        ("MPICH", {}, {}, False),
    ],
)
def test_a_running_job_says_where_its_ranks_are_bound_to_no_core(
    implementation: str, launcher: Obj, worker_: Obj, says: bool
) -> None:
    """A rank that wanders costs time: whoever looks for it finds why."""
    job = mpijob(2)
    job["spec"]["mpiImplementation"] = implementation
    for role, more in (("Launcher", launcher), ("Worker", worker_)):
        pod = job["spec"]["mpiReplicaSpecs"][role]["template"]["spec"]
        pod["containers"][0] |= more
    seen = snapshot(job, *base(), *WORKERS, launcher_job(), launcher_pod())
    found = condition(status_of(step(seen)), "Running")

    assert ("bound to no cores" in found["message"]) is says


@pytest.mark.compat("status.replicaStatuses.*.active")
@pytest.mark.checklist("7.1.WorkerReady", "7.6.WorkerReady")
def test_workers_count_before_the_launcher_does() -> None:
    """All workers run, no launcher yet: it is made, and only they are active."""
    job = mpijob(2)
    actions = step(snapshot(job, *base(), *WORKERS))
    job = after(job, actions)

    counts = job["status"]["replicaStatuses"]
    assert (counts["Launcher"]["active"], counts["Worker"]["active"]) == (0, 2)
    assert "pi-launcher" in [one.ref.name for one in actions if hasattr(one, "ref")]


@pytest.mark.compat(
    "conditions.Succeeded",
    "conditions.mechanics",
    "status.completionTime",
    "status.replicaStatuses.*.succeeded",
)
@pytest.mark.checklist(
    "7.1.LauncherSucceeded",
    "7.1.LauncherSucceededWithRunningPod",
    "7.6.LauncherSucceeded",
    "7.7.counts",
)
@pytest.mark.defect("D42")
def test_a_success_is_told_as_upstream_tells_it() -> None:
    """Succeeded=True; Running turns False; no later than completionTime; told once."""
    job, actions = done(0, running())

    status = job["status"]
    assert ("Succeeded", "True", "MPIJobSucceeded") in told(job)
    ended_running = condition(status, "Running")
    assert ended_running["status"] == "False"
    assert ended_running["lastTransitionTime"] <= status["completionTime"]
    assert status["replicaStatuses"]["Launcher"] == {
        "active": 0,
        "succeeded": 1,
        "failed": 0,
    }
    assert status["replicaStatuses"]["Worker"]["active"] == 0
    assert said(actions) == [("Normal", "MPIJobSucceeded")]
    assert counted(actions) == ["jobs_successful"]
    assert [kind for kind, *_ in told(job)].count("Running") == 1


@pytest.mark.compat(
    "conditions.Failed",
    "status.replicaStatuses.*.failed",
    "events.warning",
    "conditions.mechanics",
)
@pytest.mark.checklist("7.1.LauncherFailed", "7.6.LauncherFailed", "7.7.counts")
@pytest.mark.defect("D33", "E13")
def test_a_failure_is_told_as_upstream_tells_it() -> None:
    """BackoffLimitExceeded, a Warning, and the newest Pod's end in the message."""
    job, actions = done(3, running(backoffLimit=0))

    failed = condition(job["status"], "Failed")
    assert (failed["status"], failed["reason"]) == ("True", "BackoffLimitExceeded")
    assert "exit code 3" in failed["message"]
    assert condition(job["status"], "Running")["status"] == "False"
    assert job["status"]["completionTime"]
    assert job["status"]["replicaStatuses"]["Launcher"]["failed"] == 1
    assert said(actions) == [("Warning", "BackoffLimitExceeded")]
    assert counted(actions) == ["jobs_failed"]


@pytest.mark.compat("conditions.Running")
def test_a_job_that_never_ran_is_said_not_to_run_at_its_end() -> None:
    """Upstream's synthetic entry: Running=False once the job has ended."""
    job = mpijob(2, activeDeadlineSeconds=5)
    job = after(job, step(snapshot(job)))
    job = after(job, step(snapshot(job, *base(), launcher_job()), 6))

    assert ("Failed", "True", "DeadlineExceeded") in told(job)
    assert ("Running", "False", "MPIJobRunning") in told(job)


@pytest.mark.compat("conditions.mechanics", "conditions.Restarting")
def test_restarting_and_running_exclude_each_other() -> None:
    """Upstream's rule: whichever is added removes the other."""
    job, _ = done(3, running(backoffLimit=1))
    assert ("Restarting", "True", "MPIJobRestarting") in told(job)
    assert condition(job["status"], "Running") == {}
    failed = launcher_job(0, "Failed", reason="BackoffLimitExceeded")
    again = snapshot(
        job, *base(), *WORKERS, failed, launcher_job(1), launcher_pod(attempt=1)
    )
    job = after(job, step(again, 60))
    assert condition(job["status"], "Running")["status"] == "True"
    assert condition(job["status"], "Restarting") == {}


@pytest.mark.compat("conditions.Restarting", "spec.mpiReplicaSpecs.*.restartPolicy")
@pytest.mark.parametrize("policy", ["Never", "OnFailure", "Always", "ExitCode"])
@pytest.mark.parametrize(("left", "says"), [(0, "Failed"), (1, "Restarting")])
def test_a_restart_policy_does_not_change_what_a_failure_is(
    policy: str, left: int, says: str
) -> None:
    """Restarting only where an attempt follows; ExitCode is no exception."""
    job = running(backoffLimit=left)
    job["apiVersion"] = V1
    for role in job["spec"]["mpiReplicaSpecs"].values():
        role["restartPolicy"] = policy
    job, _ = done(3, job)
    failing = {"Failed", "Restarting"}
    assert {kind for kind, value, _ in told(job) if value == "True"} & failing == {says}


@pytest.mark.compat("conditions.after-the-end")
@pytest.mark.parametrize("code", [0, 3])
def test_conditions_stay_after_the_verdict(code: int) -> None:
    """Though a worker is evicted, and the job suspended and resumed."""
    job, _ = done(code, running(backoffLimit=0, cleanPodPolicy="None"))
    before = job["status"]["conditions"]
    end = launcher_job(0, "Failed" if code else "Complete")
    evicted: Obj = {"phase": "Failed", "reason": "Evicted", "containerStatuses": []}
    for suspend in (True, False):
        job["spec"]["runPolicy"]["suspend"] = suspend
        job["metadata"]["generation"] += 1
        seen = snapshot(job, *base(), worker(0), worker(1, **evicted), end)
        job = after(job, step(seen, 60))
    assert job["status"]["conditions"] == before


@pytest.mark.checklist("7.7.engine")
@pytest.mark.compat("conditions.mechanics")
def test_an_entry_that_says_the_same_is_left_alone() -> None:
    """Neither times nor message move while status and reason stay."""
    job = running()
    before = list(job["status"]["conditions"])
    seen = snapshot(job, *base(), worker(0), launcher_job(), launcher_pod())
    job = after(job, step(seen, 100))
    kept = [one for one in job["status"]["conditions"] if one in before]
    assert kept == before


@pytest.mark.compat("conditions.Suspended", "spec.runPolicy.suspend", "events.normal")
@pytest.mark.checklist("7.1.CreateSuspendedMPIJob", "7.7.suspended-at-creation")
def test_created_suspended() -> None:
    """Created, Suspended and Running=False; startTime unset; nothing active."""
    job = mpijob(2, suspend=True)
    actions = step(snapshot(job))
    job = after(job, actions)

    assert told(job) == [
        ("Created", "True", "MPIJobCreated"),
        ("Suspended", "True", "MPIJobSuspended"),
        ("Running", "False", "MPIJobSuspended"),
    ]
    assert job["status"].get("startTime") is None
    assert said(actions) == [("Normal", "MPIJobCreated"), ("Normal", "MPIJobSuspended")]
    counts = job["status"]["replicaStatuses"]
    assert {role["active"] for role in counts.values()} == {0}


@pytest.mark.compat("conditions.Suspended", "status.startTime", "events.normal")
@pytest.mark.checklist("7.1.ResumeMPIJob")
def test_resumed() -> None:
    """Suspended=False for reason MPIJobResumed, startTime anew, workers made."""
    job = mpijob(2, suspend=True)
    job = after(job, step(snapshot(job)))
    job["spec"]["runPolicy"]["suspend"] = False
    held = launcher_job()
    held["spec"] = {"suspend": True}
    actions = step(snapshot(job, *base(), held), 90)
    job = after(job, actions)

    assert ("Suspended", "False", "MPIJobResumed") in told(job)
    assert job["status"]["startTime"] == "2026-01-01T12:01:30Z"
    assert said(actions) == [("Normal", "MPIJobResumed")]
    names = [one.ref.name for one in actions if hasattr(one, "ref")]
    assert {"pi-worker-0", "pi-worker-1", "pi-launcher"} <= set(names)


@pytest.mark.compat("events.restart-policy", "spec.mpiReplicaSpecs.*.restartPolicy")
@pytest.mark.parametrize("version", [V1, API_VERSION])
def test_a_restart_policy_in_the_template_is_warned_of_once(version: str) -> None:
    """It has no effect: SetPodTemplateRestartPolicy, when the job is created."""
    job = {**mpijob(2), "apiVersion": version}
    template = job["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]
    template["spec"]["restartPolicy"] = "Always"
    actions = step(snapshot(job))
    assert said(actions) == [
        ("Normal", "MPIJobCreated"),
        ("Warning", "SetPodTemplateRestartPolicy"),
    ]
    job = after(job, actions)
    assert said(step(snapshot(job, *base(), *WORKERS, launcher_job()), 60)) == []


@pytest.mark.compat("status.startTime", "conditions.mechanics")
def test_a_finished_job_ignores_suspend() -> None:
    """The verdict stays, whatever is written into the spec afterwards."""
    job, _ = done(0, running())
    job["spec"]["runPolicy"]["suspend"] = True
    pod = ended(launcher_pod(), terminated(0, -2, message="+0\n+1"), "Succeeded")
    seen = snapshot(job, *base(), *WORKERS, launcher_job(0, "Complete"), pod)
    assert step(seen, 60) == ()
