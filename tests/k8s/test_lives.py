"""Whole lives of jobs on virtual time, as users of upstream know them."""

from typing import Any

import pytest

from mpiop.k8s.settings import Settings
from mpiop.local.client import (
    CONFIG_MAPS,
    EVENTS,
    JOBS,
    NAMESPACES,
    PODS,
    SERVICES,
    Json,
    Resource,
)
from mpiop.reconcile import names
from mpiop.reconcile.plan import plan
from tests.support.deployed import definition
from tests.support.harness import MPIJOBS, Harness
from tests.support.transport import Faults, status_reply
from tests.support.upstream import V1, V2, mpijob

CRD = definition()
RBAC = "rbac.authorization.k8s.io/v1"
Obj = dict[str, Any]


def harness(seconds: float = 30.0, **more: Any) -> Harness:  # noqa: ANN401
    """Give a cluster with the definition as shipped."""
    world = Harness(plan, crd=CRD, **more)
    world.node.launcher_seconds = seconds
    return world


def status(world: Harness, namespace: str = "default") -> Obj:
    """Read the status."""
    found: Obj = world.job(namespace=namespace).get("status", {})
    return found


def pods(world: Harness, role: str = "", namespace: str = "default") -> list[Json]:
    """List the Pods of a role."""
    return [
        pod
        for pod in world.client.list(PODS, namespace)["items"]
        if role in pod["metadata"]["name"]
    ]


def pod_names(world: Harness, role: str = "", namespace: str = "default") -> list[str]:
    """Name the Pods of a role."""
    return sorted(pod["metadata"]["name"] for pod in pods(world, role, namespace))


def edit(world: Harness, patch: Obj, namespace: str = "default") -> None:
    """Change the spec as a user or a queue does."""
    live = world.job(namespace=namespace)
    world.client.patch(MPIJOBS, live, {"spec": patch})


def scale(world: Harness, workers: int, namespace: str = "default") -> None:
    """Change the number of workers."""
    patch = {"mpiReplicaSpecs": {"Worker": {"replicas": workers}}}
    edit(world, patch, namespace)


def runs(world: Harness, namespace: str = "default") -> None:
    """Wait until the launcher runs."""
    world.run_until(
        lambda: status(world, namespace).get("phase") == "LauncherRunning", limit=120
    )


def over(world: Harness, limit: float = 600) -> Obj:
    """Wait for the verdict, and for the clean-up after it."""
    world.run_until(lambda: bool(status(world).get("result")), limit=limit)
    world.advance(60)
    return status(world)


def events(world: Harness) -> list[Json]:
    """Give the Events about the job, in their order."""
    found = world.client.list(EVENTS)["items"]
    mine = (one for one in found if one["involvedObject"]["kind"] == names.KIND)
    return sorted(mine, key=_when)


def said(world: Harness) -> list[str]:
    """Give their reasons."""
    return [one["reason"] for one in events(world)]


def _when(event: Json) -> tuple[str, int]:
    version = int(event["metadata"]["resourceVersion"])
    return event["firstTimestamp"], version


@pytest.mark.checklist("7.4.Success", "7.5.managedBy")
@pytest.mark.defect("E12")
@pytest.mark.compat("clean-up.Running", "objects.Service", "objects.Launcher")
@pytest.mark.parametrize("by", [{}, {"managedBy": "kubeflow.org/mpi-operator"}])
def test_success(by: Obj) -> None:
    """Children that are wired to each other, the phases in order, workers removed."""
    world = harness()
    world.create(mpijob(cleanPodPolicy="Running", **by))
    runs(world)
    selector = world.client.get(SERVICES, "default", "pi")["spec"]["selector"]
    for pod in pods(world):
        assert selector.items() <= pod["metadata"]["labels"].items()
        held = str(pod["spec"]["volumes"])
        assert "pi-config" in held
        assert f"pi-ssh-{world.job()['metadata']['uid']}" in held
    done = over(world)
    assert done["conditions"][0]["type"] == "Created"
    assert {"Succeeded", "Running"} <= {one["type"] for one in done["conditions"]}
    assert pod_names(world, "worker") == []
    assert len(pods(world, "launcher")) == 1
    told = said(world)
    assert told[:2] == ["MPIJobCreated", "MPIJobRunning"]
    assert set(told) <= {one["reason"] for one in done["conditions"]}


@pytest.mark.compat("events.training", "events.component", "events.warning")
@pytest.mark.parametrize("version", [V1, V2])
@pytest.mark.parametrize(
    ("code", "end"),
    [(0, ("Normal", "MPIJobSucceeded")), (3, ("Warning", "BackoffLimitExceeded"))],
)
def test_both_versions_have_the_same_events(
    version: str, code: int, end: tuple[str, str]
) -> None:
    """Three, of one component; what is made and deleted has no Event of its own."""
    world = harness()
    world.node.exits = [code]
    world.node.reports = True
    world.create(mpijob(version, cleanPodPolicy="All", backoffLimit=0))
    over(world)
    found = events(world)
    assert [(one["type"], one["reason"]) for one in found] == [
        ("Normal", "MPIJobCreated"),
        ("Normal", "MPIJobRunning"),
        end,
    ]
    told_by = {(one["source"]["component"], one["reportingComponent"]) for one in found}
    assert told_by == {("mpi-job-controller", "mpi-job-controller")}


@pytest.mark.defect("D12")
def test_many_workers_do_not_hold_the_launcher_up() -> None:
    """By default no request waits for its turn: the launcher comes with the workers."""
    world = harness()
    begin = world.cluster.now
    world.create(mpijob(workers=64))
    world.settle()
    assert len(pods(world, "worker")) == 64
    assert world.find(JOBS, "pi-launcher")
    assert world.cluster.now == begin


@pytest.mark.defect("D13", "E10")
@pytest.mark.parametrize("version", [V1, V2])
def test_a_cache_that_is_behind_makes_nothing_twice(version: str) -> None:
    """However often the job is looked at before its own children are seen."""
    behind, held = True, dict[str, list[bytes]]()

    def late(path: str, lines: list[bytes]) -> list[bytes]:
        if path.endswith("/mpijobs"):
            return lines
        held.setdefault(path, []).extend(lines)
        return [] if behind else held.pop(path)

    world = harness(seconds=1e6, faults=Faults(disturb=late))
    world.create(mpijob(version))
    for number in range(10):
        world.advance(1)
        note = {"metadata": {"annotations": {"n": str(number)}}}
        world.client.patch(MPIJOBS, world.job(), note)
    behind = False
    runs(world)
    made = {one: n for one, n in world.transport.counts.items() if one[0] == "create"}
    made.pop(("create", "events"))
    assert made.pop(("create", "pods")) == 2
    assert set(made.values()) == {1}
    assert said(world) == ["MPIJobCreated", "MPIJobRunning"]


@pytest.mark.checklist("7.4.WaitWorkers")
@pytest.mark.compat("launcher.WaitForWorkersReady")
def test_the_launcher_waits_for_ready_workers() -> None:
    """Workers that run and are not ready are not enough."""
    world = harness()
    job = mpijob()
    job["spec"]["launcherCreationPolicy"] = "WaitForWorkersReady"
    world.node.workers_ready = False
    world.create(job)
    world.advance(5)
    for pod in pods(world, "worker"):
        world.cluster.kubelet.run(pod)
    world.advance(30)
    assert world.client.list(JOBS)["items"] == []
    world.node.workers_ready = True
    runs(world)
    assert len(world.client.list(JOBS)["items"]) == 1


def directives(key: str) -> Obj:
    """Give what a queue writes into the templates on admission."""
    return {
        "metadata": {"annotations": {f"queue/{key}": "1"}, "labels": {f"l-{key}": "1"}},
        "spec": {
            "nodeSelector": {"kubernetes.io/os": "linux"},
            "tolerations": [{"key": key, "operator": "Exists"}],
        },
    }


def taken_back(key: str) -> Obj:
    """Give what takes it away again."""
    return {
        "metadata": {
            "annotations": {f"queue/{key}": None},
            "labels": {f"l-{key}": None},
        },
        "spec": {"nodeSelector": None, "tolerations": None},
    }


def admit(world: Harness, template: Obj, *, suspend: bool) -> None:
    """Change suspend and both templates at once, as Kueue does."""
    roles = {role: {"template": template} for role in ("Launcher", "Worker")}
    edit(world, {"runPolicy": {"suspend": suspend}, "mpiReplicaSpecs": roles})


@pytest.mark.checklist(
    "7.4.ResumingAndSuspending",
    "7.7.suspend-resume",
    "7.8.admission",
    "7.8.restored",
)
@pytest.mark.compat("suspend.pods", "suspend.resume", "edits.launcher-template")
@pytest.mark.defect("D2", "D37", "D7")
@pytest.mark.parametrize(("version", "old"), [(V1, False), (V2, False), (V2, True)])
def test_suspended_and_resumed_twice(version: str, old: bool) -> None:
    """Each admission's directives reach all Pods, and the last one's only.

    An older server keeps the startTime of a suspended Job: it is cleared first.
    """
    world = harness(seconds=1e6)
    world.create(mpijob(version, suspend=True))
    world.advance(20)
    assert pods(world) == []
    assert status(world).get("startTime") is None
    starts = []
    for key in ("one", "two"):
        admit(world, directives(key), suspend=False)
        runs(world)
        starts.append(status(world)["startTime"])
        for pod in pods(world):
            assert f"queue/{key}" in pod["metadata"]["annotations"]
            assert f"l-{key}" in pod["metadata"]["labels"]
            assert {"key": key, "operator": "Exists"} in pod["spec"]["tolerations"]
            assert (
                len([k for k in pod["metadata"]["annotations"] if "queue/" in k]) == 1
            )
        assert len(pods(world)) == 3
        world.advance(30)
        admit(world, taken_back(key), suspend=True)
        world.run_until(lambda: not pods(world), limit=60)
        world.settle()
        counts = status(world)["replicaStatuses"].values()
        assert {one["active"] for one in counts} == {0}
        world.advance(300)
        assert pods(world) == []
        if old:
            job = world.client.get(JOBS, "default", "pi-launcher")
            then = {"status": {"startTime": starts[-1]}}
            world.client.patch(JOBS, job, then, "status")
    assert starts[0] < starts[1]
    assert status(world)["restarts"] == 0
    world.node.launcher_seconds = 5.0
    admit(world, {}, suspend=False)
    assert over(world)["restarts"] == 0
    assert len(world.client.list(JOBS)["items"]) == 1


@pytest.mark.checklist("7.1.UnsuspendFailureDoesNotPoisonCache")
@pytest.mark.defect("D25")
def test_a_resume_that_fails_is_tried_again() -> None:
    """A refused write leaves what is known as it was."""
    faults = Faults()
    world = harness(faults=faults)
    world.create(mpijob(suspend=True))
    world.advance(20)
    left = 3

    def refuse(call: Any) -> Any:  # noqa: ANN401
        nonlocal left
        if call.method == "PATCH" and call.path.endswith("/jobs/pi-launcher") and left:
            left -= 1
            return status_reply(500, "InternalError")
        return None

    faults.answer = refuse
    edit(world, {"runPolicy": {"suspend": False}})
    runs(world)
    assert left == 0
    assert status(world)["restarts"] == 0


@pytest.mark.checklist("7.1.ShutdownWorker", "7.6.ShutdownWorker", "7.7.delete-pods")
@pytest.mark.compat("clean-up.None", "clean-up.Running", "clean-up.All")
@pytest.mark.defect("D43")
@pytest.mark.parametrize("version", [V1, V2])
@pytest.mark.parametrize("code", [0, 3])
@pytest.mark.parametrize(
    ("policy", "left"),
    [
        ("None", ["pi-launcher", "pi-worker-0", "pi-worker-1"]),
        ("Running", ["pi-launcher"]),
        ("All", []),
    ],
)
def test_what_is_left_after_the_end(
    version: str, code: int, policy: str, left: list[str]
) -> None:
    """By policy, whatever the verdict; the Jobs stay: they are the job's memory."""
    world = harness()
    world.node.exits = [code]
    world.create(mpijob(version, cleanPodPolicy=policy, backoffLimit=0))
    over(world)
    assert [name[:11] for name in pod_names(world)] == left
    assert len(world.client.list(JOBS)["items"]) == 1
    verdict = "Failed" if code else "Succeeded"
    assert world.phase() == (verdict if policy == "None" else "Cleaned")


@pytest.mark.compat("suspend.pods")
@pytest.mark.checklist("7.7.delete-pods")
@pytest.mark.parametrize("version", [V1, V2])
@pytest.mark.parametrize("policy", ["None", "Running", "All"])
def test_a_suspended_job_has_no_pods(version: str, policy: str) -> None:
    """Whatever cleanPodPolicy says, those that have ended included."""
    world = harness(seconds=1e6)
    policies: Obj = {"cleanPodPolicy": policy, "workerFailurePolicy": "KeepLauncher"}
    world.create(mpijob(version, **policies))
    runs(world)
    world.cluster.kubelet.succeed(world.client.get(PODS, "default", "pi-worker-1"))
    edit(world, {"runPolicy": {"suspend": True}})
    world.advance(60)
    assert pods(world) == []


@pytest.mark.defect("D10")
@pytest.mark.parametrize("policy", ["Running", "All"])
def test_pods_on_their_way_out_are_deleted_once(policy: str) -> None:
    """However long they take, and however much happens meanwhile."""
    world = harness(seconds=5.0)
    world.create(mpijob(workers=4, cleanPodPolicy=policy))
    runs(world)
    world.node.finishes = False
    world.advance(120)
    world.restart_operator()
    world.advance(120)
    expected = 4 + (policy == "All")
    assert world.transport.counts["delete", "pods"] == expected
    world.node.finishes = True
    world.run_until(lambda: world.phase() == "Cleaned", limit=60)


@pytest.mark.parametrize("patience", [0.0, 300.0])
def test_lost_workers_are_waited_for_as_long_as_the_installation_says(
    patience: float,
) -> None:
    """Then they go by force, and the job goes on; by default it waits for a person."""
    world = harness(
        seconds=60.0, settings=Settings(force_delete_lost_workers_after=patience)
    )
    world.node.reports = True
    world.create(mpijob(backoffLimit=1))
    runs(world)
    world.node.held = {"pi-worker-0"}
    world.client.delete(PODS, world.client.get(PODS, "default", "pi-worker-0"))
    world.advance(331.0)  # its grace first
    if patience:
        world.node.held = set()
        over(world)
        assert status(world)["result"] == "Succeeded"
        events = world.client.list(EVENTS)["items"]
        assert "LostWorkerDeleted" in {one["reason"] for one in events}
    else:
        world.advance(1000.0)
        assert status(world)["reason"] == "WaitingForLostNode"


@pytest.mark.defect("D8")
@pytest.mark.compat("workers.evicted", "workers.lost", "launcher.retries")
def test_an_evicted_worker_is_replaced_for_free() -> None:
    """No verdict, no backoffLimit spent: the attempt ends and another one follows."""
    world = harness(seconds=60.0)
    world.create(mpijob(backoffLimit=0, cleanPodPolicy="All"))
    runs(world)
    world.advance(5)
    world.cluster.kubelet.evict(world.client.get(PODS, "default", "pi-worker-1"))
    world.advance(1)
    assert status(world).get("result", "") == ""
    assert status(world)["reason"] == "WorkerLost"
    done = over(world)
    assert done["restarts"] == 1
    assert done["recorded"]["disruptions"] == 1
    assert done["result"] in {"Succeeded", "Unverified"}
    assert world.phase() == "Cleaned"
    assert pods(world) == []


@pytest.mark.defect("D3")
@pytest.mark.compat("edits.replicas", "replica-index")
def test_scaling_down_spares_the_others() -> None:
    """With the launcher as worker, labels are shifted by one: only the last goes."""
    world = harness(seconds=1e6)
    job = mpijob(workers=3)
    job["spec"]["runLauncherAsWorker"] = True
    world.create(job)
    runs(world)
    before = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods(world)}
    scale(world, 2)
    world.advance(60)
    after = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods(world)}
    assert before.items() - after.items() == {("pi-worker-2", before["pi-worker-2"])}
    assert after.items() <= before.items()
    assert status(world)["restarts"] == 0


@pytest.mark.defect("D35")
@pytest.mark.compat("clean-up.All", "edits.clean-pod-policy")
def test_shrinking_at_the_end_leaves_nothing() -> None:
    """Fewer replicas, another policy and the end, all at once."""
    world = harness(seconds=20.0)
    world.create(mpijob(workers=4, cleanPodPolicy="None"))
    runs(world)
    world.advance(19)
    patch = {
        "runPolicy": {"cleanPodPolicy": "All"},
        "mpiReplicaSpecs": {"Worker": {"replicas": 1}},
    }
    edit(world, patch)
    world.cluster.kubelet.succeed(pods(world, "launcher")[0])
    over(world)
    assert pods(world) == []
    assert world.phase() == "Cleaned"


@pytest.mark.defect("E7", "D38")
@pytest.mark.parametrize("version", [V1, V2])
def test_namesakes_in_two_namespaces_are_apart(version: str) -> None:
    """Neither lists, counts nor deletes the other's workers."""
    world = harness(seconds=1e6)
    world.client.create(NAMESPACES, {"metadata": {"name": "team"}})
    world.advance(1)
    for namespace in ("default", "team"):
        job = mpijob(version, workers=3, workerFailurePolicy="KeepLauncher")
        world.create({**job, "metadata": {"name": "pi", "namespace": namespace}})
        runs(world, namespace)
    scale(world, 1, "team")
    world.advance(60)
    assert len(pods(world, "worker")) == 3
    assert pod_names(world, "worker", "team") == ["pi-worker-0"]
    here = world.client.get(CONFIG_MAPS, "default", "pi-config")["data"]
    there = world.client.get(CONFIG_MAPS, "team", "pi-config")["data"]
    assert here["discover_hosts.sh"].count("echo") == 3
    assert there["discover_hosts.sh"].count("echo") == 1


@pytest.mark.defect("E15")
@pytest.mark.compat("objects.drift")
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (SERVICES, "pi"),
        (CONFIG_MAPS, "pi-config"),
        (Resource("v1", "serviceaccounts"), "pi-launcher"),
        (Resource(RBAC, "roles"), "pi-launcher"),
        (Resource(RBAC, "rolebindings"), "pi-launcher"),
    ],
    ids=lambda value: getattr(value, "plural", None),
)
def test_a_deleted_child_is_noticed_at_once(kind: Resource, name: str) -> None:
    """Its own watch tells; nothing else has to happen."""
    world = harness(seconds=1e6)
    world.create(mpijob(V1))
    runs(world)
    old = world.client.get(kind, "default", name)
    world.client.delete(kind, old)
    world.advance(5)
    new = world.client.get(kind, "default", name)
    assert new["metadata"]["uid"] != old["metadata"]["uid"]
    assert world.phase() == "LauncherRunning"


@pytest.mark.defect("E16")
def test_the_end_costs_no_reads() -> None:
    """What is to be deleted is known from the cache."""
    world = harness(seconds=5.0)
    world.create(mpijob(V1, workers=4, cleanPodPolicy="All"))
    runs(world)
    world.transport.calls.clear()
    world.run_until(lambda: world.phase() == "Cleaned", limit=60)
    reads = [
        call.path
        for call in world.transport.calls
        if call.method == "GET" and ("watch", "true") not in call.query
    ]
    assert reads == []


@pytest.mark.defect("E9")
@pytest.mark.compat("objects.Worker", "events.warning")
def test_arguments_without_effect_are_told() -> None:
    """v1's worker without a command idles, as ever; the user is warned, once."""
    world = harness()
    job = mpijob(V1)
    worker = job["spec"]["mpiReplicaSpecs"]["Worker"]["template"]
    worker["spec"]["containers"][0]["args"] = ["-v"]
    world.create(job)
    over(world)
    events = world.client.list(EVENTS)["items"]
    told = [one for one in events if one["reason"] == "WorkerArgumentsIgnored"]
    assert len(told) == 1
    assert "command" in told[0]["message"]


@pytest.mark.compat("edits.worker-template")
def test_an_edited_worker_template_is_for_later_pods() -> None:
    """Those that are there stay; those of a scaling up have it."""
    world = harness(seconds=1e6)
    world.create(mpijob())
    runs(world)
    container = {"name": "main", "image": "mpi:2"}
    template = {"spec": {"containers": [container]}}
    patch = {"mpiReplicaSpecs": {"Worker": {"replicas": 3, "template": template}}}
    edit(world, patch)
    world.advance(30)
    images = [pod["spec"]["containers"][0]["image"] for pod in pods(world, "worker")]
    assert sorted(images) == ["mpi:1", "mpi:1", "mpi:2"]
    assert status(world)["restarts"] == 0


@pytest.mark.compat(
    "status",
    "status.phase",
    "status.conditions",
    "status.recorded",
    "status.restarts",
    "status.workers",
    "status.observedGeneration",
    "status.lastReconcileTime",
    "status.replicaStatuses.*",
    "status.replicaStatuses.*.selector",
    "status.replicaStatuses.*.labelSelector",
)
def test_the_status_is_what_the_definition_says() -> None:
    """Every field of it is declared; two of upstream's are never written, as there."""
    world = harness(seconds=20.0)
    world.node.exits = [3]
    world.create(mpijob(backoffLimit=1))
    runs(world)
    assert status(world)["workers"] == "2/2"
    assert status(world)["observedGeneration"] == world.job()["metadata"]["generation"]
    done = over(world)
    declared = CRD["spec"]["versions"][1]["schema"]["openAPIV3Schema"]["properties"]
    assert done.keys() <= declared["status"]["properties"].keys()
    assert done["restarts"] == 1
    assert done["recorded"]["attempt"] == 1
    assert done["lastReconcileTime"] >= done["completionTime"]
    for counts in done["replicaStatuses"].values():
        assert counts.keys() == {"active", "succeeded", "failed"}
    for entry in done["conditions"]:
        assert entry.keys() == {
            "type",
            "status",
            "reason",
            "message",
            "lastUpdateTime",
            "lastTransitionTime",
        }
    kinds = [entry["type"] for entry in done["conditions"]]
    assert len(kinds) == len(set(kinds))
    assert names.JOB_UID not in str(done)


def test_a_job_that_ran_for_hours_is_tried_again() -> None:
    """The next launcher has its own time to reach workers that are ready since long."""
    world = harness(seconds=7_200.0)
    world.node.reports = True
    world.node.exits = [3]
    world.create(mpijob(backoffLimit=1))
    done = over(world, 20_000.0)
    assert (done["result"], done["restarts"]) == ("Succeeded", 1)
    assert len(pods(world, "launcher")) == 2
