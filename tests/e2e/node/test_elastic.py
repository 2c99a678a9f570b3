"""Suspend and resume on other nodes, and workers that come and go under a launcher."""

import itertools
from collections.abc import Iterator
from typing import Any, Final

import pytest

from mpiop.local.client import JOBS, NODES, Json
from mpiop.reconcile import names
from tests.e2e.node.install import Site
from tests.e2e.node.stage import Played, Stage, await_
from tests.e2e.node.stories import Playing, Record, Story, playing, tell
from tests.support.cluster import MPIJOBS, Cluster

pytestmark = [
    pytest.mark.needs("mpi"),
    pytest.mark.slow,
    pytest.mark.timeout(1800),
]
# Says what the script of hosts says whenever it says something else; ends when told.
FOLLOW: Final = """
while [ ! -e /tmp/end ]; do
  now=$(/etc/mpi/discover_hosts.sh | sort | tr '\\n' ' ')
  [ "$now" = "$old" ] || echo "hosts: $now"
  old=$now
  sleep 0.2
done
exec mpirun --allow-run-as-root -np 1 mpi-test layout
"""


def suspended(here: Stage) -> Played:
    """Suspended in mid-run and resumed elsewhere: same Job, new Pods, no attempt."""
    return paused(here, "paused", "SSH")


def suspended_over_kubectl_exec(here: Stage) -> Played:
    """The same without ssh."""
    return paused(here, "halted", "KubectlExec")


def paused(here: Stage, name: str, shell: str) -> Played:
    """Suspend and resume a job."""
    label = f"{name}-pool"
    pool(here.cluster, label, "a")
    one = here.play(name, shell=shell, pod={"nodeSelector": {label: "a"}})
    one.until_ranks()
    before = here.cluster.client.get(JOBS, here.namespace, names.launcher_job(name, 0))
    one.strike()
    edit(one, {"runPolicy": {"suspend": True}})
    one.until(lambda status: status.get("phase") == "Suspended")
    await_(lambda: not pods(one), "no Pod is left")
    halted = one.now()

    selector = {"template": {"spec": {"nodeSelector": {label: "b"}}}}
    edit(one, {"mpiReplicaSpecs": {"Launcher": selector, "Worker": selector}})
    edit(one, {"runPolicy": {"suspend": False}})
    await_(lambda: len(pods(one)) == 3, "its Pods are there again")
    assert {pod["spec"]["nodeSelector"][label] for pod in pods(one)} == {"b"}
    assert not [pod for pod in pods(one) if "nodeName" in pod["spec"]]
    status = one.until(lambda status: "not scheduled" in status.get("message", ""))
    assert status["phase"] == "Created"
    pool(here.cluster, label, "b")
    one.until_ranks()
    after = here.cluster.client.get(JOBS, here.namespace, names.launcher_job(name, 0))
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert one.status["restarts"] == 0
    assert here.diary.most_launchers(name) == 1
    assert here.diary.launchers(name) == {"0": 2}
    pool(here.cluster, label, None)
    one.figure = f"no Pod left {halted:.1f} s after suspend"
    return one


def scaled(here: Stage) -> Played:
    """From 2 to 4 to 1 worker: the launcher is told, and what lives is untouched."""
    one = elastic(here, "elastic", "SSH")
    assert sessions(one), "its launcher's init container reached no worker"
    return grown_and_shrunk(one)


def scaled_over_kubectl_exec(here: Stage) -> Played:
    """The same without ssh."""
    return grown_and_shrunk(elastic(here, "supple", "KubectlExec"))


def elastic(here: Stage, name: str, shell: str) -> Played:
    """Have a job that says which hosts it is told of, now two."""
    policy = {"workerFailurePolicy": "KeepLauncher"}
    one = here.play(name, FOLLOW, shell=shell, run_policy=policy)
    hosts_are(one, 2)
    return one


def grown_and_shrunk(one: Played) -> Played:
    """Scale a job."""
    begin, calls = identities(one), sessions(one)
    one.strike()
    edit(one, {"mpiReplicaSpecs": {"Worker": {"replicas": 4}}})
    hosts_are(one, 4)
    grown = one.now()
    more = identities(one)
    assert more.items() >= begin.items()
    edit(one, {"mpiReplicaSpecs": {"Worker": {"replicas": 1}}})
    hosts_are(one, 1)
    shrunk = one.now() - grown
    await_(lambda: len(pods(one)) == 2, "three workers have gone")
    few = identities(one)
    assert few.items() <= begin.items()
    assert sorted(few) == sorted([one.worker(0), one.launcher])
    assert sessions(one) == calls
    one.execute(one.launcher, "touch /tmp/end")
    status = one.ends()
    assert (status["result"], status["restarts"]) == ("Succeeded", 0), status
    one.figure = f"the launcher's list grew in {grown:.1f} s, shrank in {shrunk:.1f} s"
    return one


def sessions(one: Played) -> int:
    """Count the ssh sessions that the first worker has had."""
    return one.stage.kubectl("logs", one.worker(0)).count("Accepted publickey")


def hosts_are(one: Played, count: int) -> None:
    """Wait until the launcher's last word on its hosts are the first so many.

    A kubelet looks at a Pod's ConfigMaps once a minute or so, and when the Pod changes.
    """
    job = one.stage.cluster.client.get(MPIJOBS, one.stage.namespace, one.name)
    ssh = job["spec"]["remoteShell"] == "SSH"  # v1's script has Pods and their slots
    rest = f".{one.name}.{one.stage.namespace}.svc" if ssh else ":1"
    wanted = [f"{one.worker(index)}{rest}" for index in range(count)]
    looks = itertools.count()
    mine = f"{names.JOB_NAME}={one.name},{names.JOB_ROLE}={names.LAUNCHER}"

    def look() -> bool:
        said = [line for line in one.log().splitlines() if line.startswith("hosts:")]
        if said and said[-1].removeprefix("hosts:").split() == wanted:
            return True
        words = ("annotate", "pod", "-l", mine, f"look={next(looks)}")
        one.stage.kubectl(*words, "--overwrite")
        return False

    await_(look, f"the launcher knows {count} hosts: {one.log()}")


def pods(one: Played) -> list[Json]:
    """List the Pods of a job."""
    return [*one.pods(names.WORKER), *one.pods(names.LAUNCHER)]


def identities(one: Played) -> dict[str, tuple[str, int]]:
    """Give uid and restarts of each of a job's Pods."""
    return {
        str(pod["metadata"]["name"]): (
            str(pod["metadata"]["uid"]),
            sum(state["restartCount"] for state in pod["status"]["containerStatuses"]),
        )
        for pod in pods(one)
    }


def edit(one: Played, spec: Json) -> None:
    """Change a job's spec as `kubectl patch` does."""
    client = one.stage.cluster.client
    found = client.get(MPIJOBS, one.stage.namespace, one.name)
    unconditional = {"metadata": {**found["metadata"], "resourceVersion": None}}
    client.patch(MPIJOBS, unconditional, {"spec": spec})


def pool(cluster: Cluster, label: str, value: str | None) -> None:
    """Put a node that takes any Pod into a pool, or take the pool away."""
    node = next(
        node
        for node in cluster.client.list(NODES)["items"]
        if not node["spec"].get("taints")
    )
    meta: dict[str, Any] = {"labels": {label: value}}
    bare = {"metadata": {"name": node["metadata"]["name"]}}
    cluster.client.patch(NODES, bare, {"metadata": meta})


STORIES: tuple[Story, ...] = (
    scaled,
    scaled_over_kubectl_exec,
    suspended,
    suspended_over_kubectl_exec,
)


@pytest.fixture(scope="module")
def stories(site: Site, operated: Cluster) -> Iterator[Playing]:
    """Play them side by side."""
    with playing(site, operated, STORIES, len(STORIES)) as found:
        yield found


@pytest.mark.parametrize("story", [story.__name__ for story in STORIES])
def test_story(stories: Playing, story: str, record_property: Record) -> None:
    """Each story's own sentence says what is expected."""
    tell(record_property, story, stories[story].result())
