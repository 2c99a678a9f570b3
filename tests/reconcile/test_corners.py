"""Rare turns of a job's life, each decided by one line of the core."""

from typing import Any, cast

import attrs
import pytest

from mpiop.reconcile import names
from mpiop.reconcile.actions import (
    Action,
    Create,
    CreateLauncher,
    CreateSSHSecret,
    Delete,
    Patch,
    Ref,
)
from mpiop.reconcile.mpijob import MPIJob
from mpiop.reconcile.parse import parse
from mpiop.reconcile.plan import plan
from mpiop.reconcile.snapshot import Finding, FindingKind
from mpiop.reconcile.views import pod_view
from tests.reconcile.build import (
    NAME,
    NOW,
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
    worker,
)

COMPLETE = launcher_job(0, "Complete")
FAILED = launcher_job(0, "Failed", reason="BackoffLimitExceeded")


def kinds(actions: tuple[Action, ...]) -> list[str]:
    """Name the kinds that are created."""
    made = (Create, CreateLauncher, CreateSSHSecret)
    return [one.ref.kind for one in actions if isinstance(one, made)]


def failed_pod(code: int = 3, **more: Any) -> Obj:  # noqa: ANN401
    """Give the launcher Pod after a failure."""
    return ended(launcher_pod(), terminated(code, -2, **more), "Failed")


def test_a_bad_remote_start_is_given_ten_seconds_to_be_explained() -> None:
    """Exit code 0 although a remote start ended badly: Verified=Unknown, later."""
    job = running()
    said = "+0\n+1\n!1 137\nwords of the program"
    pod = ended(launcher_pod(), terminated(0, -2, message=said), "Succeeded")
    world = [*base(), *WORKERS, COMPLETE, pod]

    assert "result" not in status_of(step(snapshot(job, *world)))
    later = status_of(step(snapshot(job, *world), 10))
    assert later["result"] == "Succeeded"
    assert condition(later, "Verified")["status"] == "Unknown"
    assert "worker-1 (137)" in later["message"]


def test_a_success_whose_pod_is_gone_is_uncertain() -> None:
    """The Job says Complete, nobody can say what was started."""
    actions = step(snapshot(running(), *base(), *WORKERS, COMPLETE))

    assert status_of(actions)["result"] == "Succeeded"
    assert condition(status_of(actions), "Verified")["status"] == "Unknown"


def test_exit_code_0_with_a_worker_on_its_way_out_is_a_failed_attempt() -> None:
    """The worker was deleted while the launcher ran: its part may be missing."""
    leaving = worker(1)
    leaving["metadata"]["deletionTimestamp"] = at(-5)
    pod = ended(launcher_pod(), terminated(0, -2, message="+0\n+1"), "Succeeded")

    world = [*base(), worker(0), leaving, COMPLETE, pod]
    told = status_of(step(snapshot(running(backoffLimit=0), *world)))

    assert told["result"] == "Failed"
    assert told["reason"] == "WorkerLost"


def test_a_pod_with_our_labels_and_another_owner_is_left_alone() -> None:
    """Neither replaced by a worker nor deleted when the job is cleaned up."""
    foreign = worker(1)
    foreign["metadata"]["ownerReferences"][0]["uid"] = "uid-of-another"
    pod = ended(launcher_pod(), terminated(0, -2, message="+0\n+1"), "Succeeded")
    job = running(cleanPodPolicy="Running")
    world = [*base(), *WORKERS, COMPLETE, pod]
    job = after(job, step(snapshot(job, *world)))

    actions = step(snapshot(job, *base(), worker(0), foreign, COMPLETE, pod))

    gone = [one.ref.name for one in actions if isinstance(one, Delete)]
    assert gone == [f"{NAME}-worker-0"]


def test_a_status_that_says_it_already_is_not_written() -> None:
    """However old the last write is."""
    seen = snapshot(running(), *base(), *WORKERS, launcher_job(), launcher_pod())

    assert step(seen, 60) == ()


def test_a_failure_with_a_lost_worker_names_the_worker() -> None:
    """The loss is the cause, not the launcher's own exit code."""
    dead = ended(worker(1), terminated(137, -5, reason="OOMKilled"), "Failed")

    world = [*base(), worker(0), dead, FAILED, failed_pod()]

    actions = step(snapshot(running(backoffLimit=0), *world))

    assert status_of(actions)["reason"] == "WorkerLost"
    assert "OOMKilled" in status_of(actions)["message"]


def test_a_worker_that_its_kubelet_evicted_says_why() -> None:
    """The limit that it passed, and not only that it was killed."""
    dead = ended(worker(1), terminated(137, -1), "Failed")
    why = 'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi".'
    dead["status"] |= {"reason": "Evicted", "message": why}
    world = [*base(), worker(0), dead, launcher_job(), launcher_pod()]

    told = status_of(step(snapshot(running(backoffLimit=0), *world)))

    assert told["reason"] == "WorkerLost"
    assert f"(exit code 137, SIGKILL; Evicted: {why})" in told["message"]


def test_a_job_failed_by_its_pod_failure_policy_was_disrupted() -> None:
    """Where the Pod is gone, the Job's own condition tells the disruption."""
    failed = launcher_job(0, "Failed", reason="PodFailurePolicy", message="preempted")

    actions = step(snapshot(running(backoffLimit=0), *base(), *WORKERS, failed))

    assert status_of(actions)["recorded"]["disruptions"] == 1


def test_a_failure_without_a_pod_says_what_the_job_says() -> None:
    """Neither Pod nor exit code is left: the Job's message must do."""
    failed = launcher_job(0, "Failed", reason="BackoffLimitExceeded", message="why")

    actions = step(snapshot(running(backoffLimit=0), *base(), *WORKERS, failed))

    assert "why" in status_of(actions)["message"]


def test_a_failure_names_the_remote_starts_that_ended_badly() -> None:
    """The exit code comes with the hosts that the agent recorded."""
    pod = failed_pod(1, message="+0\n!0 255\n!pi-launcher 7")

    told = status_of(
        step(snapshot(running(backoffLimit=0), *base(), *WORKERS, FAILED, pod))
    )

    assert "worker-0 (255), pi-launcher (7)" in told["message"]


def test_a_program_that_is_not_in_the_image_is_no_retry() -> None:
    """The container did not start: reason and remedy, whatever backoffLimit says."""
    pod = failed_pod(128, reason="StartError", message="mpirun: no such file")

    told = status_of(
        step(snapshot(running(backoffLimit=6), *base(), *WORKERS, FAILED, pod))
    )

    assert told["reason"] == "ProgramNotFound"
    assert "no such file" in told["message"]


def test_causes_belong_to_an_implementation() -> None:
    """Open MPI's exit code 183 says nothing under Intel MPI: it is retried."""
    job = running(backoffLimit=1)
    job["spec"]["mpiImplementation"] = "Intel"

    told = status_of(step(snapshot(job, *base(), *WORKERS, FAILED, failed_pod(183))))

    assert told["recorded"]["attempt"] == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (
            {
                "conditions": [
                    {"type": "DisruptionTarget", "status": "True", "reason": "Taint"}
                ]
            },
            "is disrupted (Taint)",
        ),
        (
            {
                "containerStatuses": [
                    {
                        "name": "main",
                        "state": {
                            "waiting": {"reason": "ErrImagePull", "message": "no"}
                        },
                    }
                ]
            },
            "ErrImagePull: no",
        ),
        (
            {
                "conditions": [
                    {"type": "PodScheduled", "status": "False", "message": "no cpu"}
                ]
            },
            "is not scheduled (no cpu)",
        ),
    ],
)
def test_the_first_blocker_is_named(status: Obj, words: str) -> None:
    """A worker that cannot become ready says why, in the status."""
    job = mpijob(status={"startTime": at(-60)})
    stuck = worker(
        1, ready=False, phase="Pending", **{"containerStatuses": [], **status}
    )
    if "scheduled" in words:
        stuck["spec"].pop("nodeName")

    world = [*base(), worker(0), stuck, launcher_job(), launcher_pod(started=False)]

    told = status_of(step(snapshot(job, *world)))

    assert words in told["message"]


def test_a_launcher_that_cannot_start_is_the_blocker() -> None:
    """With every worker ready, what the launcher waits for is shown."""
    pod = launcher_pod(started=False)
    waiting = {"waiting": {"reason": "ErrImagePull"}}
    pod["status"]["containerStatuses"] = [{"name": "main", "state": waiting}]
    job = mpijob(status={"startTime": at(-60)})

    told = status_of(step(snapshot(job, *base(), *WORKERS, launcher_job(), pod)))

    assert told["message"].endswith("ErrImagePull")


def test_ready_workers_and_no_launcher_is_no_message() -> None:
    """Nothing is in the way: the launcher is made in this very plan."""
    job = mpijob(status={"startTime": at(-60)})

    told = status_of(step(snapshot(job, *base(), *WORKERS)))

    assert told["message"] == ""


def test_a_suspended_job_that_is_blocked_makes_nothing() -> None:
    """A name that is taken stops a suspended job as any other."""
    ref = Ref("Service", "default", NAME)
    finding = Finding(FindingKind.TAKEN, ref, "an older one", 1)

    actions = step(snapshot(mpijob(suspend=True), findings=(finding,)))

    assert kinds(actions) == []


def test_a_later_attempt_is_held_suspended_without_a_new_secret() -> None:
    """The Secret is made once, for the first attempt."""
    job = running(backoffLimit=1)
    job["status"]["recorded"] |= {"attempt": 1, "workers": None}
    job["spec"]["runPolicy"]["suspend"] = True

    assert kinds(step(snapshot(job, *base(), FAILED, failed_pod()))) == ["Job"]


def test_a_child_on_its_way_out_is_waited_for() -> None:
    """Its name is taken: it is neither mended nor made again."""
    service, config_map = base()
    service["metadata"]["deletionTimestamp"] = at(0)

    actions = step(snapshot(mpijob(), service, config_map, *WORKERS, launcher_job()))

    assert "Service" not in kinds(actions)


def test_a_pod_that_waits_on_its_mount_gets_the_secret_anew() -> None:
    """Somebody deleted the Secret: after a minute it is asked for again."""
    mute = worker(1, ready=False, phase="Pending", containerStatuses=[])
    mute["metadata"]["creationTimestamp"] = at(-60)

    actions = step(snapshot(mpijob(), *base(), worker(0), mute, launcher_job()))

    assert kinds(actions) == ["Secret"]


def test_a_launcher_alone_has_its_secret_too() -> None:
    """Without workers the Secret comes before the launcher's Job."""
    assert kinds(step(snapshot(mpijob(0), *base(0)))) == ["Secret", "Job"]


def test_a_started_attempt_keeps_all_but_its_hosts() -> None:
    """A new operator's scripts reach no running attempt, its hosts do."""
    config_map, service = base()
    config_map["data"] = {**config_map["data"], "agent.sh": "old"}
    world = [service, config_map, *WORKERS, launcher_job()]

    assert step(snapshot(running(), *world, launcher_pod())) == ()
    patches = [
        one.patch for one in step(snapshot(mpijob(), *world)) if isinstance(one, Patch)
    ]
    assert [list(cast("Obj", one["data"])) for one in patches] == [["agent.sh"]]


def test_the_surplus_stays_while_the_identity_counts_it() -> None:
    """A worker was lost and the job made smaller: the evidence is kept."""
    job = running()
    job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"] = 1
    job["status"]["recorded"]["missing"] = {
        "since": at(-1),
        "disrupted": False,
        "message": "pi-worker-0 is gone",
    }

    actions = step(snapshot(job, *base(1), *WORKERS, launcher_job(), launcher_pod()))

    assert not [one for one in actions if isinstance(one, Delete)]


def test_an_elastic_job_made_smaller_lets_the_surplus_go() -> None:
    """Its worker 0 is not ready: it may wait for the very room that worker 1 has."""
    job = running(workerFailurePolicy="KeepLauncher")
    job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"] = 1
    pods = [worker(0, ready=False), worker(1), launcher_job(), launcher_pod()]

    actions = step(snapshot(job, *base(1), *pods))

    gone = [one.ref.name for one in actions if isinstance(one, Delete)]
    assert gone == [f"{NAME}-worker-1"]


def told_of(tail: str) -> str:
    """Give what is told of a launcher that failed and left a log."""
    seen = snapshot(running(backoffLimit=0), *base(), *WORKERS, FAILED, failed_pod())
    (look,) = plan(seen, NOW).looks
    actions = plan(attrs.evolve(seen, answers={look: tail}), NOW).actions
    return str(status_of(actions)["message"])


def test_a_line_without_end_is_cut() -> None:
    """A status with half a megabyte of a program's output would not be taken."""
    message = told_of(f"{'x' * 500_000}\nlast line")
    assert f"last lines:\n{'x' * 500}...\nlast line" in message
    assert len(message) < 1_000


def test_lines_that_say_nothing_do_not_hide_those_that_do() -> None:
    """Open MPI frames its words, and kubectl exec adds a line for each worker."""
    rule = "-" * 74
    words = ["Executable: /opt/none/solver", "Node: pi-worker-0", "while starting 1."]
    noise = ["command terminated with exit code 1"] * 4
    tail = "\n".join([rule, *words[:2], "", words[2], rule, *noise])
    assert told_of(tail).partition("last lines:\n")[2] == "\n".join(words)


def test_a_verdict_ends_restarting() -> None:
    """Restarting does not stand beside Succeeded (upstream's rule)."""
    job = running(backoffLimit=1)
    job = after(job, step(snapshot(job, *base(), *WORKERS, FAILED, failed_pod())))
    assert condition(job["status"], "Restarting")["status"] == "True"
    pod = ended(launcher_pod(1), terminated(0, -2, message="+0"), "Succeeded")
    second = launcher_job(1, "Complete")

    told = status_of(step(snapshot(job, *base(), *WORKERS, FAILED, second, pod)))

    assert condition(told, "Succeeded")["status"] == "True"
    assert condition(told, "Restarting") == {}


def test_workers_that_are_ready_no_more_say_so() -> None:
    """Before the launcher runs, readiness can be lost; the condition follows."""
    job = mpijob()
    job = after(job, step(snapshot(job, *base(), *WORKERS, launcher_job())))
    assert job["status"]["phase"] == "WorkersReady"

    lost = worker(1, ready=False)
    told = status_of(step(snapshot(job, *base(), worker(0), lost, launcher_job())))

    assert condition(told, "WorkersReady")["status"] == "False"


def test_a_name_that_is_free_again_ends_blocked() -> None:
    """Blocked stays until the object in the way has a counterpart of ours."""
    ref = Ref("Service", "default", NAME)
    finding = Finding(FindingKind.FOREIGN, ref, f'Service "{NAME}" is not ours', 1)
    job = mpijob()
    job = after(job, step(snapshot(job, findings=(finding,))))

    gone = after(job, step(snapshot(job)))
    assert condition(gone["status"], "Blocked")["status"] == "True"
    ours = after(job, step(snapshot(job, *base())))
    assert condition(ours["status"], "Blocked")["status"] == "False"


def test_clean_pod_policy_all_removes_the_launchers_pods() -> None:
    """The Jobs stay as the job's memory, their Pods go."""
    job = running(cleanPodPolicy="All")
    pod = ended(launcher_pod(), terminated(0, -2, message="+0"), "Succeeded")

    actions = step(snapshot(job, *base(), *WORKERS, COMPLETE, pod))

    gone = {one.ref.name for one in actions if isinstance(one, Delete)}
    assert gone == {f"{NAME}-worker-0", f"{NAME}-worker-1", f"{NAME}-launcher-abcde"}


def test_a_worker_that_is_another_one_is_lost() -> None:
    """Same name, another uid: the attempt's ranks died with the first."""
    new = worker(1)
    new["metadata"]["uid"] = "another"

    told = status_of(
        step(
            snapshot(running(), *base(), worker(0), new, launcher_job(), launcher_pod())
        )
    )

    assert told["reason"] == "WorkerLost"


@pytest.mark.compat("workers.restarted", "spec.runPolicy.backoffLimit")
def test_a_worker_that_restarted_is_lost() -> None:
    """Its container ended after the launcher had started."""
    again = worker(1)
    again["status"]["containerStatuses"][0] |= {
        "restartCount": 1,
        "lastState": terminated(137, -5),
    }

    told = status_of(
        step(
            snapshot(
                running(), *base(), worker(0), again, launcher_job(), launcher_pod()
            )
        )
    )

    assert told["reason"] == "WorkerLost"
    assert "has restarted (exit code 137, SIGKILL)" in told["message"]


def test_a_worker_whose_container_has_ended_is_told_with_its_cause() -> None:
    """A kubelet tells a container's end before the Pod's; the cause is known then."""
    dead = ended(worker(1), terminated(137, -5, reason="OOMKilled"), "Running")

    told = status_of(
        step(
            snapshot(
                running(), *base(), worker(0), dead, launcher_job(), launcher_pod()
            )
        )
    )

    assert told["reason"] == "WorkerLost"
    assert "has ended (exit code 137, SIGKILL, OOMKilled)" in told["message"]


def test_exit_code_0_with_keep_launcher_needs_no_proof() -> None:
    """An elastic job ends well whatever became of its workers."""
    job = running(workerFailurePolicy="KeepLauncher")
    pod = ended(launcher_pod(), terminated(0, -2, message="+0\n!1 9"), "Succeeded")

    told = status_of(step(snapshot(job, *base(), worker(0), COMPLETE, pod)))

    assert condition(told, "Verified")["status"] == "True"


def test_exit_code_0_after_a_recorded_loss_is_a_failed_attempt() -> None:
    """The loss was seen while the launcher ran; that it exits 0 changes nothing."""
    job = running(backoffLimit=1)
    dead = ended(worker(1), terminated(137, -5), "Failed")
    world = [*base(), worker(0)]
    job = after(job, step(snapshot(job, *world, dead, launcher_job(), launcher_pod())))
    pod = ended(launcher_pod(), terminated(0, 3, message="+0"), "Succeeded")

    told = status_of(step(snapshot(job, *world, dead, COMPLETE, pod), 5))

    assert told["recorded"]["attempt"] == 1


def test_another_worker_of_unknown_age_makes_a_success_uncertain() -> None:
    """It was made after the launcher had finished: what became of the first?"""
    new = worker(1)
    new["metadata"] |= {"uid": "another", "creationTimestamp": at(-1)}
    pod = ended(launcher_pod(), terminated(0, -2, message="+0"), "Succeeded")

    told = status_of(step(snapshot(running(), *base(), worker(0), new, COMPLETE, pod)))

    assert condition(told, "Verified")["status"] == "Unknown"


def test_exit_code_0_beside_a_disrupted_worker_is_a_failed_attempt() -> None:
    """A disruption counts as before the end where its time is not known."""
    entry = {"type": "DisruptionTarget", "status": "True", "reason": "Preempted"}
    pod = ended(launcher_pod(), terminated(0, -2, message="+0"), "Succeeded")
    out = worker(1, conditions=[entry])

    told = status_of(step(snapshot(running(), *base(), worker(0), out, COMPLETE, pod)))

    assert told["recorded"]["disruptions"] == 1


@pytest.mark.parametrize(("when", "lost"), [(-3, True), (-2, True), (-1, False)])
def test_a_disruption_after_the_end_takes_no_success_back(
    when: float, lost: bool
) -> None:
    """A drain that begins when the program is done costs nobody its result."""
    entry = {"type": "DisruptionTarget", "status": "True", "reason": "Preempted"}
    pod = ended(launcher_pod(), terminated(0, -2, message="+0\n+1"), "Succeeded")
    out = worker(1, conditions=[{**entry, "lastTransitionTime": at(when)}])
    seen = snapshot(running(), *base(), worker(0), out, COMPLETE, pod)

    told = status_of(step(seen, 5))

    assert told.get("result", "") == ("" if lost else "Succeeded")


def test_a_missing_worker_among_several_that_leave_is_found() -> None:
    """The Pod on its way out with the same index tells the cause."""
    leaving = [worker(1), worker(0)]
    for pod in leaving:
        pod["metadata"]["deletionTimestamp"] = at(0)

    first = step(snapshot(running(), *base(), *leaving, launcher_job(), launcher_pod()))
    other = step(
        snapshot(
            running(), *base(), worker(0), leaving[0], launcher_job(), launcher_pod()
        )
    )

    assert f"{NAME}-worker-0" in status_of(first)["message"]
    assert f"{NAME}-worker-1" in status_of(other)["message"]


def test_suspending_a_failed_attempt_raises_it() -> None:
    """The failure is not lost; the next attempt waits for the resume."""
    job = running(backoffLimit=1)
    job["spec"]["runPolicy"]["suspend"] = True

    told = status_of(step(snapshot(job, *base(), *WORKERS, FAILED, failed_pod())))

    assert told["recorded"]["attempt"] == 1
    assert told["startTime"] is None


def test_a_running_launcher_pod_keeps_the_attempt() -> None:
    """Its Job has failed, another Pod of it still runs: nothing is raised."""
    job = running(backoffLimit=1)
    ghost = launcher_pod()
    ghost["metadata"] |= {"name": "pi-launcher-zzzzz", "creationTimestamp": at(-55)}

    actions = step(snapshot(job, *base(), *WORKERS, FAILED, ghost, failed_pod()))

    assert "recorded" not in status_of(actions)


def test_a_launcher_that_starts_without_a_worker_counts_those_before_it() -> None:
    """The attempt has started; its identity are the workers up to the gap."""
    actions = step(
        snapshot(mpijob(), *base(), worker(0), launcher_job(), launcher_pod())
    )

    assert status_of(actions)["recorded"]["workers"]["count"] == 1


def test_a_long_jobs_later_attempts_are_told_apart() -> None:
    """The name of a retry's Job fits a label and keeps its number."""
    one, two = (names.launcher_job("a" * 60 + end, 3) for end in ("b", "c"))

    assert one != two
    assert len(one) <= names.LONGEST_LABEL
    assert one.endswith("-launcher-r3")


def test_a_refused_spec_of_a_started_job_keeps_its_workers() -> None:
    """Under a running launcher a bad edit is told and changes nothing."""
    job = running()
    job["metadata"]["generation"] = 2
    job["spec"]["slotsPerWorker"] = 0
    world = [*base(), *WORKERS, launcher_job(), launcher_pod()]

    actions = step(snapshot(job, *world))

    assert condition(status_of(actions), "Valid")["status"] == "False"
    assert "phase" not in status_of(actions)
    assert not [one for one in actions if isinstance(one, Delete)]


def test_a_name_that_no_child_could_have_is_refused() -> None:
    """Nothing is made of it, and the status says why."""
    job = mpijob()
    job["metadata"]["name"] = "Not_A_Label"

    actions = step(snapshot(job))

    assert status_of(actions)["phase"] == "Invalid"
    assert kinds(actions) == []


@pytest.mark.parametrize("time", ["yesterday", 7, None])
def test_times_that_are_none(time: object) -> None:
    """A managedFields entry without a time is passed over; a bad one too."""
    job = mpijob()
    job["metadata"]["managedFields"] = [{"apiVersion": names.V1, "time": time}]

    found = parse(job)

    assert isinstance(found, MPIJob)
    assert found.run_policy.backoff_limit == 6


def test_a_bad_creation_time_is_told() -> None:
    """The message shows how a time is written."""
    job = mpijob()
    job["metadata"]["creationTimestamp"] = "yesterday"

    found = parse(job)

    assert isinstance(found, tuple)
    assert "2026-01-31T12:00:00Z" in str(found[0])


def test_a_number_is_no_name() -> None:
    """Its type is wrong: that is said, not what a name may have in it."""
    job = mpijob()
    job["metadata"]["name"] = 7

    found = parse(job)

    assert isinstance(found, tuple)
    assert {one.path for one in found} == {"metadata.name"}
    assert "lower-case" not in str(found[0])


def test_kubectl_exec_without_workers_may_exec_nowhere() -> None:
    """A rule without names would allow every Pod, so there is none."""
    job = mpijob(0)
    job["spec"]["remoteShell"] = "KubectlExec"

    roles = [
        one.manifest
        for one in step(snapshot(job))
        if isinstance(one, Create) and one.ref.kind == "Role"
    ]

    rules = cast("list[Obj]", roles[0]["rules"])
    assert [rule["resources"] for rule in rules] == [["pods"]]


def test_a_pod_without_a_controller_has_no_owner() -> None:
    """Somebody else's reference, or none, is nobody's."""
    pod = worker(0)
    pod["metadata"]["ownerReferences"] = [{"controller": False, "uid": "u"}]
    pod["status"]["containerStatuses"][0]["name"] = "sidecar"

    found = pod_view(pod)

    assert found.owner == ""
    assert not found.started


def test_a_null_among_a_containers_words_is_told() -> None:
    """An argument without a value is a mistake that the API server would refuse."""
    job = mpijob()
    worker_spec = job["spec"]["mpiReplicaSpecs"]["Worker"]["template"]["spec"]
    worker_spec["containers"] = [{"name": "main", "image": "i", "args": [None]}]

    found = parse(job)

    assert isinstance(found, tuple)
    assert "must be a string, is null" in str(found[0])


def test_a_recorded_success_is_never_run_again() -> None:
    """Somebody deletes all its children, Jobs included: nothing is made."""
    job = running(cleanPodPolicy="Running")
    pod = ended(launcher_pod(), terminated(0, -2, message="+0"), "Succeeded")
    job = after(job, step(snapshot(job, *base(), *WORKERS, COMPLETE, pod)))
    job = after(job, step(snapshot(job, *base(), COMPLETE, pod)))
    assert job["status"]["phase"] == "Cleaned"

    assert kinds(step(snapshot(job))) == []
    assert step(snapshot(job, COMPLETE, pod)) == ()
    assert step(snapshot(job, *base(), COMPLETE, pod)) == ()


def test_a_launcher_job_without_a_pod_and_without_words_is_not_guessed_at() -> None:
    """Where Events may not be read, the status gives no reason that nobody knows."""
    job = mpijob(status={"startTime": at(-60)})
    seen = snapshot(job, *base(), launcher_job(), *WORKERS)
    asked = plan(seen, NOW).looks
    assert asked
    blind = attrs.evolve(seen, answers=dict.fromkeys(asked))
    told = status_of(plan(blind, NOW).actions)
    assert told["phase"] == "WorkersReady"
    assert (told["reason"], told["message"]) == ("", "")
