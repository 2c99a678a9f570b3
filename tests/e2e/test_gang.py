"""Kubernetes' own gang scheduling: the real kube-scheduler, fake nodes."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import attrs
import pytest

from mpiop.local.client import JOBS, NODES, PODS, Deletion, Json, Resource
from tests.fake_kubelet import FakeKubelet
from tests.property.test_histories import job as manifest
from tests.support.cluster import MPIJOBS, Account, Cluster
from tests.support.controlplane import ControlPlane
from tests.support.gangs import POD_GROUPS
from tests.support.installed import install, nothing_forbidden
from tests.support.live import (
    await_job,
    await_phase,
    create,
    job,
    now,
    operating,
    playing,
    pods,
    status,
)
from tests.support.script import Script

pytestmark = [pytest.mark.needs("gangs"), pytest.mark.slow]
POLICIES: Final = ["AtStartup", "WaitForWorkersReady"]
GROUPS: Final = POD_GROUPS["kubernetes"]
PRIORITIES: Final = Resource("scheduling.k8s.io/v1", "priorityclasses")


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster whose scheduler knows gangs, and no nodes but a test's own."""
    with ControlPlane(tmp_path_factory.mktemp("gangs")) as found:
        found.cluster.define_mpijobs()
        yield found.cluster


@pytest.fixture(scope="module")
def installed(plane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Account:
    """The operator's account there, with the component for this scheduler."""
    return install(plane, tmp_path_factory.mktemp("installed"), "gang-kubernetes")


@pytest.fixture
def account(plane: Cluster, installed: Account) -> Iterator[Account]:
    """Whom to run the operator as; a call that is forbidden fails the test."""
    with nothing_forbidden(plane, installed):
        yield installed


@attrs.frozen
class World:
    """A namespace with an operator, and one node with few cpus.

    Attributes:
        script: what happens to Pods on the node.
    """

    cluster: Cluster
    namespace: str
    script: Script

    def submit(
        self, name: str = "pi", creation: str = "AtStartup", **policy: object
    ) -> None:
        """Create a job of two workers; every Pod asks for one cpu."""
        found = manifest(2, "SSH", {"cleanPodPolicy": "Running", **policy})
        found["metadata"]["name"] = name
        found["spec"]["launcherCreationPolicy"] = creation
        for role in found["spec"]["mpiReplicaSpecs"].values():
            main = role["template"]["spec"]["containers"][0]
            cpu = {"resources": {"requests": {"cpu": "1"}}}
            role["template"] = {"spec": {"containers": [{**main, **cpu}]}}
        create(self.cluster, self.namespace, found)

    def edit(self, name: str = "pi", **policy: object) -> None:
        """Change runPolicy."""
        patch = {"spec": {"runPolicy": policy}}
        self.cluster.client.patch(
            MPIJOBS, job(self.cluster, self.namespace, name), patch
        )

    def resize(self, cpus: int) -> None:
        """Give the node so many cpus."""
        node = self.cluster.client.get(NODES, "", self.namespace)
        room = {"cpu": str(cpus), "memory": "16Gi", "pods": "100"}
        patch = {"status": {"capacity": room, "allocatable": room}}
        self.cluster.client.patch(NODES, node, patch, "status")

    def placed(self, name: str = "pi") -> list[str]:
        """Name the Pods of a job that have the node and have not ended."""
        query = f"training.kubeflow.org/job-name={name}"
        found = pods(self.cluster, self.namespace, labelSelector=query)
        return [
            pod["metadata"]["name"]
            for pod in found
            if pod["spec"].get("nodeName")
            and pod["status"].get("phase") not in {"Succeeded", "Failed"}
        ]

    def group(self, name: str = "pi") -> Json | None:
        """Read a job's PodGroup."""
        return self.cluster.find(GROUPS, self.namespace, name)

    def until(self, phase: str, name: str = "pi") -> Json:
        """Wait until a job is in a phase."""
        return await_phase(self.cluster, self.namespace, name, phase)

    def runs_again(self, restarts: int) -> None:
        """Wait until the launcher of a later attempt runs."""

        def runs(found: Json) -> bool:
            told = status(found)
            return (told["restarts"], told["phase"]) == (restarts, "LauncherRunning")

        await_job(self.cluster, self.namespace, "pi", runs)

    def says(self, words: str, name: str = "pi") -> str:
        """Wait until a job's message contains something; give the message."""

        def told(found: Json) -> bool:
            return words in str(status(found).get("message"))

        found = await_job(self.cluster, self.namespace, name, told)
        return str(status(found)["message"])


@contextmanager
def world(
    plane: Cluster,
    account: Account,
    cpus: int,
    **script: Any,  # noqa: ANN401
) -> Iterator[World]:
    """Run an operator beside a node of its namespace's own."""
    with plane.namespace() as namespace, ExitStack() as stack:
        kubelet = FakeKubelet(plane.client, now, namespace, namespace)
        kubelet.register(cpu=str(cpus))
        stack.callback(_remove, plane, namespace)
        given = {"launcher_seconds": 1.0, **script}
        settings = {"gang_scheduling": "kubernetes"}
        stack.enter_context(operating(account, namespace, **settings))
        played = stack.enter_context(playing(plane, namespace, namespace, **given))
        yield World(plane, namespace, played)


def _remove(plane: Cluster, name: str) -> None:
    plane.client.delete(NODES, plane.client.get(NODES, "", name), Deletion())


@pytest.mark.compat("gang.launcher", "gang.waiting", "gang.removal")
@pytest.mark.defect("D5")
@pytest.mark.parametrize("creation", POLICIES)
def test_all_pods_are_placed_or_none(
    plane: Cluster, account: Account, creation: str
) -> None:
    """Whenever the launcher is made; and the status says why nothing happens."""
    with world(plane, account, cpus=2) as found:
        found.submit(creation=creation)
        said = found.says("minCount (3) cannot be satisfied")
        assert said.startswith("3 Pods are scheduled together or not at all: PodGroup")
        assert len(pods(plane, found.namespace)) == 3
        assert not found.placed()
        assert status(job(plane, found.namespace, "pi"))["phase"] == "Created"

        found.resize(3)
        plane.eventually(lambda: len(found.placed()) == 3, "all three are placed")
        done = found.until("Cleaned")
        assert status(done)["result"] == "Succeeded"
        plane.eventually(lambda: found.group() is None, "the PodGroup is gone")


@pytest.mark.compat("gang.launcher")
@pytest.mark.parametrize("creation", POLICIES)
def test_two_gangs_that_fit_one_at_a_time_both_finish(
    plane: Cluster, account: Account, creation: str
) -> None:
    """One runs whole while the other waits whole."""
    names = ["one", "two"]
    with world(plane, account, cpus=3, launcher_seconds=1e6) as found:
        for name in names:
            found.submit(name, creation)

        def runs(name: str) -> bool:
            phase = status(job(plane, found.namespace, name)).get("phase")
            return phase == "LauncherRunning"

        plane.eventually(lambda: any(map(runs, names)), "one of them runs")
        first, second = names if runs("one") else reversed(names)
        found.says("PodGroup", second)
        assert len(found.placed(first)) == 3
        assert not found.placed(second)

        found.script.launcher_seconds = 0.0
        found.script.end_launchers()
        for name in (first, second):
            assert status(found.until("Cleaned", name))["result"] == "Succeeded"


@pytest.mark.parametrize("creation", POLICIES)
def test_the_next_attempts_join_the_gang(
    plane: Cluster, account: Account, creation: str
) -> None:
    """A launcher that failed, then a worker that was evicted: both come back in."""
    with world(plane, account, cpus=3, launcher_seconds=1e6, exits=[3]) as found:
        found.submit(creation=creation, backoffLimit=1)
        found.until("LauncherRunning")
        found.script.end_launchers()
        found.runs_again(restarts=1)

        worker = plane.client.get(PODS, found.namespace, "pi-worker-1")
        found.script.kubelet.evict(worker)
        found.runs_again(restarts=2)
        assert len(found.placed()) == 3
        found.script.end_launchers()
        assert status(found.until("Cleaned"))["result"] == "Succeeded"


def test_a_gang_is_suspended_and_resumed(plane: Cluster, account: Account) -> None:
    """The server keeps a PodGroup while its Pods end; the next ones wait for that."""
    with world(plane, account, cpus=3, launcher_seconds=1e6) as found:
        found.submit(creation="WaitForWorkersReady", suspend=True)
        found.until("Suspended")
        assert found.group() is None
        found.edit(suspend=False)
        found.until("LauncherRunning")

        found.edit(suspend=True)
        plane.eventually(lambda: not pods(plane, found.namespace), "no Pod is left")
        plane.eventually(lambda: found.group() is None, "the PodGroup is gone")

        found.edit(suspend=False)
        found.until("LauncherRunning")
        assert len(found.placed()) == 3
        assert len(plane.client.list(JOBS, found.namespace)["items"]) == 1
        assert status(job(plane, found.namespace, "pi"))["restarts"] == 0


def test_a_gang_has_the_priority_that_its_policy_names(
    plane: Cluster, account: Account
) -> None:
    """Pods whose priority is not the group's would never be scheduled."""
    meta = {"metadata": {"name": "gang-high"}}
    plane.create_if_missing(PRIORITIES, {**meta, "value": 1000})
    with world(plane, account, cpus=3) as found:
        found.submit(schedulingPolicy={"priorityClass": "gang-high"})
        assert status(found.until("Cleaned"))["result"] == "Succeeded"
