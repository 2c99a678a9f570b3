"""Whole lives of Jobs: whatever happens to them, counts add up and laws hold."""

import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from mpiop.local.apiserver.server import ApiServer
from mpiop.local.apiserver.wire import Forward, Request, Response, Watch
from mpiop.local.client import JOBS, PODS, Client, Deletion, Json
from mpiop.local.controllers import Controllers
from mpiop.local.controllers.job_view import finished
from tests.support.lives import LIVES
from tests.virtual_cluster import VirtualCluster

pytestmark = pytest.mark.timeout(1800)  # hundreds of lives; a busy machine takes long
RULES = [
    {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
]
TERMINAL = ("Succeeded", "Failed")


class CrashError(Exception):
    """The end of a controller process."""


def dying(
    server: ApiServer, writes: int
) -> Callable[[Request], Response | Watch | Forward]:
    """Pass requests on until the write after so many others."""
    left = itertools.count(writes, -1)

    def handle(request: Request) -> Response | Watch | Forward:
        if request.method != "GET" and next(left) == 0:
            raise CrashError
        return server.handle(request)

    return handle


class JobHistory(RuleBasedStateMachine):
    """One Job, a scripted kubelet, users, and time."""

    @initialize(
        parallelism=st.integers(1, 3),
        completions=st.one_of(st.none(), st.integers(1, 3)),
        limit=st.integers(0, 2),
        policy=st.sampled_from(["Failed", "TerminatingOrFailed", "rules"]),
        deadline=st.sampled_from([None, 100]),
    )
    def create(
        self,
        parallelism: int,
        completions: int | None,
        limit: int,
        policy: str,
        deadline: int | None,
    ) -> None:
        self.cluster = VirtualCluster()
        self.cluster.settle()
        self.cluster.kubelet.register()
        spec: dict[str, Any] = {"parallelism": parallelism, "backoffLimit": limit}
        if completions is not None:
            spec["completions"] = completions
        if deadline is not None:
            spec["activeDeadlineSeconds"] = deadline
        if policy == "rules":
            spec["podFailurePolicy"] = {"rules": RULES}
        else:
            spec["podReplacementPolicy"] = policy
        self.replaces_ended_only = policy != "TerminatingOrFailed"
        self.parallelism = parallelism
        self.made_when_finished: int | None = None
        self.uids: set[str] = set()
        self.held: set[str] = set()
        self.won: set[str] = set()
        self.cluster.create_job(**spec)

    def note_pods(self) -> None:
        """Remember the Pods seen, and those that succeeded before they were let go."""
        for pod in self.cluster.pods("job"):
            uid, ended = pod["metadata"]["uid"], pod["status"].get("phase") in TERMINAL
            self.uids.add(uid)
            tracked = bool(pod["metadata"].get("finalizers"))
            if not ended and tracked:
                self.held.add(uid)
            elif not ended:
                self.held.discard(uid)
            elif uid in self.held and pod["status"]["phase"] == "Succeeded":
                self.won.add(uid)

    def pick(self, data: st.DataObject, *phases: str) -> Json | None:
        chosen = [
            pod
            for pod in self.cluster.kubelet.pods()
            if pod["status"].get("phase", "Pending") in phases
        ]
        return data.draw(st.sampled_from(chosen)) if chosen else None

    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        if pod := self.pick(data, "Pending"):
            self.cluster.kubelet.run(pod)

    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        if pod := self.pick(data, "Running"):
            self.cluster.kubelet.succeed(pod)

    @rule(data=st.data(), code=st.sampled_from([1, 42]))
    def fail(self, data: st.DataObject, code: int) -> None:
        if pod := self.pick(data, "Running"):
            self.cluster.kubelet.fail(pod, code)

    @rule(data=st.data())
    def disrupt(self, data: st.DataObject) -> None:
        if pod := self.pick(data, "Pending", "Running"):
            self.cluster.kubelet.evict(pod)

    @rule(data=st.data())
    def delete_pod(self, data: st.DataObject) -> None:
        if pod := self.pick(data, "Pending", "Running", *TERMINAL):
            self.cluster.client.delete(PODS, pod)

    @rule(code=st.sampled_from([0, 143]))
    def end_terminating(self, code: int) -> None:
        self.cluster.kubelet.finish_deletions(code)

    @rule(value=st.booleans())
    def suspend(self, *, value: bool) -> None:
        job = self.cluster.job()
        self.cluster.client.patch(JOBS, job, {"spec": {"suspend": value}})

    @rule(seconds=st.sampled_from([1, 10, 60, 600]))
    def wait(self, seconds: int) -> None:
        self.cluster.advance(seconds)

    @rule()
    def settle(self) -> None:
        self.note_pods()
        self.cluster.settle()
        self.note_pods()
        assert self.cluster.job()["status"].get("succeeded", 0) == len(self.won)

    @rule(writes=st.integers(0, 5))
    def crash(self, writes: int) -> None:
        """The controllers die after so many writes, and others take over."""
        self.note_pods()
        handle = dying(self.cluster.server, writes)
        with contextlib.suppress(CrashError):
            Controllers(Client(handle), self.cluster.clock).step()
        self.cluster.restart_controllers()
        self.note_pods()

    @precondition(lambda self: self.made_when_finished is not None)
    @rule(data=st.data())
    def touch_finished(self, data: st.DataObject) -> None:
        self.delete_pod(data)
        self.cluster.advance(3600)

    @invariant()
    def no_more_active_than_parallelism(self) -> None:
        pods = self.cluster.pods("job")
        living = [p for p in pods if p["status"].get("phase") not in TERMINAL]
        staying = [p for p in living if "deletionTimestamp" not in p["metadata"]]
        assert len(staying) <= self.parallelism
        if self.replaces_ended_only:
            assert len(living) <= self.parallelism

    @invariant()
    def finished_jobs_make_nothing(self) -> None:
        self.note_pods()
        if finished(self.cluster.job()) is None:
            assert self.made_when_finished is None
        elif self.made_when_finished is None:
            self.made_when_finished = len(self.uids)
        else:
            assert len(self.uids) == self.made_when_finished

    @invariant()
    def counts_add_up(self) -> None:
        self.note_pods()
        status = self.cluster.job().get("status", {})
        counted = status.get("succeeded", 0) + status.get("failed", 0)
        assert counted + status.get("active", 0) <= len(self.uids)

    @invariant()
    def a_verdict_follows_its_target(self) -> None:
        found = self.cluster.job().get("status", {}).get("conditions") or []
        types = [item["type"] for item in found if item["type"] != "Suspended"]
        assert types in (
            [],
            ["SuccessCriteriaMet"],
            ["SuccessCriteriaMet", "Complete"],
            ["FailureTarget"],
            ["FailureTarget", "Failed"],
        )

    def teardown(self) -> None:
        """Left alone with a working kubelet every Job ends, and its Pods with it."""
        cluster = self.cluster
        cluster.client.patch(JOBS, cluster.job(), {"spec": {"suspend": False}})
        for _ in range(12):
            cluster.advance(600)
            for pod in cluster.kubelet.pods():
                if pod["status"].get("phase", "Pending") not in TERMINAL:
                    cluster.kubelet.succeed(cluster.kubelet.run(pod))
            cluster.kubelet.finish_deletions()
        cluster.settle()
        job = cluster.job()
        assert finished(job) is not None
        assert job["status"]["uncountedTerminatedPods"] == {}
        assert "active" not in job["status"]
        held = [p for p in cluster.pods("job") if p["metadata"].get("finalizers")]
        assert held == []
        cluster.client.delete(JOBS, job, Deletion(policy="Background"))
        cluster.settle()
        cluster.kubelet.finish_deletions()
        assert cluster.pods("job") == []


TestJobHistory = JobHistory.TestCase
TestJobHistory.settings = settings(
    max_examples=LIVES, deadline=None, stateful_step_count=30
)
