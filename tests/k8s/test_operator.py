"""The whole shell around a toy core, on one thread and virtual time."""

import random
from collections import Counter
from datetime import datetime
from typing import Final

import pytest

from mpiop.k8s.settings import Settings
from mpiop.k8s.transport import Reply
from mpiop.local.client import JOBS, PODS
from mpiop.reconcile.actions import Plan
from mpiop.reconcile.snapshot import Snapshot
from tests.support import toy
from tests.support.harness import MPIJOBS, Harness
from tests.support.transport import Faults, status_reply

POD: Final = {"containers": [{"name": "main", "image": "image"}]}


def test_a_job_goes_its_way_in_few_writes() -> None:
    """Each child is created once, the status written per phase, Events after it."""
    world = Harness(toy.plan)
    world.create(toy.mpijob())
    world.run_until(lambda: world.phase() == "Succeeded", limit=60)
    world.settle()
    assert world.transport.counts == Counter(
        {
            ("create", "services"): 1,
            ("create", "secrets"): 1,
            ("create", "pods"): 2,
            ("create", "jobs"): 1,
            ("patch", "mpijobs/status"): 2,
            ("create", "events"): 2,
            ("delete", "pods"): 2,
        }
    )
    assert world.keys_made == 1
    assert [pod["metadata"]["name"][:11] for pod in world.cluster.pods()] == [
        "pi-launcher"
    ]


def test_rest_is_quiet() -> None:
    """A finished job is written to no more, also by an operator that restarts."""
    world = Harness(toy.plan)
    world.create(toy.mpijob())
    world.run_until(lambda: world.phase() == "Succeeded", limit=60)
    world.settle()
    before = world.transport.writes
    world.restart_operator()
    world.advance(3600)
    assert world.transport.writes == before


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_write_costs_nothing(when: str) -> None:
    """After a crash before or after the n-th write the job ends with one of each."""
    number = 1
    while True:
        faults = Faults()
        getattr(faults, f"crash_{when}").add(number)
        world = Harness(toy.plan, faults=faults)
        world.create(toy.mpijob())
        world.run_until(lambda w=world: w.phase() == "Succeeded", limit=120)  # type: ignore[misc] # mypy sees no type of w
        world.settle()
        if not world.crashes:
            break
        assert world.transport.counts["create", "jobs"] == 1, number
        assert len(world.client.list(PODS)["items"]) == 1, number
        number += 1
    assert number > 8


def test_a_lost_answer_at_any_write_costs_nothing() -> None:
    """A write that was carried out without our knowing is not carried out twice."""
    for number in range(1, 11):
        world = Harness(toy.plan, faults=Faults(lose={number}))
        world.create(toy.mpijob())
        world.run_until(lambda w=world: w.phase() == "Succeeded", limit=120)  # type: ignore[misc] # mypy sees no type of w
        world.settle()
        assert len(world.client.list(JOBS)["items"]) == 1
        assert len(world.client.list(PODS)["items"]) == 1


@pytest.mark.parametrize(
    "reply",
    [
        status_reply(409, "Conflict"),
        status_reply(429, "TooManyRequests", retry_after=3),
        status_reply(500, "InternalError"),
        status_reply(403, "Forbidden"),
        status_reply(404, "NotFound"),
        status_reply(401, "Unauthorized"),
    ],
    ids=lambda reply: str(reply.status),
)
def test_a_refusal_at_any_write_is_overcome(reply: Reply) -> None:
    """A single refusal of any write delays the job and changes nothing else."""
    for number in range(1, 11):
        world = Harness(toy.plan, faults=Faults(refuse={number: reply}))
        world.create(toy.mpijob())
        world.run_until(lambda w=world: w.phase() == "Succeeded", limit=400)  # type: ignore[misc] # mypy sees no type of w
        world.advance(60)
        assert world.transport.counts["create", "jobs"] == 1
        assert len(world.client.list(PODS)["items"]) == 1


@pytest.mark.parametrize("seed", range(10))
def test_disturbed_watches_are_overcome(seed: int) -> None:
    """Events that are lost, repeated, late or out of order delay and change nothing."""
    chance = random.Random(seed)
    kept: list[bytes] = []

    def disturb(_path: str, lines: list[bytes]) -> list[bytes]:
        lines = [*kept, *lines]
        kept.clear()
        found = []
        for line in lines:
            what = chance.random()
            if what < 0.1 and b'"ERROR"' not in line:
                continue
            if what < 0.2:
                kept.append(line)
            found += [line] * (2 if what > 0.8 else 1)
        chance.shuffle(found)
        return found

    settings = Settings(resync_seconds=60, relist_seconds=300)
    faults = Faults()
    world = Harness(toy.plan, settings=settings, faults=faults)
    faults.disturb = lambda path, lines: (
        disturb(path, lines) if path.endswith("pods") else lines
    )
    world.create(toy.mpijob(workers=5))
    world.run_until(lambda: world.phase() == "Succeeded", limit=3000)
    world.advance(1000)
    assert world.transport.counts["create", "jobs"] == 1
    assert len(world.client.list(PODS)["items"]) == 1


def test_a_foreign_object_blocks_without_writes() -> None:
    """While a name belongs to another, the job probes by dry run and writes nothing."""
    world = Harness(toy.plan)
    foreign = world.cluster.create(PODS, {"name": "pi-worker-1"}, spec=POD)
    world.create(toy.mpijob())
    world.advance(30)
    message = world.job()["status"]["message"]
    assert message.startswith('Pod "pi-worker-1" exists and does not belong')
    before = world.transport.counts.copy()
    world.advance(300)
    assert world.transport.counts == before
    world.client.delete(PODS, foreign)
    world.run_until(lambda: world.phase() == "Succeeded", limit=200)


def test_an_older_incarnation_is_waited_for() -> None:
    """A child of a job of this name that is no more is waited for, not adopted."""
    world = Harness(toy.plan)
    owner = {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "name": "pi",
        "uid": "gone",
        "controller": True,
    }
    meta = {
        "name": "pi-worker-0",
        "ownerReferences": [owner],
        "finalizers": ["example.com/slow"],
    }
    old = world.cluster.create(PODS, meta, spec=POD)
    world.create(toy.mpijob())
    world.settle()
    assert "on its way out" in world.job()["status"]["message"]
    world.client.patch(PODS, old, {"metadata": {"finalizers": None}})
    world.run_until(lambda: world.phase() == "Succeeded", limit=200)


@pytest.mark.checklist("7.7.engine")
def test_an_unlabelled_child_of_ours_is_labelled() -> None:
    """A child of ours that lacks our label is given it, and so enters the cache."""
    world = Harness(toy.plan)
    job = world.create(toy.mpijob())
    owner = {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "name": "pi",
        "uid": job["metadata"]["uid"],
        "controller": True,
    }
    world.cluster.create(
        PODS, {"name": "pi-worker-0", "ownerReferences": [owner]}, spec=POD
    )
    world.run_until(lambda: world.phase() == "Succeeded", limit=60)
    assert world.transport.counts["patch", "pods"] == 1
    assert world.transport.counts["create", "pods"] == 2


def test_a_rejected_manifest_waits_for_another_spec() -> None:
    """A 422 is told once and not tried again until the generation changes."""
    world = Harness(toy.plan)
    world.create(toy.mpijob())
    bad = {"spec": {"containers": [{"image": "nameless"}]}}
    world.client.patch(MPIJOBS, world.job(), bad)
    world.settle()
    assert world.phase() == "Invalid"
    assert "name" in world.job()["status"]["message"]
    before = world.transport.writes
    world.advance(3600)
    assert world.transport.writes == before
    world.client.patch(MPIJOBS, world.job(), {"spec": {"containers": None}})
    world.run_until(lambda: world.phase() == "Succeeded", limit=60)


def test_warnings_reach_the_next_plan() -> None:
    """What the API server warns about a Pod is a finding of the next plan."""
    seen: set[str] = set()

    def plan(snapshot: Snapshot, now: datetime) -> Plan:
        seen.update(finding.message for finding in snapshot.findings)
        return toy.plan(snapshot, now)

    world = Harness(plan)
    job = toy.mpijob()
    container = {"name": "main", "image": "i", "resources": {"request": {}}}
    world.create({**job, "spec": {"workers": 1, "containers": [container]}})
    world.settle()
    assert 'unknown field "spec.containers[0].resources.request"' in seen


@pytest.mark.checklist("7.1.Nonexistent", "7.6.Nothing", "7.7.not-found")
def test_a_deleted_job_is_forgotten() -> None:
    """Nothing is done for a job that is gone, and nothing kept."""
    world = Harness(toy.plan)
    job = world.create(toy.mpijob())
    world.settle()
    world.client.delete(MPIJOBS, job)
    world.advance(10)
    assert world.client.list(PODS)["items"] == []
    assert world.operator.store.keys() == ()
    before = world.transport.writes
    world.advance(1200)
    assert world.transport.writes == before


@pytest.mark.compat("operator.limits")
@pytest.mark.defect("D11")
def test_many_events_of_one_job_delay_no_other() -> None:
    """Under upstream's limits of the queue, too: here they are for retries alone."""
    limits = Settings(controller_queue_rate_limit=10, controller_queue_burst=100)
    world = Harness(toy.plan, settings=limits)
    world.create(toy.mpijob("busy"))
    world.settle()
    for number in range(300):
        note = {"metadata": {"annotations": {"n": str(number)}}}
        world.client.patch(MPIJOBS, world.job("busy"), note)
        world.operator.step()
    begin = world.cluster.now
    world.create(toy.mpijob("calm"))
    world.settle()
    names = {pod["metadata"]["name"] for pod in world.client.list(PODS)["items"]}
    assert {"calm-worker-0", "calm-worker-1"} <= names
    assert world.cluster.now == begin


def test_a_limit_of_requests_is_kept() -> None:
    """With `--kube-api-qps` no more are sent than it allows, bursts included."""
    world = Harness(toy.plan, settings=Settings(kube_api_qps=1, kube_api_burst=3))
    begin, before = world.cluster.now, len(world.transport.calls)
    world.create(toy.mpijob())
    world.run_until(lambda: world.phase() == "Succeeded", limit=600)
    spent = (world.cluster.now - begin).total_seconds()
    sent = len(world.transport.calls) - before
    assert 10 < sent <= 3 + spent + 1
