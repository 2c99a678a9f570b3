"""The Job controller, rule by rule."""

from typing import Any

import pytest

from mpiop.local.client import JOBS, PODS, SERVICE_ACCOUNTS, Deletion, Json
from tests.virtual_cluster import VirtualCluster, conditions

TRACKING = "batch.kubernetes.io/job-tracking"
DISRUPTED = [
    {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget"}]},
]


@pytest.fixture
def cluster() -> VirtualCluster:
    made = VirtualCluster()
    made.settle()
    made.kubelet.register()
    return made


def only(pods: list[Json]) -> Json:
    assert len(pods) == 1
    return pods[0]


def suspend(cluster: VirtualCluster, *, value: bool) -> None:
    cluster.client.patch(JOBS, cluster.job(), {"spec": {"suspend": value}})
    cluster.settle()


def run(cluster: VirtualCluster) -> Json:
    pod = only([p for p in cluster.pods("job") if p["status"]["phase"] == "Pending"])
    cluster.kubelet.run(pod)
    cluster.settle()
    return pod


def rules(action: str, **pattern: object) -> dict[str, Any]:
    return {"rules": [{"action": action, **pattern}]}


def test_a_pod_is_made_with_name_labels_owner_and_finalizer(
    cluster: VirtualCluster,
) -> None:
    """A Job's Pod is found by both spellings of its labels and held for counting."""
    job = cluster.create_job()
    meta = only(cluster.pods("job"))["metadata"]
    uid = job["metadata"]["uid"]
    assert meta["name"].startswith("job-")
    assert meta["generateName"] == "job-"
    assert meta["finalizers"] == [TRACKING]
    assert {k: v for k, v in meta["labels"].items() if "job" in k or "uid" in k} == {
        "job-name": "job",
        "batch.kubernetes.io/job-name": "job",
        "controller-uid": uid,
        "batch.kubernetes.io/controller-uid": uid,
    }
    assert meta["ownerReferences"] == [
        {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": "job",
            "uid": uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert ("SuccessfulCreate", f"Created pod: {meta['name']}") in cluster.events()


def test_status_follows_a_pod_to_complete(cluster: VirtualCluster) -> None:
    """Counts, startTime, SuccessCriteriaMet then Complete, completionTime, no hold."""
    cluster.create_job()
    assert cluster.job()["status"] == {
        "active": 1,
        "ready": 0,
        "terminating": 0,
        "startTime": "2026-01-01T00:00:00Z",
        "uncountedTerminatedPods": {},
    }
    cluster.advance(5)
    pod = run(cluster)
    assert cluster.job()["status"]["ready"] == 1
    cluster.advance(5)
    cluster.kubelet.succeed(pod)
    cluster.settle()
    job = cluster.job()
    assert conditions(job) == [
        ("SuccessCriteriaMet", "True", "CompletionsReached"),
        ("Complete", "True", "CompletionsReached"),
    ]
    assert job["status"]["completionTime"] == "2026-01-01T00:00:10Z"
    assert job["status"]["succeeded"] == 1
    assert "active" not in job["status"]
    assert "finalizers" not in only(cluster.pods("job"))["metadata"]
    assert ("Completed", "Job completed") in cluster.events()


def test_a_verdict_target_is_written_before_the_verdict(
    cluster: VirtualCluster,
) -> None:
    """A watcher sees FailureTarget in a write of its own, before Failed."""
    job = cluster.create_job(backoffLimit=0)
    pod = run(cluster)
    seen = cluster.client.watch(
        JOBS, "default", resource_version=cluster.job()["metadata"]["resourceVersion"]
    )
    cluster.kubelet.fail(pod)
    cluster.settle()
    lines = b"".join(seen.drain()).decode().splitlines()
    assert len(lines) == 2
    assert "FailureTarget" in lines[0]
    assert '"Failed"' not in lines[0]
    assert pod["metadata"]["uid"] in lines[0].partition("uncountedTerminatedPods")[2]
    assert conditions(cluster.job()) == [
        ("FailureTarget", "True", "BackoffLimitExceeded"),
        ("Failed", "True", "BackoffLimitExceeded"),
    ]
    assert job["metadata"]["uid"]
    assert (
        "BackoffLimitExceeded",
        "Job has reached the specified backoff limit",
    ) in cluster.events()


def test_deleting_the_pod_of_a_complete_job_makes_nothing(
    cluster: VirtualCluster,
) -> None:
    """A Complete Job stays without Pods once its Pod is deleted."""
    cluster.create_job()
    cluster.kubelet.succeed(run(cluster))
    cluster.settle()
    cluster.client.delete(PODS, only(cluster.pods("job")))
    cluster.advance(3600)
    assert cluster.pods("job") == []
    assert cluster.job()["status"]["succeeded"] == 1


def test_replacements_wait_longer_with_each_failure(cluster: VirtualCluster) -> None:
    """10 s after the first failure, 20 s after the second, then the limit."""
    cluster.create_job(backoffLimit=2)
    for failures, delay in ((1, 10), (2, 20)):
        cluster.kubelet.fail(run(cluster))
        assert cluster.settle() == delay
        cluster.advance(delay - 1)
        assert len(cluster.pods("job")) == failures
        cluster.advance(1)
        assert len(cluster.pods("job")) == failures + 1
    assert conditions(cluster.job()) == []
    cluster.kubelet.fail(run(cluster))
    cluster.advance(3600)
    assert cluster.job()["status"]["failed"] == 3
    assert conditions(cluster.job())[-1] == ("Failed", "True", "BackoffLimitExceeded")
    assert len(cluster.pods("job")) == 3


def test_two_at_a_time_until_three_are_done(cluster: VirtualCluster) -> None:
    """Parallelism bounds the active Pods, completions all of them."""
    cluster.create_job(parallelism=2, completions=3)
    assert len(cluster.pods("job")) == 2
    for number in (1, 2, 3):
        pod = next(p for p in cluster.pods("job") if p["status"]["phase"] == "Pending")
        cluster.kubelet.succeed(pod)
        cluster.settle()
        assert cluster.job()["status"]["succeeded"] == number
    assert len(cluster.pods("job")) == 3
    assert conditions(cluster.job())[-1][0] == "Complete"


def test_fewer_parallel_pods_deletes_without_failure(cluster: VirtualCluster) -> None:
    """A smaller parallelism removes Pods, and none of them counts as failed."""
    cluster.create_job(parallelism=3, completions=3)
    cluster.client.patch(JOBS, cluster.job(), {"spec": {"parallelism": 1}})
    cluster.settle()
    cluster.kubelet.finish_deletions()
    cluster.settle()
    assert len(cluster.pods("job")) == 1
    assert cluster.job()["status"]["active"] == 1
    assert "failed" not in cluster.job()["status"]


def test_suspend_deletes_pods_and_resume_makes_new_ones(
    cluster: VirtualCluster,
) -> None:
    """A suspended Job's Pod goes, counts as nothing, and another comes on resume."""
    cluster.create_job(backoffLimit=0, podReplacementPolicy="Failed")
    first = run(cluster)
    cluster.advance(5)
    suspend(cluster, value=True)
    assert conditions(cluster.job()) == [("Suspended", "True", "JobSuspended")]
    assert "startTime" not in cluster.job()["status"]
    assert cluster.job()["status"]["terminating"] == 1
    cluster.kubelet.finish_deletions()
    cluster.settle()
    assert cluster.pods("job") == []
    cluster.advance(5)
    suspend(cluster, value=False)
    assert conditions(cluster.job()) == [("Suspended", "False", "JobResumed")]
    assert cluster.job()["status"]["startTime"] == "2026-01-01T00:00:10Z"
    assert "failed" not in cluster.job()["status"]
    second = only(cluster.pods("job"))
    assert second["metadata"]["uid"] != first["metadata"]["uid"]
    reasons = [reason for reason, _ in cluster.events()]
    assert {"Suspended", "SuccessfulDelete", "Resumed"} <= set(reasons)


def test_resume_waits_for_the_end_of_the_old_pod(cluster: VirtualCluster) -> None:
    """With podReplacementPolicy Failed a terminating Pod holds its successor back."""
    cluster.create_job(podReplacementPolicy="Failed")
    run(cluster)
    suspend(cluster, value=True)
    suspend(cluster, value=False)
    assert len(cluster.pods("job")) == 1
    cluster.kubelet.finish_deletions()
    cluster.settle()
    assert "deletionTimestamp" not in only(cluster.pods("job"))["metadata"]


def test_a_job_created_suspended_has_no_pod(cluster: VirtualCluster) -> None:
    """It has neither Pod nor startTime, and says Suspended."""
    cluster.create_job(suspend=True)
    assert cluster.pods("job") == []
    assert conditions(cluster.job()) == [("Suspended", "True", "JobSuspended")]
    assert "startTime" not in cluster.job()["status"]


@pytest.mark.parametrize(
    ("policy", "at_once", "failed_at_once"),
    [("TerminatingOrFailed", 2, 1), ("Failed", 1, 0)],
)
def test_when_a_deleted_pod_is_replaced(
    cluster: VirtualCluster, policy: str, at_once: int, failed_at_once: int
) -> None:
    """A terminating Pod is replaced (after back-off) or waited for, by policy."""
    cluster.create_job(podReplacementPolicy=policy)
    pod = run(cluster)
    cluster.client.delete(PODS, pod)
    cluster.settle()
    cluster.advance(3600)
    assert len(cluster.pods("job")) == at_once
    assert cluster.job()["status"].get("failed", 0) == failed_at_once
    cluster.kubelet.finish_deletions()
    cluster.advance(3600)
    assert cluster.job()["status"]["failed"] == 1
    assert cluster.job()["status"]["active"] == 1


def test_eviction_fails_the_job_by_its_policy(cluster: VirtualCluster) -> None:
    """DisruptionTarget and FailJob give PodFailurePolicy, once the Pod has ended."""
    cluster.create_job(backoffLimit=0, podFailurePolicy={"rules": DISRUPTED})
    pod = run(cluster)
    meta = {"name": pod["metadata"]["name"], "namespace": "default"}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta}
    cluster.client.create_sub(PODS, pod, "eviction", eviction)
    cluster.settle()
    assert conditions(cluster.job()) == []
    cluster.kubelet.finish_deletions()
    cluster.settle()
    assert conditions(cluster.job()) == [
        ("FailureTarget", "True", "PodFailurePolicy"),
        ("Failed", "True", "PodFailurePolicy"),
    ]
    name = f"default/{meta['name']}"
    assert cluster.job()["status"]["conditions"][0]["message"] == (
        f"Pod {name} has condition DisruptionTarget matching FailJob rule at index 0"
    )


def test_a_plain_delete_is_no_disruption(cluster: VirtualCluster) -> None:
    """The same Job says BackoffLimitExceeded after somebody deleted its Pod."""
    cluster.create_job(backoffLimit=0, podFailurePolicy={"rules": DISRUPTED})
    cluster.client.delete(PODS, run(cluster))
    cluster.settle()
    cluster.kubelet.finish_deletions()
    cluster.settle()
    assert conditions(cluster.job())[-1] == ("Failed", "True", "BackoffLimitExceeded")
    assert cluster.pods("job") == []


def test_node_pressure_is_a_disruption(cluster: VirtualCluster) -> None:
    """A Pod that the kubelet evicts fails the Job by its policy."""
    cluster.create_job(backoffLimit=6, podFailurePolicy={"rules": DISRUPTED})
    cluster.kubelet.evict(run(cluster))
    cluster.settle()
    assert conditions(cluster.job())[-1] == ("Failed", "True", "PodFailurePolicy")


def test_ignored_failures_are_not_counted(cluster: VirtualCluster) -> None:
    """Ignore replaces the Pod and counts nothing."""
    policy = rules("Ignore", onPodConditions=[{"type": "DisruptionTarget"}])
    cluster.create_job(backoffLimit=0, podFailurePolicy=policy)
    cluster.kubelet.evict(run(cluster))
    cluster.advance(10)
    assert conditions(cluster.job()) == []
    assert "failed" not in cluster.job()["status"]
    assert cluster.job()["status"]["active"] == 1


@pytest.mark.parametrize(
    ("operator", "values", "exit_code", "reason"),
    [
        ("In", [42], 42, "PodFailurePolicy"),
        ("In", [42], 43, None),
        ("NotIn", [42], 43, "PodFailurePolicy"),
        ("NotIn", [42], 42, None),
    ],
)
def test_exit_codes_decide(
    cluster: VirtualCluster,
    operator: str,
    values: list[int],
    exit_code: int,
    reason: str | None,
) -> None:
    """FailJob by exit code ends the Job though the limit is not reached."""
    codes = {"operator": operator, "values": values}
    cluster.create_job(podFailurePolicy=rules("FailJob", onExitCodes=codes))
    cluster.kubelet.fail(run(cluster), exit_code)
    cluster.settle()
    found = conditions(cluster.job())
    assert (found[-1][2] if found else None) == reason


def test_the_first_matching_rule_counts(cluster: VirtualCluster) -> None:
    """A Count rule before a FailJob rule keeps the Job alive."""
    codes = {"onExitCodes": {"operator": "In", "values": [3]}}
    policy = {"rules": [{"action": "Count", **codes}, {"action": "FailJob", **codes}]}
    cluster.create_job(backoffLimit=1, podFailurePolicy=policy)
    cluster.kubelet.fail(run(cluster), 3)
    cluster.settle()
    assert conditions(cluster.job()) == []
    assert cluster.job()["status"]["failed"] == 1


def test_failed_comes_only_after_the_last_pod_has_ended(
    cluster: VirtualCluster,
) -> None:
    """The deadline deletes active Pods; Failed waits for them, FailureTarget not."""
    cluster.create_job(activeDeadlineSeconds=30)
    run(cluster)
    assert cluster.settle() == 30
    cluster.advance(30)
    assert conditions(cluster.job()) == [("FailureTarget", "True", "DeadlineExceeded")]
    assert cluster.job()["status"]["terminating"] == 1
    cluster.advance(5)
    cluster.kubelet.finish_deletions()
    cluster.settle()
    assert conditions(cluster.job())[-1] == ("Failed", "True", "DeadlineExceeded")
    assert cluster.job()["status"]["failed"] == 1
    assert cluster.pods("job") == []


def test_a_deadline_counts_active_time_in_one_go(cluster: VirtualCluster) -> None:
    """Suspension ends the count, resume starts it anew."""
    cluster.create_job(activeDeadlineSeconds=30)
    run(cluster)
    cluster.advance(20)
    suspend(cluster, value=True)
    cluster.kubelet.finish_deletions()
    cluster.advance(3600)
    assert conditions(cluster.job()) == [("Suspended", "True", "JobSuspended")]
    suspend(cluster, value=False)
    cluster.advance(29)
    assert len(conditions(cluster.job())) == 1
    cluster.advance(1)
    assert ("FailureTarget", "True", "DeadlineExceeded") in conditions(cluster.job())


def test_a_finished_job_goes_after_its_ttl(cluster: VirtualCluster) -> None:
    """After ttlSecondsAfterFinished the Job goes and, with it, its Pods."""
    cluster.create_job(ttlSecondsAfterFinished=60)
    cluster.kubelet.succeed(run(cluster))
    assert cluster.settle() == 60
    cluster.advance(59)
    assert len(cluster.pods("job")) == 1
    cluster.advance(1)
    assert cluster.client.list(JOBS)["items"] == []
    assert cluster.pods("job") == []


def test_a_refused_pod_is_told_and_tried_again(cluster: VirtualCluster) -> None:
    """FailedCreate carries the API server's words; the next try waits."""
    spec = {
        "containers": [{"name": "main", "image": "image"}],
        "restartPolicy": "Never",
        "serviceAccountName": "later",
    }
    cluster.create_job(template={"spec": spec})
    told = [message for reason, message in cluster.events() if reason == "FailedCreate"]
    assert told[0].startswith('Error creating: pods "job-')
    assert "later" in told[0]
    wait = cluster.settle()
    assert wait is not None
    assert 1 < (cluster.advance(wait) or 0) <= 60
    assert cluster.pods("job") == []
    cluster.create(SERVICE_ACCOUNTS, metadata={"name": "later"})
    cluster.advance(60)
    assert len(cluster.pods("job")) == 1


def test_init_container_failures_count(cluster: VirtualCluster) -> None:
    """A Pod whose init container fails is a failed Pod, and its code is looked at."""
    containers = [{"name": "main", "image": "image"}]
    spec = {
        "initContainers": [{"name": "wait", "image": "image"}],
        "containers": containers,
        "restartPolicy": "Never",
    }
    codes = {"containerName": "wait", "operator": "In", "values": [9]}
    cluster.create_job(
        template={"spec": spec},
        podFailurePolicy=rules("FailJob", onExitCodes=codes),
    )
    pod = only(cluster.pods("job"))
    cluster.kubelet.init(pod)
    cluster.kubelet.fail_init(pod, 9)
    cluster.settle()
    assert conditions(cluster.job())[-1] == ("Failed", "True", "PodFailurePolicy")


def test_on_failure_restarts_count_against_the_limit(cluster: VirtualCluster) -> None:
    """With restartPolicy OnFailure the containers' restarts reach the limit."""
    containers = [{"name": "main", "image": "image"}]
    spec = {"containers": containers, "restartPolicy": "OnFailure"}
    cluster.create_job(template={"spec": spec}, backoffLimit=2)
    pod = run(cluster)
    cluster.kubelet.restart(pod, 1)
    cluster.settle()
    assert conditions(cluster.job()) == []
    cluster.kubelet.restart(pod, 1)
    cluster.settle()
    assert conditions(cluster.job())[0][2] == "BackoffLimitExceeded"


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_a_deleted_job_takes_its_pods_along(
    cluster: VirtualCluster, policy: str
) -> None:
    """In the background its name is free at once, in the foreground after its Pods."""
    job = cluster.create_job()
    run(cluster)
    cluster.client.delete(JOBS, job, Deletion(policy=policy))
    cluster.settle()
    assert bool(cluster.client.list(JOBS)["items"]) == (policy == "Foreground")
    assert "deletionTimestamp" in only(cluster.pods("job"))["metadata"]
    cluster.kubelet.finish_deletions()
    cluster.settle()
    assert cluster.client.list(JOBS)["items"] == []
    assert cluster.pods("job") == []


def test_an_unscheduled_pod_ends_when_deleted(cluster: VirtualCluster) -> None:
    """A gated Pod that a waiting Job's finalizer holds is failed, gone, replaced."""
    spec = {
        "containers": [{"name": "main", "image": "image"}],
        "restartPolicy": "Never",
        "schedulingGates": [{"name": "example.com/wait"}],
    }
    cluster.create_job(template={"spec": spec}, podReplacementPolicy="Failed")
    first = only(cluster.pods("job"))
    cluster.client.delete(PODS, first)
    cluster.advance(3600)
    assert cluster.job()["status"]["failed"] == 1
    second = only(cluster.pods("job"))
    assert second["metadata"]["uid"] != first["metadata"]["uid"]


def test_a_job_of_another_controller_is_left_alone(cluster: VirtualCluster) -> None:
    """With managedBy somebody else nothing is done."""
    cluster.create_job(managedBy="example.com/other")
    assert cluster.pods("job") == []
    assert not cluster.job().get("status")


def test_a_quiet_job_costs_no_write(cluster: VirtualCluster) -> None:
    """Steps without a cause leave every resourceVersion as it is."""
    cluster.create_job()
    run(cluster)
    before = cluster.client.list(JOBS)["metadata"]["resourceVersion"]
    for _ in range(3):
        cluster.advance(60)
    assert cluster.client.list(JOBS)["metadata"]["resourceVersion"] == before


def test_controllers_that_start_anew_go_on(cluster: VirtualCluster) -> None:
    """Nothing but the back-off is kept in memory: a second instance takes over."""
    cluster.create_job()
    pod = run(cluster)
    cluster.kubelet.succeed(pod)
    cluster.restart_controllers()
    cluster.settle()
    assert conditions(cluster.job())[-1][0] == "Complete"
    assert len(cluster.pods("job")) == 1
