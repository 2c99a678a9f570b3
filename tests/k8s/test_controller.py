"""What a reconcile's outcome means for its key, around the toy core."""

import itertools
from datetime import datetime

import pytest

from mpiop.k8s.settings import Settings, SettingsError
from mpiop.local.apiserver.wire import Forward, Request, Response, Watch
from mpiop.local.client import PODS
from mpiop.reconcile.actions import LookLog, Plan
from mpiop.reconcile.snapshot import Snapshot
from tests.support import toy
from tests.support.harness import MPIJOBS, Harness
from tests.support.transport import Faults, status_reply


def test_a_look_is_answered_before_the_plan_is_made() -> None:
    """A plan that wants to look is made again, at once, with the answer."""
    look = LookLog("pi-worker-0", "main")
    seen: list[str | None] = []

    def plan(snapshot: Snapshot, now: datetime) -> Plan:
        if not any(pod.node for pod in snapshot.pods):
            return toy.plan(snapshot, now)
        if look not in snapshot.answers:
            return Plan(looks=(look,))
        seen.append(snapshot.answers[look])
        return toy.plan(snapshot, now)

    world = Harness(plan)
    world.transport.logs["pi-worker-0", "main"] = "last words\n"
    world.create(toy.mpijob())
    world.run_until(lambda: world.phase() == "Succeeded", limit=60)
    assert "last words" in seen


def test_a_requeue_is_kept() -> None:
    """A plan comes back after the time that it asked for, not before."""
    times: list[datetime] = []

    def plan(_snapshot: Snapshot, now: datetime) -> Plan:
        times.append(now)
        return Plan(requeue_after=30.0)

    world = Harness(plan)
    world.create(toy.mpijob())
    world.advance(100)
    gaps = [(b - a).total_seconds() for a, b in itertools.pairwise(times)]
    assert gaps == [30.0, 30.0, 30.0]


def test_nothing_is_forgotten_for_ever() -> None:
    """Without any event a job is looked at again after the resync time."""
    times: list[datetime] = []

    def plan(_snapshot: Snapshot, now: datetime) -> Plan:
        times.append(now)
        return Plan()

    world = Harness(plan, settings=Settings(resync_seconds=100))
    world.create(toy.mpijob())
    world.advance(400)
    assert 4 <= len(times) <= 5


def test_a_throttled_key_waits_as_told() -> None:
    """A Retry-After too long for one call is the queue's wait."""
    reply = status_reply(429, "TooManyRequests", retry_after=40)
    world = Harness(toy.plan, faults=Faults(refuse={1: reply}))
    world.create(toy.mpijob())
    spent = world.run_until(lambda: world.phase() != "", limit=100)
    assert 40 <= spent <= 41


def test_a_new_job_of_the_same_name_starts_from_nothing() -> None:
    """What was learnt about a deleted job does not hold for its successor."""
    world = Harness(toy.plan)
    job = world.create(toy.mpijob())
    world.client.patch(MPIJOBS, job, {"spec": {"containers": [{"image": "nameless"}]}})
    world.settle()
    assert world.phase() == "Invalid"
    world.client.delete(MPIJOBS, job)
    world.settle()
    world.create(toy.mpijob())
    world.run_until(lambda: world.phase() == "Succeeded", limit=60)


def test_a_missing_component_does_not_stop_the_others() -> None:
    """An operator that may not list the optional kinds works on without them."""
    world = Harness(toy.plan)
    handle = world.transport.handle

    def without_rbac(request: Request) -> Response | Watch | Forward:
        if "rbac" in request.path or "serviceaccounts" in request.path:
            status = {"kind": "Status", "reason": "Forbidden", "code": 403}
            return Response(403, status)
        return handle(request)

    world.transport.handle = without_rbac
    world.create(toy.mpijob())
    world.run_until(lambda: world.phase() == "Succeeded", limit=60)


def test_one_namespace_can_be_all() -> None:
    """A namespaced operator lists and watches only there, and sees no other job."""
    world = Harness(toy.plan, settings=Settings(namespace="kube-public"))
    world.create(toy.mpijob())
    world.advance(10)
    assert world.phase() == ""
    paths = {call.path for call in world.transport.calls}
    assert all("/namespaces/kube-public/" in path for path in paths)
    assert world.client.list(PODS)["items"] == []


def test_metrics_count_what_happened() -> None:
    """Requests, reconciles and jobs are counted under upstream's prefix."""
    world = Harness(toy.plan)
    world.create(toy.mpijob())
    world.run_until(lambda: world.phase() == "Succeeded", limit=60)
    read = world.operator.metrics.registry.get_sample_value
    assert read("mpi_operator_jobs_created_total") == 1
    created = {"verb": "create", "kind": "Pod", "code": "201"}
    assert read("mpi_operator_api_requests_total", created) == 2
    done = {"outcome": "done"}
    assert (read("mpi_operator_reconcile_seconds_count", done) or 0) > 2
    assert read("mpi_operator_queue_depth") == 0


def test_settings_come_from_flags_then_environment() -> None:
    """A flag wins over a variable, a variable over the default."""
    environment = {"MPIOP_WORKERS": "7", "MPIOP_NAMESPACE": "a"}
    found = Settings.read(environment, namespace="b", workers=None)
    assert (found.namespace, found.workers, found.writers) == ("b", 7, 16)
    assert found.install.kubectl_image


@pytest.mark.parametrize("value", ["many", "0", "-1"])
def test_bad_settings_are_told(value: str) -> None:
    """A number that is none, or out of range, is named."""
    with pytest.raises(SettingsError, match="workers"):
        Settings.read({"MPIOP_WORKERS": value})
