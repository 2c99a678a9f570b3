"""PodGroups and marks of Pods, as upstream has them where it has them."""

from typing import Any

import pytest

from mpiop.reconcile import quantity
from mpiop.reconcile.desired import launcher, pod_group, worker
from mpiop.reconcile.gang import Gang, GangKind, gang, marked, wait_reason
from mpiop.reconcile.mpijob import Install, MPIJob
from mpiop.reconcile.parse import parse
from tests.reconcile.build import mpijob

Obj = dict[str, Any]
SCHEDULERS = ("volcano", "scheduler-plugins", "kubernetes")
ALL: Obj = {
    "minAvailable": 2,
    "queue": "gold",
    "minResources": {"cpu": "100", "memory": "512Gi"},
    "priorityClass": "high",
    "scheduleTimeoutSeconds": 100,
}


def job(
    workers: int = 2, policy: Obj | None = None, annotations: Obj | None = None
) -> MPIJob:
    """Give a job with a scheduling policy."""
    manifest = mpijob(workers, **({"schedulingPolicy": policy} if policy else {}))
    manifest["metadata"]["annotations"] = annotations or {}
    return read(manifest)


def read(manifest: Obj) -> MPIJob:
    """Parse a job that is well-formed."""
    found = parse(manifest)
    assert isinstance(found, MPIJob)
    return found


def of(name: str) -> Gang:
    """Give a gang scheduler by the flag's value."""
    found = gang(name)
    assert found is not None
    return found


def spec(found: MPIJob, name: str, *, workers_first: bool = False) -> Any:  # noqa: ANN401
    """Give the spec of a job's PodGroup."""
    return pod_group.pod_group(found, of(name), workers_first=workers_first)["spec"]


def asking(
    launcher: Obj | None = None,
    worker: Obj | None = None,
    workers: int = 2,
    **policy: object,
) -> Obj:
    """Give a job whose containers have these resources."""
    manifest = mpijob(workers, schedulingPolicy=policy)
    for role, resources in (("Launcher", launcher), ("Worker", worker)):
        if role in manifest["spec"]["mpiReplicaSpecs"] and resources is not None:
            template = manifest["spec"]["mpiReplicaSpecs"][role]["template"]
            template["spec"]["containers"][0]["resources"] = resources
    return manifest


def classes(manifest: Obj, **names: str) -> Obj:
    """Give roles priority classes."""
    for role, name in names.items():
        template = manifest["spec"]["mpiReplicaSpecs"][role]["template"]
        template["spec"]["priorityClassName"] = name
    return manifest


@pytest.mark.compat("gang.schedulers")
@pytest.mark.defect("D39")
def test_the_flag_names_a_scheduler() -> None:
    """Upstream's values keep their meaning, but for the one that never worked."""
    assert gang("") is None
    assert gang("volcano") == Gang(GangKind.VOLCANO, "volcano")
    assert gang("kubernetes") == Gang(GangKind.KUBERNETES, "")
    for name in ("default-scheduler", "my-scheduler"):
        assert gang(name) == Gang(GangKind.COSCHEDULING, name)
    assert of("scheduler-plugins").scheduler == "scheduler-plugins-scheduler"


@pytest.mark.compat(
    "gang.pod-group",
    "spec.runPolicy.schedulingPolicy",
    "spec.runPolicy.schedulingPolicy.minAvailable",
    "spec.runPolicy.schedulingPolicy.queue",
    "spec.runPolicy.schedulingPolicy.minResources",
    "spec.runPolicy.schedulingPolicy.priorityClass",
)
@pytest.mark.checklist("7.2.NewPodGroup")
def test_a_volcano_group_has_all_fields_of_the_policy() -> None:
    assert spec(job(policy=ALL), "volcano") == {
        "minMember": 2,
        "queue": "gold",
        "priorityClassName": "high",
        "minResources": {"cpu": "100", "memory": "512Gi"},
    }


@pytest.mark.compat(
    "gang.pod-group", "spec.runPolicy.schedulingPolicy.scheduleTimeoutSeconds"
)
@pytest.mark.checklist("7.2.NewPodGroup")
def test_a_coscheduling_group_has_all_fields_of_the_policy() -> None:
    assert spec(job(policy=ALL), "scheduler-plugins") == {
        "minMember": 2,
        "minResources": {"cpu": "100", "memory": "512Gi"},
        "scheduleTimeoutSeconds": 100,
    }


@pytest.mark.compat("gang.pod-group", "spec.runPolicy.schedulingPolicy.priorityClass")
def test_a_native_group_has_the_count_and_the_priority() -> None:
    assert spec(job(policy=ALL), "kubernetes") == {
        "schedulingPolicy": {"gang": {"minCount": 2}},
        "disruptionMode": {"all": {}},
        "priorityClassName": "high",
    }


def test_an_elastic_gang_may_lose_one_pod_alone() -> None:
    found = read(mpijob(workerFailurePolicy="KeepLauncher"))
    assert spec(found, "kubernetes")["disruptionMode"] == {"single": {}}


@pytest.mark.compat("spec.runPolicy.schedulingPolicy.minAvailable")
@pytest.mark.checklist("7.2.CalculateMinAvailable")
@pytest.mark.parametrize("workers", [0, 1, 3])
def test_without_a_policy_launcher_and_workers_are_one_gang(workers: int) -> None:
    assert spec(job(workers), "volcano") == {"minMember": workers + 1}
    assert spec(job(workers), "scheduler-plugins") == {"minMember": workers + 1}
    count = spec(job(workers), "kubernetes")["schedulingPolicy"]["gang"]["minCount"]
    assert count == workers + 1


def test_nobody_together_is_one_by_one_for_kubernetes() -> None:
    """Its smallest gang is one Pod."""
    found = job(policy={"minAvailable": 0})
    assert spec(found, "kubernetes")["schedulingPolicy"]["gang"]["minCount"] == 1


@pytest.mark.compat("spec.runPolicy.schedulingPolicy.queue")
@pytest.mark.defect("D26")
def test_a_volcano_queue_comes_from_the_policy_else_from_the_annotation() -> None:
    noted = {"scheduling.volcano.sh/queue-name": "silver"}
    assert spec(job(annotations=noted), "volcano")["queue"] == "silver"
    assert (
        spec(job(policy={"queue": "gold"}, annotations=noted), "volcano")["queue"]
        == "gold"
    )
    assert "queue" not in spec(job(), "volcano")


@pytest.mark.checklist("7.2.CalcPriorityClassName")
@pytest.mark.parametrize(
    ("policy", "roles", "expected"),
    [
        ("high", {"Launcher": "middle", "Worker": "low"}, "high"),
        ("", {"Launcher": "middle", "Worker": "low"}, "middle"),
        ("", {"Worker": "low"}, "low"),
        ("", {}, ""),
    ],
    ids=["policy", "launcher", "worker", "none"],
)
def test_priority_class(policy: str, roles: dict[str, str], expected: str) -> None:
    manifest = classes(mpijob(schedulingPolicy={"priorityClass": policy}), **roles)
    assert pod_group.priority_class(read(manifest)) == expected


ONE = {"requests": {"cpu": "1", "memory": "1Gi"}}
TEN = {"requests": {"cpu": "10", "memory": "32Gi"}}


def least(manifest: Obj, *, workers_first: bool = False) -> Any:  # noqa: ANN401
    """Compute minResources."""
    found = pod_group.min_resources(read(manifest), workers_first=workers_first)
    return dict(found)


@pytest.mark.checklist("7.2.CalculatePGMinResources")
def test_min_resources_are_those_that_the_user_gives() -> None:
    given = {"nvidia.com/gpu": 8}
    assert least(asking(ONE, TEN, minResources=given)) == given


@pytest.mark.compat("spec.runPolicy.schedulingPolicy.minResources")
@pytest.mark.checklist("7.2.CalculatePGMinResources")
def test_min_resources_add_up_launcher_and_workers() -> None:
    assert least(asking(ONE, TEN)) == {"cpu": "21", "memory": "65Gi"}
    assert least(asking(ONE, workers=0)) == {"cpu": "1", "memory": "1Gi"}
    assert least(asking()) == {}


@pytest.mark.checklist("7.2.CalculatePGMinResources")
def test_min_resources_of_a_gang_of_nobody_are_none() -> None:
    found = read(asking(ONE, TEN, minAvailable=0))
    assert "minResources" not in spec(found, "scheduler-plugins")


@pytest.mark.checklist("7.2.AddResources")
def test_requests_win_over_limits_one_by_one() -> None:
    resources = {"requests": {"cpu": "1"}, "limits": {"cpu": "4", "memory": "2Gi"}}
    assert least(asking(resources, workers=0)) == {"cpu": "1", "memory": "2Gi"}


@pytest.mark.checklist("7.2.CalculatePGMinResources")
def test_all_containers_count_and_init_containers_do_not() -> None:
    manifest = asking(ONE, TEN)
    pod = manifest["spec"]["mpiReplicaSpecs"]["Worker"]["template"]["spec"]
    pod["containers"].append({"name": "side", "image": "i", "resources": ONE})
    pod["initContainers"] = [{"name": "init", "image": "i", "resources": TEN}]
    assert least(manifest) == {"cpu": "23", "memory": "67Gi"}


@pytest.mark.checklist("7.2.ReplicasOrder", "7.2.CalculatePGMinResources")
@pytest.mark.defect("D24")
def test_of_a_part_of_the_pods_those_of_the_higher_priority_count_first() -> None:
    """Upstream counts the launcher last and the workers in full: too much."""
    manifest = classes(asking(ONE, TEN, minAvailable=2), Launcher="a", Worker="b")
    assert least(manifest) == {"cpu": "11", "memory": "33Gi"}
    assert least(manifest, workers_first=True) == {"cpu": "20", "memory": "64Gi"}


@pytest.mark.parametrize(
    ("manifest", "expected"),
    [
        (classes(asking(minAvailable=2), Launcher="a", Worker="b"), True),
        (classes(asking(minAvailable=2), Worker="b"), True),
        (classes(asking(minAvailable=2), Launcher="a", Worker="a"), False),
        (classes(asking(minAvailable=3), Launcher="a", Worker="b"), False),
        (classes(asking(), Launcher="a", Worker="b"), False),
        (classes(asking(minAvailable=2, minResources={"cpu": 1}), Worker="b"), False),
    ],
)
def test_priorities_matter_only_for_a_part_of_unequal_pods(
    manifest: Obj, *, expected: bool
) -> None:
    assert pod_group.depends_on_priorities(read(manifest)) is expected


@pytest.mark.checklist("7.2.AddResources")
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (["1", "500m"], "1500m"),
        (["500m", "500m"], "1"),
        ([1, "2"], "3"),
        (["1Gi", "512Mi"], "1536Mi"),
        (["512Mi", "0.5Gi"], "1Gi"),
        (["1e3", "1k"], "2k"),
        (["100u", "1n"], "100001n"),
        (["900", "100"], "1k"),
        (["0", "0Mi"], "0"),
        (["512", "0.5Ki"], "1024"),
        (["0.5Ki", "0"], "512"),
        (["1E", "1E"], "2E"),
        (["1025", "0Ki"], "1025"),
        (["1Ki", "0.1"], "1025"),
    ],
)
def test_quantities_add_up_as_kubernetes_writes_them(
    written: list[object], expected: str
) -> None:
    parts: list[tuple[Any, int]] = [({"r": one}, 1) for one in written]
    assert quantity.total(parts) == {"r": expected}


@pytest.mark.parametrize("written", ["three", "1.2.3", "-1", None, {}, "1KiB"])
def test_what_is_no_quantity_is_left_to_the_api_server(written: object) -> None:
    assert quantity.total([({"cpu": written, "memory": "1Gi"}, 2)]) == {"memory": "2Gi"}


@pytest.mark.compat("gang.pods")
@pytest.mark.checklist("7.2.DecoratePodTemplateSpec")
@pytest.mark.parametrize("name", SCHEDULERS)
def test_pods_are_marked_for_their_scheduler(name: str) -> None:
    """Both roles carry the mark, and what the user wrote beside it stays."""
    manifest = mpijob()
    for role in manifest["spec"]["mpiReplicaSpecs"].values():
        role["template"]["metadata"] = {"annotations": {"a": "b"}, "labels": {"c": "d"}}
        role["template"]["spec"]["schedulerName"] = "mine"
    found, install = read(manifest), Install(gang_scheduler=name)
    pods: list[Any] = [next(worker.workers(found, install, (0,)))]
    pods.append(launcher.launcher_job(found, install, 0, suspend=False)["spec"])
    pods[1] = pods[1]["template"]
    for pod in pods:
        assert marked(pod) == of(name).kind
        assert pod["spec"]["schedulerName"] == (of(name).scheduler or "mine")
        assert pod["metadata"]["annotations"]["a"] == "b"
        assert pod["metadata"]["labels"]["c"] == "d"
        assert marked({**pod, "metadata": {}, "spec": {}}) is None


@pytest.mark.compat("gang.pods")
def test_one_priority_for_the_whole_native_gang() -> None:
    """kube-scheduler places no gang whose Pods differ in priority from it."""
    found = read(classes(mpijob(), Launcher="high", Worker="low"))
    native = Install(gang_scheduler="kubernetes")
    other = Install(gang_scheduler="volcano")
    pod: Any = next(worker.workers(found, native, (0,)))
    assert pod["spec"]["priorityClassName"] == "high"
    kept: Any = next(worker.workers(found, other, (0,)))
    assert kept["spec"]["priorityClassName"] == "low"


def test_annotations_of_the_job_reach_its_group_but_not_ours() -> None:
    """As in the Training Operator; Volcano reads some of them."""
    noted = {"volcano.sh/preemptable": "true", "mpiop/wait": "disabled"}
    group: Any = pod_group.pod_group(job(annotations=noted), of("volcano"))
    assert group["metadata"]["annotations"] == {"volcano.sh/preemptable": "true"}
    assert group["metadata"]["ownerReferences"][0]["uid"] == "uid-of-pi"


NATIVE = "scheduling.k8s.io/v1beta1"


@pytest.mark.compat("gang.waiting")
@pytest.mark.parametrize(
    ("version", "status", "expected"),
    [
        (NATIVE, {}, "no scheduler has looked at it yet"),
        (
            NATIVE,
            {"conditions": [{"type": "DisruptionTarget", "status": "True"}]},
            "no scheduler has looked at it yet",
        ),
        (
            NATIVE,
            {
                "conditions": [
                    {
                        "type": "PodGroupInitiallyScheduled",
                        "status": "False",
                        "reason": "Unschedulable",
                        "message": "minCount (3) cannot be satisfied",
                    }
                ]
            },
            "Unschedulable: minCount (3) cannot be satisfied",
        ),
        (
            NATIVE,
            {"conditions": [{"type": "PodGroupInitiallyScheduled", "status": "True"}]},
            "",
        ),
        ("scheduling.volcano.sh/v1beta1", {"phase": "Running"}, ""),
        ("scheduling.volcano.sh/v1beta1", {"phase": "Pending"}, "phase Pending"),
        (
            "scheduling.volcano.sh/v1beta1",
            {
                "phase": "Inqueue",
                "conditions": [
                    {
                        "type": "Unschedulable",
                        "status": "True",
                        "reason": "Old",
                        "lastTransitionTime": "2026-01-01T00:00:00Z",
                    },
                    {
                        "type": "Unschedulable",
                        "status": "True",
                        "reason": "NotEnoughResources",
                        "message": "3/3 tasks in gang unschedulable",
                        "lastTransitionTime": "2026-01-01T00:00:01Z",
                    },
                ],
            },
            "phase Inqueue, NotEnoughResources: 3/3 tasks in gang unschedulable",
        ),
        ("scheduling.x-k8s.io/v1alpha1", {}, "no scheduler has looked at it yet"),
        ("scheduling.x-k8s.io/v1alpha1", {"phase": "Scheduling"}, "phase Scheduling"),
        ("scheduling.x-k8s.io/v1alpha1", {"phase": "Scheduled"}, ""),
    ],
)
def test_why_a_group_waits(version: str, status: Obj, expected: str) -> None:
    assert wait_reason({"apiVersion": version, "status": status}) == expected
