"""What a user reads while a whole node, its kubelet or the operator is away.

Each disturbs every job on the node, so one follows another.
"""

import time
from collections.abc import Iterator

import pytest

from mpiop.local.client import NODES, PODS, Json
from mpiop.reconcile import names
from tests.e2e.node import configs, install
from tests.e2e.node.node import Node
from tests.e2e.node.second import MARK, second
from tests.e2e.node.stage import CARELESS, Played, Stage, await_, manifest, stage
from tests.e2e.node.stories import Record, tell
from tests.support.cluster import Cluster
from tests.support.deployed import NAME
from tests.support.script import ready
from tests.support.told import TOLD

pytestmark = [
    pytest.mark.needs("node"),
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]

# A minute, and longer than kubectl waits for an answer on its stream, which is 61 s.
AWAY_SECONDS = 66.0
DRAIN = (
    *("drain", configs.NAME, "--delete-emptydir-data", "--force"),
    *("--grace-period=5", "--timeout=90s"),
)


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


def test_a_node_never_comes_back(here: Stage, record_property: Record) -> None:
    """The Pods that hold their names are named, with the remedy; it helps."""
    with second(here.node) as away:
        one = here.submit(on_the_second_node())
        one.until_ranks()
        where = {pod["spec"]["nodeName"] for pod in one.pods(names.WORKER)}
        assert where == {configs.SECOND}
        one.strike()
        away.lose()
        stuck = f"lost-worker-0 on node {configs.SECOND} does not end"
        status = one.until(
            lambda told: stuck in told["message"] and told["restarts"] == 1
        )
        assert status["reason"] == "WaitingForLostNode"
        force = ("--force", "--grace-period=0", "--wait=false")
        here.kubectl("delete", "pod", one.worker(0), one.worker(1), *force)
        status = one.recovers()
        assert status["recorded"]["disruptions"] == 1
    why = f"on node {configs.SECOND} is disrupted"
    one.report(one.worker(0), why, "DeletionByTaint")
    waited = one.named("does not end", "--force --grace-period=0")
    one.figure += f"; the lost node is named after {waited:.1f} s"
    tell(record_property, "node_lost", one)
    one.removed()


def test_the_kubelet_is_away_for_a_minute(here: Stage, record_property: Record) -> None:
    """What runs goes on over ssh; kubectl gives up. Its return tells what ended."""
    steady, hit = here.play("steady"), here.play("hit")
    cut = here.play("cut", shell="KubectlExec")
    for one in (steady, cut, hit):
        one.until_ranks()
    before = uids(steady).keys()
    here.node.signal(f"{configs.NAME}-kubelet", 19)
    try:
        hit.kill(hit.worker(0))
        away = lambda: not ready(here.cluster.client.get(NODES, "", configs.NAME))  # noqa: E731
        await_(away, "the node is not ready")
        noticed = hit.now()
        time.sleep(max(0.0, AWAY_SECONDS - noticed))
        assert {one.status["phase"] for one in (steady, cut)} == {"LauncherRunning"}
    finally:
        here.node.signal(f"{configs.NAME}-kubelet", 18)
    back = hit.now()
    hit.ends()
    hit.report(hit.worker(0), "hit-worker-0 on node node1 has ended", "SIGKILL")
    seen = hit.named("SIGKILL") - back
    figure = (
        f"node not ready after {noticed:.1f} s, named {seen:.1f} s after the kubelet"
    )
    record_property(TOLD, f"kubelet_stopped: {figure}\n{hit.story()}")
    cut.ends()
    record_property(TOLD, cut.story())
    assert "remote starts that ended badly: worker-" in cut.status["message"]
    await_(
        lambda: ready(here.cluster.client.get(NODES, "", configs.NAME)),
        "the node is ready again",
    )
    assert uids(steady).keys() == before, steady.story()
    assert all("'running'" in state for state in uids(steady).values())
    status = steady.status
    assert (status["phase"], status["restarts"]) == ("LauncherRunning", 0)
    record_property(TOLD, steady.story())
    for one in (steady, cut, hit):
        one.removed()


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
    try:
        install.kubectl(here.node, *DRAIN)
        emptied = one.now()
    finally:
        install.kubectl(here.node, "uncordon", configs.NAME)
    status = one.recovers()
    assert status["recorded"]["disruptions"] == 1
    seen = one.named("EvictionByEvictionAPI")
    one.figure = f"named after {seen:.1f} s, empty after {emptied:.1f} s"
    tell(record_property, "drained", one)
    one.removed()


def test_the_node_is_drained_unwatched(here: Stage, record_property: Record) -> None:
    """When the operator is back all Pods are gone, and the launcher has ended with 0.

    Only Events tell: the success is not believed, and the job goes on for free.
    """
    one = here.play("unseen", CARELESS)
    one.until_ranks()
    scale = ("scale", "deployment", NAME)
    install.kubectl(here.node, *scale, "--replicas=0")
    try:
        await_(lambda: not here.cluster.client.list(PODS, NAME)["items"], "no operator")
        mine = f"--pod-selector={names.JOB_NAME}=unseen"
        install.kubectl(here.node, *DRAIN, f"{mine},{names.JOB_ROLE}={names.WORKER}")
        job = names.launcher_job("unseen", 0)
        here.kubectl("wait", f"job/{job}", "--for=condition=Complete")
        install.kubectl(here.node, *DRAIN, mine)
    finally:
        install.kubectl(here.node, "uncordon", configs.NAME)
        one.strike()
        install.kubectl(here.node, *scale, "--replicas=1")
    status = one.recovers()
    assert status["recorded"]["disruptions"] == 1
    why = "the launcher exited with code 0, but unseen-worker-"
    one.figure = f"named after {one.named(why, 'on node node1 was told to stop'):.1f} s"
    tell(record_property, "drained_unwatched", one)
    one.removed()


def on_the_second_node() -> Json:
    """Write a job whose workers prefer that node, and leave it soon once it is lost."""
    found = manifest("lost", pod={"terminationGracePeriodSeconds": 2})
    worker = found["spec"]["mpiReplicaSpecs"]["Worker"]["template"]["spec"]
    here: Json = {"key": MARK, "operator": "Exists"}
    worker["tolerations"] = [
        here,
        {
            "key": "node.kubernetes.io/unreachable",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 3,
        },
    ]
    prefer = {"weight": 100, "preference": {"matchExpressions": [here]}}
    key = "preferredDuringSchedulingIgnoredDuringExecution"
    worker["affinity"] = {"nodeAffinity": {key: [prefer]}}
    return found
