"""Kueue's contract: what it writes into a job and what it reads, played by a test."""

from collections.abc import Iterator
from typing import Any

import pytest

from mpiop.local.client import JOBS, Json
from tests.property.test_histories import job
from tests.support.harness import MPIJOBS
from tests.support.kueue import MULTIKUEUE, Flavor, Kueue
from tests.support.stage import Stage, Virtual, pods, real

SPOT, DEMAND = Flavor("spot"), Flavor("demand")
NODE_LABELS = SPOT.node_labels | DEMAND.node_labels


REAL = pytest.param("real", marks=[pytest.mark.needs("kubernetes"), pytest.mark.slow])


@pytest.fixture(params=["embedded", REAL])
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """Each server in turn."""
    if request.param == "embedded":
        yield Virtual(**NODE_LABELS)
        return
    cluster = request.getfixturevalue("control_plane")
    account = request.getfixturevalue("operator_account")
    with real(cluster, account, **NODE_LABELS) as one:
        yield one


def queued(stage: Stage, creation: str = "AtStartup", **policy: object) -> Kueue:
    """Create a job as Kueue's webhook leaves it: suspended."""
    stage.node.launcher_seconds = 1e6
    manifest = job(2, "SSH", {"suspend": True, **policy})
    manifest["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "team"}
    manifest["spec"]["launcherCreationPolicy"] = creation
    stage.create(manifest)
    return Kueue(stage.client, stage.namespace)


def status(kueue: Kueue) -> Any:  # noqa: ANN401
    """Read the job's status."""
    return kueue.job("pi").get("status") or {}


def roles(found: list[Json]) -> list[str]:
    """Name the roles of Pods."""
    key = "training.kubeflow.org/job-role"
    return sorted(pod["metadata"]["labels"][key] for pod in found)


def run(stage: Stage, kueue: Kueue, flavor: Flavor) -> list[Json]:
    """Admit the job and wait for its Pods."""
    kueue.admit("pi", flavor)
    stage.until(lambda: kueue.pods_ready("pi"), "the Pods are ready")
    found = pods(stage)
    assert roles(found) == ["launcher", "worker", "worker"]
    return found


def evict(stage: Stage, kueue: Kueue) -> None:
    """Take the nodes away and wait until the quota is free."""
    kueue.evict("pi")
    stage.until(lambda: not kueue.active("pi"), "the quota is free")


@pytest.mark.checklist("7.8.admission")
def test_a_queued_job_has_no_pod_until_it_is_admitted(stage: Stage) -> None:
    """And says so: not active, not ready, suspended."""
    kueue = queued(stage)
    stage.until(lambda: status(kueue).get("phase") == "Suspended", "it is suspended")
    stage.rest()
    assert not pods(stage)
    assert not kueue.active("pi")
    assert not kueue.pods_ready("pi")
    assert not kueue.finished("pi")
    launcher = stage.client.get(JOBS, stage.namespace, "pi-launcher")
    assert launcher["spec"]["suspend"]


@pytest.mark.checklist("7.4.ResumingAndSuspending", "7.8.restored")
@pytest.mark.defect("D37")
@pytest.mark.parametrize("creation", ["AtStartup", "WaitForWorkersReady"])
def test_directives_of_each_admission_reach_all_pods(
    stage: Stage, creation: str
) -> None:
    """Those of the last one, and nothing of the one before; no attempt is spent."""
    kueue = queued(stage, creation)
    for pod in run(stage, kueue, SPOT):
        assert SPOT.on(pod)

    evict(stage, kueue)
    stage.until(lambda: not pods(stage), "its Pods are gone")
    stage.rest()
    assert not pods(stage)
    assert not kueue.pods_ready("pi")

    for pod in run(stage, kueue, DEMAND):
        assert DEMAND.on(pod)
        assert not SPOT.traces(pod)
    assert status(kueue)["restarts"] == 0

    stage.node.launcher_seconds = 1.0
    evict(stage, kueue)
    run(stage, kueue, SPOT)
    stage.until(lambda: kueue.finished("pi"), "it finishes")
    assert kueue.finished("pi").startswith("Succeeded: ")
    stage.until(lambda: not kueue.active("pi"), "the quota is free")


def test_a_job_is_admitted_again_before_its_pods_are_gone(stage: Stage) -> None:
    """Eviction and admission in one breath: the old Pods go first, whatever is said."""
    kueue = queued(stage)
    before = {pod["metadata"]["uid"] for pod in run(stage, kueue, SPOT)}
    stage.node.finishes = False
    kueue.evict("pi")
    stage.until(lambda: any(map(_going, pods(stage))), "a Pod is going")
    kueue.admit("pi", DEMAND)
    stage.rest()
    stage.node.finishes = True
    stage.until(
        lambda: len(pods(stage)) == 3 and all(DEMAND.on(pod) for pod in pods(stage)),
        "all Pods are new ones",
    )
    stage.until(lambda: kueue.pods_ready("pi"), "the Pods are ready")
    found = pods(stage)
    assert not before & {pod["metadata"]["uid"] for pod in found}
    assert not any(SPOT.traces(pod) for pod in found)
    assert status(kueue)["restarts"] == 0
    assert not kueue.finished("pi")


def _going(pod: Json) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def test_pods_that_take_their_time_to_end_hold_no_quota_for_long(stage: Stage) -> None:
    """Pods on their way out are not active."""
    kueue = queued(stage)
    run(stage, kueue, SPOT)
    stage.node.finishes = False
    kueue.evict("pi")
    stage.until(lambda: not kueue.active("pi"), "the quota is free")
    assert pods(stage)
    stage.node.finishes = True
    stage.until(lambda: not pods(stage), "its Pods are gone")


def test_gated_pods_wait_for_their_nodes_to_be_chosen(stage: Stage) -> None:
    """Topology-aware scheduling: Pods by rank, in both roles."""
    kueue = queued(stage)
    kueue.admit("pi", Flavor("spot", gated=True))
    stage.until(lambda: len(pods(stage)) == 3, "its Pods are there")
    stage.rest()
    assert not any(pod["spec"].get("nodeName") for pod in pods(stage))
    assert not kueue.pods_ready("pi")
    index = "training.kubeflow.org/replica-index"
    ranks = [pod["metadata"]["labels"].get(index) for pod in pods(stage)]
    assert sorted(rank for rank in ranks if rank) == ["0", "1"]
    selected = {
        "training.kubeflow.org/job-name": "pi",
        "training.kubeflow.org/operator-name": "mpi-operator",
    }
    for pod in pods(stage):
        assert selected.items() <= pod["metadata"]["labels"].items()

    assert kueue.ungate() == 3
    stage.until(lambda: kueue.pods_ready("pi"), "the Pods are ready")
    evict(stage, kueue)
    for pod in run(stage, kueue, DEMAND):
        assert not pod["spec"].get("schedulingGates")


def test_a_job_is_evicted_before_it_was_ready(stage: Stage) -> None:
    """Workers that never got ready go as promptly as others."""
    kueue = queued(stage)
    stage.node.workers_ready = False
    kueue.admit("pi", SPOT)
    stage.until(lambda: len(pods(stage)) == 3, "its Pods are there")
    stage.rest()
    assert not kueue.pods_ready("pi")
    evict(stage, kueue)
    stage.until(lambda: not pods(stage), "its Pods are gone")
    stage.node.workers_ready = True
    run(stage, kueue, DEMAND)


def test_the_cause_of_a_failure_is_told(stage: Stage) -> None:
    """Finished, with a message that names what happened."""
    kueue = queued(stage, backoffLimit=0)
    stage.node.exits = [3]
    stage.node.launcher_seconds = 1.0
    kueue.admit("pi", SPOT)
    stage.until(lambda: kueue.finished("pi"), "it finishes")
    assert kueue.finished("pi").startswith("Failed: ")
    assert "exit code 3" in kueue.finished("pi")
    stage.until(lambda: not kueue.active("pi"), "the quota is free")


@pytest.mark.checklist(
    "7.4.ManagedExternally", "7.5.managedBy", "7.7.managedBy", "7.8.multikueue"
)
def test_a_job_of_another_cluster_is_not_touched(stage: Stage) -> None:
    """MultiKueue copies the status over: no write at all, suspended or not."""
    before = stage.writes()
    manifest = job(2, "SSH", {"suspend": True, "managedBy": MULTIKUEUE})
    stage.create(manifest)
    stage.rest()
    kueue = Kueue(stage.client, stage.namespace)
    kueue.admit("pi", SPOT)
    copied = {"conditions": [{"type": "Running", "status": "True", "message": "there"}]}
    stage.client.patch(MPIJOBS, kueue.job("pi"), {"status": copied}, "status")
    stage.rest()
    assert stage.writes() == before
    assert not pods(stage)
    assert status(kueue) == copied
