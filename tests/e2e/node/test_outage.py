"""What a user reads while a whole node, its kubelet or the operator is away.

Each disturbs every job on the node, so one follows another.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

import pytest

from mpiop.local.client import NODES, PODS, Deletion, Json
from mpiop.reconcile import names
from tests.e2e.node import configs, install
from tests.e2e.node.node import Node
from tests.e2e.node.stage import TOLD, Played, Stage, await_, manifest, stage
from tests.e2e.node.stories import Record, tell
from tests.support import live
from tests.support.cluster import Cluster
from tests.support.deployed import NAME

pytestmark = [
    pytest.mark.needs("node"),
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]
LOST: Final = "mpiop-test-lost"


@pytest.fixture(scope="module")
def here(node: Node, operated: Cluster) -> Iterator[Stage]:
    with stage(node, operated) as found:
        yield found


def operators(here: Stage) -> set[str]:
    """Name the operator's Pods that are ready."""
    return {
        str(pod["metadata"]["name"])
        for pod in here.cluster.client.list(PODS, NAME)["items"]
        if "deletionTimestamp" not in pod["metadata"] and ready(pod)
    }


def ready(obj: Json) -> bool:
    """Whether a Pod or a node is."""
    conditions = obj.get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def uids(one: Played) -> dict[str, str]:
    """Identify a job's Pods and their containers."""
    return {
        str(pod["metadata"]["uid"]): str(pod["status"]["containerStatuses"])
        for role in (names.WORKER, names.LAUNCHER)
        for pod in one.pods(role)
    }


def test_the_operator_dies_in_mid_run(here: Stage, record_property: Record) -> None:
    """What happens meanwhile is told by the next one; nothing is started twice."""
    one = here.play("orphan", run_policy={"backoffLimit": 1})
    calm = here.play("calm")
    one.until_ranks()
    calm.until_ranks()
    before, whole = operators(here), uids(calm)
    install.kubectl(here.node, "delete", "pod", *before, "--force", "--wait=false")
    one.kill(one.worker(1))
    young = here.play("young", run_policy={"backoffLimit": 1})
    one.recovers()
    assert not operators(here) & before
    one.report(one.worker(1), "orphan-worker-1 on node node1 has ended", "SIGKILL")
    young.until_ranks()
    assert uids(calm) == whole
    assert calm.status["restarts"] == 0
    tell(record_property, "operator_deleted", one)
    young.removed()
    calm.removed()
    one.removed()


@pytest.fixture(scope="module")
def lost(here: Stage) -> Iterator["Future[Played]"]:
    """Lose a node for good; most of it is waiting."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(node_lost, here)


def node_lost(here: Stage) -> Played:
    """The Pods that hold their names are named, with the remedy; it helps."""
    with lost_node(here.cluster):
        with live.playing(here.cluster, here.namespace, LOST):
            one = here.submit(on_the_lost_node())
            one.until(lambda status: status.get("phase") == "LauncherRunning")
        one.strike()
        unreachable(here.cluster)
        stuck = f"lost-worker-0 on node {LOST} does not end"
        status = one.until(
            lambda told: stuck in told["message"] and told["restarts"] == 1
        )
        assert status["reason"] == "WaitingForLostNode"
        one.report(one.worker(0), f"on node {LOST} is disrupted", "DeletionByTaint")
        waited = one.named("does not end", "--force --grace-period=0")
        force = ("--force", "--grace-period=0", "--wait=false")
        here.kubectl("delete", "pod", one.worker(0), one.worker(1), *force)
        status = one.recovers()
        assert status["recorded"]["disruptions"] == 1
    one.figure += f"; the lost node is named after {waited:.1f} s"
    one.removed()
    return one


@pytest.mark.usefixtures("lost")
def test_the_kubelet_is_away_for_a_minute(here: Stage, record_property: Record) -> None:
    """What runs goes on, over either transport; what ended is told by its return."""
    steady = [
        here.play("steady-ssh"),
        here.play("steady-exec", shell="KubectlExec"),
    ]
    hit = here.play("hit")
    for one in (*steady, hit):
        one.until_ranks()
    whole = [uids(one).keys() for one in steady]
    here.node.signal("kubelet", 19)
    try:
        hit.kill(hit.worker(0))
        away = lambda: not ready(here.cluster.client.get(NODES, "", configs.NAME))  # noqa: E731
        await_(away, "the node is not ready")
        noticed = hit.now()
        assert {one.status["phase"] for one in steady} == {"LauncherRunning"}
    finally:
        here.node.signal("kubelet", 18)
    back = hit.now()
    hit.ends()
    hit.report(hit.worker(0), "hit-worker-0 on node node1 has ended", "SIGKILL")
    seen = hit.named("SIGKILL") - back
    figure = (
        f"node not ready after {noticed:.1f} s, named {seen:.1f} s after the kubelet"
    )
    record_property(TOLD, f"kubelet_stopped: {figure}\n{hit.story()}")
    await_(
        lambda: ready(here.cluster.client.get(NODES, "", configs.NAME)),
        "the node is ready again",
    )
    for one, before in zip(steady, whole, strict=True):
        assert uids(one).keys() == before
        status = one.status
        assert (status["phase"], status["restarts"]) == ("LauncherRunning", 0)
        record_property(TOLD, one.story())
        one.removed()
    hit.removed()


def test_a_node_never_comes_back(
    lost: "Future[Played]", record_property: Record
) -> None:
    """The Pods that hold their names are named, with the remedy; it helps."""
    one = lost.result()
    tell(record_property, "node_lost", one)


def test_a_worker_fills_its_nodes_disk(here: Stage, record_property: Record) -> None:
    """Its kubelet evicts the worker for the sake of the others: an attempt for free."""
    scratch = {"name": "scratch", "emptyDir": {}}
    mounted = {"volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}
    one = here.play("greedy", pod={"volumes": [scratch]}, workers_container=mounted)
    one.until_ranks()
    one.strike()
    one.execute(
        one.worker(0), f"head -c {configs.DISK * 93 // 100} /dev/zero >/scratch/big"
    )
    # A busy kubelet may look at the disk as it was, and evict one worker more.
    status = one.recovers(most=3)
    assert status["recorded"]["disruptions"] == status["restarts"]
    why = "greedy-worker-0 on node node1 is disrupted (TerminationByKubelet"
    one.report(one.worker(0), why, "low on resource: ephemeral-storage")
    tell(record_property, "node_pressure", one)
    one.removed()


def test_the_node_is_drained(here: Stage, record_property: Record) -> None:
    """Everything is evicted, the operator too; uncordoned, the job goes on for free."""
    one = here.play("drained")
    one.until_ranks()
    one.strike()
    drain = ("drain", configs.NAME, "--delete-emptydir-data", "--force")
    try:
        install.kubectl(here.node, *drain, "--grace-period=5", "--timeout=90s")
        emptied = one.now()
    finally:
        install.kubectl(here.node, "uncordon", configs.NAME)
    status = one.recovers()
    assert status["recorded"]["disruptions"] == 1
    figure = f"empty after {emptied:.1f} s"
    record_property(TOLD, f"drained: {figure}\n{one.story()}")
    one.removed()


def on_the_lost_node() -> Json:
    """Write a job whose workers prefer that node; its first launcher does not mind."""
    awaited = "for n in 0 1; do until ssh lost-worker-$n true; do sleep 1; done; done"
    script = (
        f'[ "$ATTEMPT" -gt 0 ] || exec sleep 600; {awaited};'
        " exec mpirun --allow-run-as-root -np 2 mpi-test reduce"
    )
    found = manifest("lost", script, pod={"terminationGracePeriodSeconds": 2})
    found["metadata"]["annotations"] = {names.WAIT: "disabled"}
    worker = found["spec"]["mpiReplicaSpecs"]["Worker"]["template"]["spec"]
    mine = [{"key": LOST, "operator": "Exists"}]
    worker["tolerations"] = [
        {"key": LOST, "operator": "Exists"},
        {
            "key": "node.kubernetes.io/unreachable",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 3,
        },
    ]
    prefer = {"weight": 100, "preference": {"matchExpressions": mine}}
    key = "preferredDuringSchedulingIgnoredDuringExecution"
    worker["affinity"] = {"nodeAffinity": {key: [prefer]}}
    return found


@contextmanager
def lost_node(cluster: Cluster) -> Iterator[None]:
    """Have a second node, for Pods that want it."""
    taint = {"key": LOST, "effect": "NoSchedule"}
    made = cluster.client.create(
        NODES,
        {
            "metadata": {"name": LOST, "labels": {LOST: "yes"}},
            "spec": {"taints": [taint]},
        },
    )
    room = {"cpu": "8", "memory": "16Gi", "pods": "10"}
    status = {"capacity": room, "allocatable": room, "conditions": [_state("True")]}
    cluster.client.patch(NODES, made, {"status": status}, "status")
    try:
        # Until its controller has seen that it is ready, Pods go elsewhere.
        await_(
            lambda: len(cluster.client.get(NODES, "", LOST)["spec"]["taints"]) == 1,
            "the second node is ready",
        )
        yield
    finally:
        cluster.client.delete(NODES, made, Deletion(policy="Background"))


def unreachable(cluster: Cluster) -> None:
    """Say of the node what its controller says after a time without a word of it."""
    node = cluster.client.get(NODES, "", LOST)
    status = {"conditions": [_state("Unknown")]}
    cluster.client.patch(NODES, node, {"status": status}, "status")


def _state(status: str) -> Json:
    now = f"{live.now():%Y-%m-%dT%H:%M:%SZ}"
    times = {"lastHeartbeatTime": now, "lastTransitionTime": now}
    return {"type": "Ready", "status": status, "reason": "Said", **times}
