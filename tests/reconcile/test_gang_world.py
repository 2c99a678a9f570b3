"""Gang-scheduled jobs on the embedded server: what is made, in which order, and why."""

from collections import Counter
from typing import Any

import pytest

from mpiop.k8s.settings import Settings
from mpiop.local.client import CRDS, EVENTS, JOBS, PODS, Deletion, Json, Resource
from mpiop.reconcile import names
from mpiop.reconcile.gang import marked
from mpiop.reconcile.plan import plan
from tests.property.test_histories import job
from tests.support.gangs import DEFINITIONS, POD_GROUPS, know_scheduling_groups
from tests.support.harness import MPIJOBS, Harness
from tests.support.transport import resource

PRIORITIES = Resource("scheduling.k8s.io/v1", "priorityclasses")
SCHEDULERS = sorted(DEFINITIONS)
POLICIES = ["AtStartup", "WaitForWorkersReady"]
NODE = {"apiVersion": "v1", "kind": "Node", "name": "node"}
ABSENT: Json = {}


@pytest.fixture(autouse=True)
def _gate(monkeypatch: pytest.MonkeyPatch) -> None:
    know_scheduling_groups(monkeypatch)


class World(Harness):
    """A cluster with a gang scheduler; `schedule` plays it, all or nothing.

    Kubernetes' own is played by the embedded scheduler, which knows no gangs: what it
    really does is for the tests with a real control plane.
    """

    def __init__(self, scheduler: str) -> None:
        settings = Settings(gang_scheduling=scheduler)
        super().__init__(plan, settings=settings, more=(DEFINITIONS[scheduler],))
        self.groups = POD_GROUPS[scheduler]
        self.open = True
        self.cpus = 1000

    def step(self) -> float:
        self.schedule()
        return super().step()

    def schedule(self) -> None:
        """Bind all Pods of a group that has enough of them, or none."""
        for group in self.client.list(self.groups)["items"]:
            pods = [pod for pod in self.pods() if marked(pod)]
            waiting = [pod for pod in pods if not pod["spec"].get("nodeName")]
            if not waiting or group["metadata"].get("deletionTimestamp"):
                continue
            fits = int(group["spec"].get("minResources", {}).get("cpu", 0)) <= self.cpus
            enough = len(pods) >= minimum(group) and fits and self.open
            self.say(phase="Running" if enough else "Pending")
            for pod in waiting if enough else ():
                self.bind(pod)

    def bind(self, pod: Json) -> None:
        """Give a Pod the only node."""
        meta = {key: pod["metadata"][key] for key in ("name", "namespace", "uid")}
        binding = {"apiVersion": "v1", "kind": "Binding", "metadata": meta}
        self.client.create_sub(PODS, pod, "binding", {**binding, "target": NODE})

    def say(self, **status: object) -> None:
        """Write what a scheduler says of the group, where it is news."""
        group = self.group()
        if any(group.get("status", {}).get(k) != v for k, v in status.items()):
            self.client.patch(self.groups, group, {"status": status}, "status")

    def group(self) -> Json:
        """Read the PodGroup of the job; empty where there is none."""
        return self.find(self.groups, "pi") or ABSENT

    def pods(self) -> list[Json]:
        """List Pods that have not ended."""
        items: list[Json] = self.client.list(PODS, "default")["items"]
        ended = {"Succeeded", "Failed"}
        return [pod for pod in items if pod["status"].get("phase") not in ended]

    def edit(self, **policy: object) -> None:
        """Change runPolicy."""
        patch = {"spec": {"runPolicy": policy}}
        self.client.patch(MPIJOBS, self.job(), patch)

    def status(self) -> dict[str, Any]:
        """Read the job's status."""
        found: dict[str, Any] = self.job().get("status", {})
        return found


@pytest.mark.compat("gang.missing")
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_scheduler_that_is_not_installed_is_told(scheduler: str) -> None:
    """No Pod is made; status and Event say what to install; then it goes on."""
    world = Harness(plan, settings=Settings(gang_scheduling=scheduler))
    world.create(job(2, "SSH", {}))
    world.advance(15)

    told = world.job()["status"]
    assert (told["phase"], told["reason"]) == ("Created", "GangSchedulerMissing")
    assert POD_GROUPS[scheduler].group_version in told["message"]
    assert f"--gang-scheduling={scheduler}" in told["message"]
    assert not world.client.list(PODS)["items"]
    assert [kind.partition(".")[0] for kind in world.operator.unserved()] == [
        "PodGroup"
    ]
    before = world.transport.writes
    world.advance(3600)
    assert world.transport.writes == before

    world.client.create(CRDS, DEFINITIONS[scheduler])
    world.advance(60)
    assert len(world.client.list(POD_GROUPS[scheduler])["items"]) == 1
    assert len(world.client.list(PODS)["items"]) >= 2
    assert not [*world.operator.unserved()]
    blocked = [one for one in conditions(world) if one["type"] == "Blocked"]
    assert [one["status"] for one in blocked] == ["False"]
    reasons = [one["reason"] for one in world.client.list(EVENTS)["items"]]
    assert reasons.count("GangSchedulerMissing") == 1


def test_a_job_that_runs_goes_on_without_its_scheduler() -> None:
    """The definition is deleted under it: nothing is stopped; the next job waits."""
    world = start("volcano")
    world.node.reports = True
    world.run_until(lambda: world.phase() == "LauncherRunning")
    world.groups = Resource("v1", "configmaps")  # nobody schedules any more
    world.client.delete(CRDS, DEFINITIONS["volcano"])
    late = job(2, "SSH", {})
    late["metadata"]["name"] = "late"
    world.create(late)
    world.run_until(lambda: bool(world.status().get("result")))
    assert world.status()["result"] == "Succeeded"
    world.advance(600)  # an open watch says nothing; it ends within minutes
    assert world.job("late")["status"]["reason"] == "GangSchedulerMissing"


def conditions(world: Harness) -> list[Json]:
    """List the job's conditions."""
    found: list[Json] = world.job()["status"]["conditions"]
    return found


def minimum(group: Json) -> int:
    """Read how many Pods a group asks for."""
    spec: dict[str, Any] = group["spec"]
    native = spec.get("schedulingPolicy", {}).get("gang", {})
    return int(spec.get("minMember", native.get("minCount", 0)))


def start(
    scheduler: str, creation: str = "AtStartup", *, open_: bool = True, **policy: object
) -> World:
    """Create a job of two workers in a world with a gang scheduler."""
    world = World(scheduler)
    world.open = open_
    manifest = job(2, "SSH", policy)
    manifest["spec"]["launcherCreationPolicy"] = creation
    world.create(manifest)
    return world


@pytest.mark.compat("gang.launcher")
@pytest.mark.defect("D5")
@pytest.mark.parametrize("creation", POLICIES)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_gang_needs_no_ready_worker_to_be_whole(
    scheduler: str, creation: str
) -> None:
    """The launcher comes with the workers; nobody waits for the other."""
    world = start(scheduler, creation)
    world.node.workers_ready = False
    world.advance(5)
    assert minimum(world.group()) == 3
    assert len(world.pods()) == 3
    assert all(pod["spec"].get("nodeName") for pod in world.pods())

    world.node.workers_ready = True
    world.run_until(lambda: world.phase() == "Succeeded")


@pytest.mark.compat("gang.removal")
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_gang_costs_one_create_and_one_delete(scheduler: str) -> None:
    """And it is there before the first Pod, and gone after the last."""
    world = start(scheduler, cleanPodPolicy="Running")
    world.run_until(lambda: world.phase() == "Cleaned")
    world.advance(600)

    assert world.transport.counts == Counter(
        {
            ("create", "services"): 1,
            ("create", "configmaps"): 1,
            ("create", "secrets"): 1,
            ("create", "podgroups"): 1,
            ("create", "pods"): 2,
            ("create", "jobs"): 1,
            ("patch", "mpijobs/status"): 5,
            ("create", "events"): 3,
            ("delete", "pods"): 2,
            ("delete", "podgroups"): 1,
        }
    )
    calls = [(one.method, resource(one.path)) for one in world.transport.calls]
    assert calls.index(("POST", "podgroups")) < calls.index(("POST", "pods"))
    assert not world.group()


@pytest.mark.compat("gang.launcher")
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_gang_of_the_workers_alone_keeps_the_order(scheduler: str) -> None:
    """Who asks for N Pods together gets the launcher once they are ready."""
    least = {"minAvailable": 2}
    world = start(scheduler, "WaitForWorkersReady", schedulingPolicy=least)
    world.node.workers_ready = False
    world.advance(30)
    assert not world.client.list(JOBS)["items"]
    assert len(world.pods()) == 2

    world.node.workers_ready = True
    world.run_until(lambda: world.phase() == "Succeeded")


@pytest.mark.compat("gang.removal")
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_suspending_takes_the_group_and_resuming_makes_another(scheduler: str) -> None:
    world = start(scheduler, "WaitForWorkersReady", suspend=True)
    world.advance(30)
    assert not world.group()

    world.node.launcher_seconds = 1e6
    world.edit(suspend=False)
    world.run_until(lambda: world.phase() == "LauncherRunning")
    first = world.group()["metadata"]["uid"]

    world.edit(suspend=True)
    world.run_until(lambda: not world.pods() and not world.group())
    world.advance(60)
    assert world.phase() == "Suspended"

    world.edit(suspend=False)
    world.run_until(lambda: world.phase() == "LauncherRunning")
    assert world.group()["metadata"]["uid"] != first


def test_new_pods_wait_for_a_group_that_is_going() -> None:
    """Kubernetes' own stays, by a finalizer, while Pods of it end."""
    world = start("kubernetes", suspend=False)
    world.node.launcher_seconds = 1e6
    world.run_until(lambda: world.phase() == "LauncherRunning")
    finalizers = {"metadata": {"finalizers": ["example.com/pods"]}}
    world.client.patch(world.groups, world.group(), finalizers)
    world.edit(suspend=True)
    world.run_until(lambda: "deletionTimestamp" in world.group()["metadata"])

    world.edit(suspend=False)
    world.advance(30)
    assert not world.pods()
    assert "PodGroup pi of the last run is being deleted" in world.status()["message"]

    world.client.patch(world.groups, world.group(), {"metadata": {"finalizers": None}})
    world.run_until(lambda: world.phase() == "LauncherRunning")


def test_a_group_that_is_deleted_in_mid_run_is_made_again() -> None:
    world = start("volcano")
    world.node.launcher_seconds = 1e6
    world.run_until(lambda: world.phase() == "LauncherRunning")
    world.client.delete(world.groups, world.group(), Deletion())
    world.advance(5)
    assert minimum(world.group()) == 3
    assert world.phase() == "LauncherRunning"


@pytest.mark.compat("gang.waiting")
@pytest.mark.defect("E18")
@pytest.mark.parametrize(
    ("scheduler", "status", "expected"),
    [
        (
            "volcano",
            {
                "conditions": [
                    {
                        "type": "Unschedulable",
                        "status": "True",
                        "reason": "NotEnoughResources",
                        "message": "3/3 unschedulable",
                    }
                ]
            },
            "PodGroup pi waits (phase Pending, NotEnoughResources: 3/3 unschedulable)",
        ),
        ("scheduler-plugins", {}, "PodGroup pi waits (phase Pending)"),
    ],
)
def test_why_a_gang_waits_is_in_the_status(
    scheduler: str, status: Json, expected: str
) -> None:
    """And the next change of it, too."""
    world = start(scheduler, open_=False)
    world.advance(1)
    world.say(**status)
    world.advance(30)
    assert expected in world.status()["message"]
    assert world.status()["message"].startswith("3 Pods are scheduled together")
    before = world.transport.writes
    world.advance(120)
    assert world.transport.writes == before

    world.open = True
    world.run_until(lambda: world.phase() == "Succeeded")


@pytest.mark.compat("spec.runPolicy.schedulingPolicy.minResources")
@pytest.mark.checklist("7.5.scheduler-plugins", "7.5.Volcano")
@pytest.mark.parametrize("scheduler", ["scheduler-plugins", "volcano"])
def test_resources_that_no_cluster_has_hold_a_gang_until_they_go(
    scheduler: str,
) -> None:
    """The PodGroup carries them, all Pods wait; without them the job runs."""
    world = start(scheduler, schedulingPolicy={"minResources": {"cpu": "100"}})
    world.cpus = 8
    world.node.launcher_seconds = 1e6
    world.advance(60)
    assert world.group()["spec"]["minResources"] == {"cpu": "100"}
    assert len(world.pods()) == 3
    assert not [pod for pod in world.pods() if pod["spec"].get("nodeName")]
    assert "phase Pending" in world.status()["message"]

    world.edit(schedulingPolicy={"minResources": None})
    world.run_until(lambda: world.phase() == "LauncherRunning")
    running = [one for one in conditions(world) if one["type"] == "Running"]
    assert [one["status"] for one in running] == ["True"]
    assert "100" not in str(world.group()["spec"])


@pytest.mark.compat("gang.waiting")
def test_what_the_scheduler_says_of_a_pod_is_told_where_the_group_says_less() -> None:
    """The coscheduling plugin writes its reason into the Pods alone."""
    world = start("scheduler-plugins", open_=False)
    world.advance(1)
    unscheduled = {"type": "PodScheduled", "status": "False", "message": "0/1 nodes"}
    for pod in world.pods():
        world.client.patch(
            PODS, pod, {"status": {"conditions": [unscheduled]}}, "status"
        )
    world.advance(30)
    assert "(phase Pending); pi-" in world.status()["message"]
    assert world.status()["message"].endswith(": 0/1 nodes")


@pytest.mark.compat("gang.waiting")
@pytest.mark.checklist("7.7.e2e")
@pytest.mark.parametrize("scheduler", ["scheduler-plugins", "volcano"])
def test_a_gang_larger_than_the_job_is_named_as_such(scheduler: str) -> None:
    """Nobody else says so; and the user's correction is carried out."""
    world = start(scheduler, schedulingPolicy={"minAvailable": 10})
    world.advance(30)
    assert world.status()["message"] == (
        "schedulingPolicy.minAvailable is 10, and the job has 3 Pods: they are never"
        " scheduled; lower it"
    )
    world.edit(schedulingPolicy={"minAvailable": 2})
    world.run_until(lambda: world.phase() == "Succeeded")


@pytest.mark.compat("gang.pod-group")
@pytest.mark.checklist("7.4.SchedulerPlugins", "7.4.Volcano")
@pytest.mark.defect("D25")
@pytest.mark.parametrize("scheduler", ["scheduler-plugins", "volcano"])
def test_a_changed_policy_reaches_the_group(scheduler: str) -> None:
    """Every field, and a resource that is asked for no more goes."""
    policy = {"minResources": {"cpu": "100", "memory": "1Gi"}}
    world = start(scheduler, open_=False, schedulingPolicy=policy)
    world.advance(5)
    changed = {
        "minAvailable": 3,
        "queue": "gold",
        "priorityClass": "high",
        "minResources": {"cpu": "3", "memory": None},
        "scheduleTimeoutSeconds": 60,
    }
    world.edit(schedulingPolicy=changed)
    world.advance(5)
    own: dict[str, Json] = {
        "volcano": {"queue": "gold", "priorityClassName": "high"},
        "scheduler-plugins": {"scheduleTimeoutSeconds": 60},
    }
    both = {"minMember": 3, "minResources": {"cpu": "3"}}
    assert world.group()["spec"] == {**both, **own[scheduler]}
    assert world.transport.counts["patch", "podgroups"] == 1


@pytest.mark.compat("spec.runPolicy.schedulingPolicy.queue")
@pytest.mark.defect("D26")
def test_what_the_server_fills_in_is_left_alone() -> None:
    """A queue that nobody asked for is Volcano's to choose."""
    world = start("volcano", open_=False)
    world.advance(5)
    assert world.group()["spec"]["queue"] == "default"
    world.client.patch(world.groups, world.group(), {"spec": {"queue": "by-webhook"}})
    world.advance(5)
    assert world.group()["spec"]["queue"] == "by-webhook"
    assert world.transport.counts["patch", "podgroups"] == 0


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_more_workers_make_a_larger_gang(scheduler: str) -> None:
    world = start(scheduler, workerFailurePolicy="KeepLauncher")
    world.node.launcher_seconds = 1e6
    world.run_until(lambda: world.phase() == "LauncherRunning")
    more = {"spec": {"mpiReplicaSpecs": {"Worker": {"replicas": 4}}}}
    world.client.patch(MPIJOBS, world.job(), more)
    world.advance(10)
    assert minimum(world.group()) == 5
    assert world.transport.counts["patch", "podgroups"] == 1
    assert world.status()["workers"] == "4/4"


@pytest.mark.compat("gang.pod-group")
def test_a_started_attempt_keeps_its_group() -> None:
    """What another version of the operator computes does not reach it."""
    world = start("volcano", schedulingPolicy={"minResources": {"cpu": "1"}})
    world.node.launcher_seconds = 1e6
    world.run_until(lambda: world.phase() == "LauncherRunning")
    world.edit(schedulingPolicy={"minResources": {"cpu": "2"}})
    world.advance(10)
    assert world.group()["spec"]["minResources"] == {"cpu": "1"}


def test_a_job_that_began_without_the_scheduler_goes_on_without() -> None:
    """A Pod of a gang beside Pods that are none of it would wait for ever."""
    world = start("volcano")
    world._settings = Settings()
    world.restart_operator()
    world.node.launcher_seconds = 1e6
    world.run_until(lambda: world.phase() == "LauncherRunning")
    assert not any(marked(pod) for pod in world.pods())

    world._settings = Settings(gang_scheduling="volcano")
    world.restart_operator()
    worker = next(pod for pod in world.pods() if "worker-1" in pod["metadata"]["name"])
    world.cluster.kubelet.evict(worker)
    world.advance(60)
    assert world.phase() == "LauncherRunning"
    assert not world.group()
    assert world.status()["restarts"] == 1

    world.edit(suspend=True)
    world.run_until(lambda: world.phase() == "Suspended" and not world.pods())
    world.edit(suspend=False)
    world.run_until(lambda: world.phase() == "LauncherRunning")


def test_a_lost_worker_comes_back_into_the_gang() -> None:
    """The next attempt's launcher and worker join those that stayed."""
    world = start("volcano")
    world.node.launcher_seconds = 120.0
    world.run_until(lambda: world.phase() == "LauncherRunning")
    worker = next(pod for pod in world.pods() if "worker-1" in pod["metadata"]["name"])
    world.cluster.kubelet.evict(worker)
    world.run_until(lambda: world.phase() == "Succeeded")
    assert world.status()["restarts"] == 1
    assert world.transport.counts["create", "podgroups"] == 1


@pytest.mark.compat("gang.removal")
@pytest.mark.defect("D27")
def test_pods_that_stay_keep_their_group() -> None:
    """With policy None it goes when the last of them has ended."""
    world = start("volcano", cleanPodPolicy="None")
    world.run_until(lambda: world.phase() == "Succeeded")
    world.advance(60)
    assert world.group()
    for pod in world.pods():
        world.cluster.kubelet.succeed(pod)
    world.advance(5)
    assert not world.group()


@pytest.mark.defect("E14")
def test_priorities_are_read_where_a_part_of_unequal_pods_starts() -> None:
    """The workers' class is the higher one: two of them make up the gang."""
    world = World("scheduler-plugins")
    for name, value in (("low", 1), ("high", 1000)):
        meta = {"metadata": {"name": name}}
        world.client.create(PRIORITIES, {**meta, "value": value})
    manifest = job(2, "SSH", {"schedulingPolicy": {"minAvailable": 2}})
    for role, cpu, name in (("Launcher", "1", "low"), ("Worker", "4", "high")):
        spec = manifest["spec"]["mpiReplicaSpecs"][role]["template"]["spec"]
        requests = {"resources": {"requests": {"cpu": cpu}}}
        container = {**spec["containers"][0], **requests}
        spec |= {"priorityClassName": name, "containers": [container]}
    world.create(manifest)
    world.run_until(lambda: world.phase() == "Succeeded")
    calls = [one.path for one in world.transport.calls if "priorityc" in one.path]
    assert len(calls) == 2
    spec = world.group()["spec"]
    assert (spec["minMember"], spec["minResources"]) == (2, {"cpu": "8"})


def test_a_foreign_group_is_left_alone() -> None:
    world = World("volcano")
    meta = {"name": "pi", "namespace": "default"}
    world.client.create(world.groups, {"metadata": meta, "spec": {"minMember": 7}})
    world.create(job(2, "SSH", {}))
    world.advance(60)
    assert world.status()["reason"] == "Blocked"
    assert 'PodGroup.scheduling.volcano.sh "pi"' in world.status()["message"]
    assert minimum(world.group()) == 7
    assert not world.pods()
    assert names.JOB_UID not in (world.group()["metadata"].get("labels") or {})
