"""Whole histories on the embedded store: eventually stable reconciliation.

Users, kubelets, evictions, crashes after any write and lost answers do what they like;
once they stop, the cluster comes to match the job and stays so.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from mpiop.local.client import (
    CONFIG_MAPS,
    JOBS,
    PODS,
    SERVICES,
    ApiError,
    Deletion,
    Json,
    Resource,
)
from mpiop.reconcile import names
from mpiop.reconcile.plan import plan
from tests.reconcile.build import template
from tests.support.harness import MPIJOBS, Harness
from tests.support.lives import LIVES

pytestmark = pytest.mark.timeout(3600)  # hundreds of lives; a busy machine takes long
ENDED = {"Succeeded", "Failed", "Cleaned"}
CALM_SECONDS = 3600.0
AFTERWARDS_SECONDS = 60.0  # in which Pods may take the grace that they have


def job(workers: int, shell: str, policy: dict[str, object]) -> dict[str, Any]:
    """Give a job as a user writes it."""
    replicas: dict[str, Any] = {"Launcher": {"template": template()}}
    replicas["Worker"] = {"replicas": workers, "template": template()}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": "pi"},
        "spec": {
            "mpiReplicaSpecs": replicas,
            "runPolicy": policy,
            "remoteShell": shell,
        },
    }


class History(RuleBasedStateMachine):
    """One job's life, with everything that may happen to it."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Harness(plan)
        self.verdict: dict[str, Any] | None = None
        self.launchers: set[str] = set()
        self.most = 0

    @initialize(
        workers=st.integers(1, 3),
        shell=st.sampled_from(["SSH", "KubectlExec"]),
        clean=st.sampled_from(["None", "Running", "All"]),
        backoff=st.integers(0, 2),
        failure=st.sampled_from(["RestartJob", "KeepLauncher"]),
        exits=st.lists(st.sampled_from([0, 1, 3]), max_size=3),
        suspend=st.booleans(),
    )
    def create(
        self,
        workers: int,
        shell: str,
        clean: str,
        backoff: int,
        failure: str,
        exits: list[int],
        suspend: bool,
    ) -> None:
        """A user creates the job."""
        policy = {
            "cleanPodPolicy": clean,
            "backoffLimit": backoff,
            "workerFailurePolicy": failure,
            "suspend": suspend,
        }
        self.most = workers
        self.world.node.exits = exits
        self.world.node.launcher_seconds = 30.0
        self.world.create(job(workers, shell, policy))

    @rule(seconds=st.sampled_from([0.0, 1.0, 7.0, 15.0, 60.0]))
    def time_passes(self, seconds: float) -> None:
        """Everybody works for a while."""
        self.world.advance(seconds)

    @rule()
    def one_round(self) -> None:
        """Everybody does one thing only."""
        self.world.step()

    @rule(value=st.booleans())
    def suspend(self, value: bool) -> None:
        """A queue suspends or resumes the job."""
        self._edit({"runPolicy": {"suspend": value}})

    @rule(workers=st.integers(1, 3))
    def scale(self, workers: int) -> None:
        """A user changes the number of workers."""
        self.most = max(self.most, workers)
        self._edit({"mpiReplicaSpecs": {"Worker": {"replicas": workers}}})

    @rule(which=st.integers(0, 5), code=st.sampled_from([1, 137]))
    def pod_fails(self, which: int, code: int) -> None:
        """A container ends."""
        self._to_a_pod(which, lambda pod: self.world.cluster.kubelet.fail(pod, code))

    @rule(which=st.integers(0, 5))
    def pod_restarts(self, which: int) -> None:
        """A worker's container restarts in place."""
        kubelet = self.world.cluster.kubelet

        def restart(pod: Json) -> None:
            if pod["metadata"]["labels"].get(names.JOB_ROLE) == names.WORKER:
                kubelet.restart(pod, 1)

        self._to_a_pod(which, restart, phase="Running")

    @rule(which=st.integers(0, 5))
    def pod_evicted(self, which: int) -> None:
        """The node runs out of memory."""
        self._to_a_pod(which, self.world.cluster.kubelet.evict)

    @rule(which=st.integers(0, 5))
    def pod_unready(self, which: int) -> None:
        """A readiness probe fails."""
        self._to_a_pod(which, self.world.cluster.kubelet.unready, phase="Running")

    @rule(which=st.integers(0, 5))
    def pod_deleted(self, which: int) -> None:
        """Somebody deletes a Pod."""
        self._to_a_pod(which, lambda pod: self._delete(PODS, pod))

    @rule(kind=st.sampled_from([SERVICES, CONFIG_MAPS, JOBS]), which=st.integers(0, 3))
    def child_deleted(self, kind: Resource, which: int) -> None:
        """Somebody deletes another child."""
        found = [
            one
            for one in self.world.client.list(kind)["items"]
            if names.JOB_UID in (one["metadata"].get("labels") or {})
        ]
        if found:
            self._delete(kind, found[which % len(found)])

    @rule(
        how=st.sampled_from(["crash_before", "crash_after", "lose"]),
        n=st.integers(1, 8),
    )
    def fault_ahead(self, how: str, n: int) -> None:
        """One of the operator's next writes goes wrong."""
        transport = self.world.transport
        getattr(transport.faults, how).add(transport.writes + n)

    @rule()
    def operator_restarts(self) -> None:
        """The operator is replaced."""
        self.world.restart_operator()

    @rule(which=st.integers(0, 5))
    def node_stalls(self, which: int) -> None:
        """A Pod's kubelet is silent for a while."""
        pods = self._pods()
        if pods:
            self.world.node.held.add(pods[which % len(pods)]["metadata"]["name"])

    @precondition(lambda self: self.world.node.held)
    @rule()
    def node_returns(self) -> None:
        """The kubelet is back."""
        self.world.node.held.clear()

    @invariant()
    def at_most_one_launcher(self) -> None:
        """Never do two launcher Pods run."""
        alive = [
            pod["metadata"]["name"]
            for pod in self._pods()
            if pod["metadata"]["labels"].get(names.JOB_ROLE) == names.LAUNCHER
            and pod["status"].get("phase") not in {"Succeeded", "Failed"}
        ]
        assert len(alive) <= 1, alive

    @invariant()
    def a_verdict_is_final(self) -> None:
        """A recorded verdict never changes, and no launcher starts after it."""
        status = self._job().get("status") or {}
        found = (status.get("recorded") or {}).get("verdict")
        uids = {
            one["metadata"]["uid"]
            for one in self.world.client.list(JOBS)["items"]
            if not one["spec"].get("suspend")
        }
        if self.verdict is not None:
            assert found == self.verdict
            assert uids <= self.launchers
        elif found:
            self.verdict = found
            self.launchers = uids

    @invariant()
    def no_worker_too_many(self) -> None:
        """No index above the largest number of workers ever asked for."""
        roles = [
            pod
            for pod in self._pods()
            if pod["metadata"]["labels"].get(names.JOB_ROLE) == names.WORKER
        ]
        assert len(roles) <= self.most

    def teardown(self) -> None:
        """Once faults stop: a match, and then nothing is written any more."""
        if not self._job():
            return
        self.world.node.held.clear()
        self._edit({"runPolicy": {"suspend": False}})
        faults = self.world.transport.faults
        for planned in (faults.crash_before, faults.crash_after, faults.lose):
            planned.clear()
        self.world.run_until(self._over, limit=CALM_SECONDS)
        self.world.advance(AFTERWARDS_SECONDS)
        status = self._job()["status"]
        assert status["phase"] in ENDED, status
        self._left(status)
        before = self.world.transport.writes
        self.world.restart_operator()
        self.world.advance(CALM_SECONDS)
        assert self.world.transport.writes == before

    def _over(self) -> bool:
        """Whether the phase is the last one that there will be."""
        found = self._job()
        keeps = found["spec"]["runPolicy"]["cleanPodPolicy"] == "None"
        return found["status"].get("phase") in (ENDED if keeps else {"Cleaned"})

    def _left(self, status: Json) -> None:
        policy = self._job()["spec"]["runPolicy"]["cleanPodPolicy"]
        pods = self._pods()
        running = [
            p for p in pods if p["status"].get("phase") in {"Running", "Pending"}
        ]
        if policy != "None":
            assert status["phase"] == "Cleaned"
            assert running == []
        if policy == "All":
            assert pods == []

    def _job(self) -> Json:
        found = self.world.find(MPIJOBS, "pi")
        return found or {}

    def _pods(self) -> list[Json]:
        pods = self.world.client.list(PODS)["items"]
        return sorted(pods, key=lambda pod: pod["metadata"]["name"])

    def _edit(self, spec: Json) -> None:
        if found := self._job():
            self.world.client.patch(MPIJOBS, found, {"spec": spec})

    def _to_a_pod(self, which: int, deed: Any, phase: str = "") -> None:  # noqa: ANN401
        pods = [
            pod
            for pod in self._pods()
            if pod["spec"].get("nodeName")
            and pod["status"].get("phase")
            in ({phase} if phase else {"Running", "Pending"})
        ]
        if pods:
            try:
                deed(pods[which % len(pods)])
            except ApiError as error:
                assert error.status in {404, 409}

    def _delete(self, kind: Resource, found: Json) -> None:
        self.world.client.delete(kind, found, Deletion())


TestHistories = History.TestCase
TestHistories.settings = settings(
    max_examples=LIVES,
    deadline=None,
    stateful_step_count=25,
    suppress_health_check=list(HealthCheck),
)
