"""What kills workers and launchers on a node, what a user reads of it, how it ends.

Stories that touch one job each run side by side; those that touch the node or the
operator follow in test_outage.py.
"""

from collections.abc import Iterator
from typing import Final

import pytest

from mpiop.local.client import NAMESPACES, Deletion
from tests.e2e.node.install import Site
from tests.e2e.node.stage import LATER, MPIRUN, Played, Stage, await_, stage
from tests.e2e.node.stories import Playing, Record, Story, playing, tell
from tests.support.cluster import Cluster
from tests.support.machine import named

pytestmark = [
    pytest.mark.needs("mpi"),
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]
SIDE_BY_SIDE: Final = 5
OPERATOR: Final = "system:serviceaccount:mpi-operator:mpi-operator"
EAT: Final = (
    "until [ -e /tmp/eat ]; do sleep 0.1; done; exec python3 -c 'bytearray(1 << 30)'"
)
# The shell stays process 1, and passes mpirun's exit code on.
UNDER_SHELL: Final = f"{LATER}; {MPIRUN} hang; exit $?"


def container_killed(here: Stage) -> Played:
    """A worker's process is killed: worker, node and signal are named."""
    one = here.play("killed")
    one.until_ranks()
    one.kill("killed-worker-1")
    status = one.ends()
    assert (status["result"], status["reason"]) == ("Failed", "WorkerLost"), one.story()
    assert "exit code 137, SIGKILL" in status["message"]
    assert status["restarts"] == 0
    one.report("killed-worker-1", f"{one.placed(one.worker(1))} has ended", "SIGKILL")
    return one


def pod_deleted(here: Stage) -> Played:
    """A worker Pod is deleted: the attempt is spent, the next one succeeds."""
    one = here.play("deleted", run_policy={"backoffLimit": 1}, mpi="openmpi4")
    one.until_ranks()
    one.strike()
    here.kubectl("delete", "pod", "deleted-worker-0", "--wait=false")
    status = one.recovers()
    assert status["recorded"].get("disruptions", 0) == 0
    one.report("deleted-worker-0", f"{one.placed(one.worker(0))} is being deleted")
    return one


def evicted(here: Stage) -> Played:
    """A worker is evicted: another attempt follows, for free."""
    one = here.play("evicted", shell="KubectlExec")
    one.until_ranks()
    one.evict("evicted-worker-1")
    status = one.recovers()
    assert status["recorded"]["disruptions"] == 1
    why = (f"{one.placed(one.worker(1))} is disrupted", "EvictionByEvictionAPI")
    one.report("evicted-worker-1", *why)
    return one


def over_its_limit(here: Stage) -> Played:
    """A worker fills a volume beyond its limit: the kubelet's own words tell of it."""
    scratch = {"name": "scratch", "emptyDir": {"sizeLimit": "1Mi"}}
    mounted = {"volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]}
    one = here.play("full", pod={"volumes": [scratch]}, workers_container=mounted)
    one.until_ranks()
    one.strike()
    one.execute("full-worker-0", "head -c 30000000 /dev/zero >/scratch/big")
    status = one.ends()
    assert (status["result"], status["reason"]) == ("Failed", "WorkerLost"), one.story()
    why = (f"{one.placed(one.worker(0))} has ended", 'exceeds the limit "1Mi"')
    one.report("full-worker-0", *why)
    return one


def out_of_memory(here: Stage) -> Played:
    """A worker's process outgrows its limit: the status says OOMKilled."""
    limits = {"resources": {"limits": {"memory": "200Mi"}}}
    eater = ("/bin/sh", "-c", EAT)
    pod = {"terminationGracePeriodSeconds": 2}  # a shell as process 1 takes no SIGTERM
    one = here.play("oom", shell="KubectlExec", container=limits, worker=eater, pod=pod)
    one.until_ranks()
    one.strike()
    one.execute("oom-worker-0", "touch /tmp/eat")
    status = one.ends()
    assert (status["result"], status["reason"]) == ("Failed", "WorkerLost"), one.story()
    one.report("oom-worker-0", f"{one.placed(one.worker(0))} has ended", "OOMKilled")
    return one


def mpirun_killed(here: Stage) -> Played:
    """Mpirun is killed below a shell: exit code and last lines are told."""
    policy = {"backoffLimit": 1}
    one = here.play("mpirun", UNDER_SHELL, run_policy=policy)
    one.until_ranks()
    pod = one.launcher
    one.strike()
    one.execute(pod, "pkill -KILL prterun")
    one.recovers()
    why = ("exited with exit code 137, SIGKILL", "last lines", "Killed")
    one.report(pod, *why)
    return one


def launcher_killed(here: Stage) -> Played:
    """The launcher's container is killed: the job has failed, by that signal."""
    one = here.play("launcher", shell="KubectlExec")
    one.until_ranks()
    pod = one.launcher
    one.kill(pod)
    status = one.ends()
    assert (status["result"], status["reason"]) == ("Failed", "BackoffLimitExceeded")
    one.report(
        pod,
        "exited with exit code 137, SIGKILL",
        "last lines",
        "rank 1 of 2 on launcher-worker-1",
    )
    return one


def launcher_evicted(here: Stage) -> Played:
    """The launcher is evicted: free as well."""
    one = here.play("moved")
    one.until_ranks()
    pod = one.launcher
    one.evict(pod)
    status = one.recovers()
    assert status["recorded"]["disruptions"] == 1
    one.report(pod, f"{one.placed(pod)} is disrupted", "EvictionByEvictionAPI")
    return one


def launcher_pod_deleted(here: Stage) -> Played:
    """The launcher's Pod is deleted by hand: a failed attempt, and no second Pod."""
    one = here.play("gone")
    one.until_ranks()
    pod = one.launcher
    one.strike()
    here.kubectl("delete", "pod", pod, "--wait=false")
    status = one.ends()
    assert status["result"] == "Failed"
    assert status["restarts"] == 0
    assert status["reason"] == "LauncherDeleted"
    one.report(pod, f"the launcher was deleted ({one.placed(pod)})")
    return one


def namespace_deleted(here: Stage) -> Played:
    """The namespace is deleted in mid-run: all of it goes, and the operator rests."""
    cluster = here.cluster
    with stage(here.site, cluster) as there:
        one = there.play("doomed")
        one.until_ranks()
        found = cluster.client.get(NAMESPACES, "", there.namespace)
        one.strike()
        cluster.client.delete(NAMESPACES, found, Deletion(policy="Background"))
        gone = lambda: cluster.find(NAMESPACES, "", there.namespace) is None  # noqa: E731
        await_(gone, "the namespace is gone")
        assert there.diary.most_launchers("doomed") == 1
        assert there.diary.launchers("doomed") == {"0": 1}
        one.figure = f"gone after {one.now():.1f} s"
        if cluster.counts_requests:
            asked = cluster.audit.requests(user=OPERATOR, namespace=there.namespace)
            refused = [one for one in asked if one.rejected]
            assert len(refused) < 20, refused
            one.figure += f"; {len(refused)} requests in vain"
    return one


FROM_OUTSIDE: tuple[Story, ...] = (container_killed, launcher_killed)
STORIES: tuple[Story, ...] = (
    pod_deleted,
    evicted,
    over_its_limit,
    out_of_memory,
    mpirun_killed,
    launcher_evicted,
    launcher_pod_deleted,
    namespace_deleted,
)


@pytest.fixture(scope="module")
def stories(site: Site, operated: Cluster) -> Iterator[Playing]:
    """Play them side by side."""
    told = STORIES if named() else (*FROM_OUTSIDE, *STORIES)
    with playing(site, operated, told, SIDE_BY_SIDE) as found:
        yield found


@pytest.mark.parametrize(
    "story",
    [
        *(
            pytest.param(story.__name__, marks=pytest.mark.needs("node"))
            for story in FROM_OUTSIDE
        ),
        *(story.__name__ for story in STORIES),
    ],
)
def test_story(stories: Playing, story: str, record_property: Record) -> None:
    """Each story's own sentence says what is expected."""
    tell(record_property, story, stories[story].result())
