"""A worker lost under a running launcher: a success of that attempt is never told."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from tests.support.manifests import MOMENT, condition, ended, job
from tests.support.whole import Json, Submitted, World

pytestmark = [pytest.mark.needs("namespaces"), pytest.mark.slow]
# Ranks of the first attempt live until they are ended; of later ones a moment.
RANKS = f"""
exec mpirun -np 2 /bin/sh -c "echo rank \\$OMPI_COMM_WORLD_RANK on \\$(hostname)
  [ $ATTEMPT -gt 0 ] || sleep 40; {MOMENT}"
"""
# A launcher that does not notice.
DEAF = "[ $ATTEMPT -gt 0 ] || { mpirun -np 2 sleep 40 & exec sleep 60; }" + RANKS
Stories = dict[str, "Future[None]"]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


@pytest.fixture(scope="module")
def stories(world: World) -> Iterator[Stories]:
    """Every story runs beside the others: most of each is waiting for a back-off."""
    with ThreadPoolExecutor(len(STORIES)) as pool:
        yield {story.__name__: pool.submit(story, world) for story in STORIES}


def running(one: Submitted, rank_hosts: int = 2) -> None:
    """Wait until the ranks run."""
    launcher = f"{one.name}-launcher"
    one.until_phase("LauncherRunning")
    end = time.monotonic() + 60
    while one.log(launcher).count("rank ") < rank_hosts:
        assert time.monotonic() < end, one.log(launcher)
        time.sleep(0.2)


def recovered(one: Submitted) -> None:
    """See the job end well, by its second attempt, with the lost worker replaced."""
    status = one.until_phase("Cleaned")
    assert status["result"] == "Succeeded", status
    assert status["restarts"] == 1
    name = one.name
    assert ranks(one, f"{name}-launcher-r1") == [
        f"rank 0 on {name}-worker-0",
        f"rank 1 on {name}-worker-1",
    ]
    assert list(one.jobs()) == [f"{name}-launcher", f"{name}-launcher-r1"]
    # cleanPodPolicy Running: ended Pods may stay, here those of launchers only.
    assert all("launcher" in pod for pod in one.pods())


def ranks(one: Submitted, launcher: str) -> list[str]:
    """What ranks said, in their order; mpirun has its own words in between."""
    lines = one.log(launcher).splitlines()
    return sorted(line for line in lines if line.startswith("rank "))


def uids(one: Submitted) -> dict[str, str]:
    return {name: pod["metadata"]["uid"] for name, pod in one.pods().items()}


def process_killed(world: World) -> None:
    """A worker's process is killed: the attempt ends, the next one finishes."""
    one = world.submit(job("killed", RANKS, policy={"backoffLimit": 1}))
    running(one)
    one.kill("killed-worker-1")
    status = one.until(lambda status: status["restarts"])
    assert "killed-worker-1 on node local" in condition(status, "Restarting")["message"]
    assert "exit code 137, SIGKILL" in condition(status, "Restarting")["message"]
    recovered(one)


def pod_deleted(world: World) -> None:
    """A worker Pod is deleted: the same."""
    one = world.submit(job("deleted", RANKS, policy={"backoffLimit": 1}))
    running(one)
    one.delete_pod("deleted-worker-0", grace=30)
    status = one.until(lambda status: status["restarts"])
    assert "deleted-worker-0" in condition(status, "Restarting")["message"]
    recovered(one)


def unnoticed(world: World) -> None:
    """A launcher that goes on regardless is ended after its grace."""
    one = world.submit(job("deaf", DEAF, policy={"backoffLimit": 1}))
    one.until_phase("LauncherRunning")
    one.kill("deaf-worker-0")
    status = one.until(lambda status: status["reason"] == "WorkerLost")
    assert status["phase"] == "LauncherRunning"
    assert "deaf-worker-0 on node local has ended" in status["message"]
    recovered(one)


def no_retry_left(world: World) -> None:
    """Without a retry the job fails by WorkerLost; what runs is removed."""
    one = world.submit(job("last", RANKS, policy={"backoffLimit": 0}))
    running(one)
    one.kill("last-worker-1")
    status = one.until_phase("Cleaned")
    assert (status["result"], status["reason"]) == ("Failed", "WorkerLost")
    assert "last-worker-1 on node local has ended" in status["message"]
    assert "exit code 137, SIGKILL" in status["message"]
    assert status["restarts"] == 0
    assert all(ended(pod) for pod in one.pods().values())
    assert "last-worker-0" not in one.pods()
    assert {"last-launcher", "last-worker-1"} == set(one.pods())


def all_kept(world: World) -> None:
    """With cleanPodPolicy None the worker that lives stays, and so does the phase."""
    policy = {"backoffLimit": 0, "cleanPodPolicy": "None"}
    one = world.submit(job("kept", RANKS, policy=policy))
    running(one)
    one.kill("kept-worker-1")
    status = one.until_phase("Failed")
    assert status["reason"] == "WorkerLost"
    pods = one.until_pods(lambda pods: ended(pods["kept-launcher"]))
    assert {name: ended(pod) for name, pod in pods.items()} == {
        "kept-launcher": True,
        "kept-worker-0": False,
        "kept-worker-1": True,
    }


def elastic(world: World) -> None:
    """KeepLauncher: the worker is replaced, the launcher goes on with it."""
    say = "echo rank $OMPI_COMM_WORLD_RANK on $(hostname)"
    command = f"""
      until [ -e /tmp/go ]; do sleep 0.1; done
      exec mpirun -np 2 /bin/sh -c '{say}; {MOMENT}'
    """
    policy = {"backoffLimit": 0, "workerFailurePolicy": "KeepLauncher"}
    one = world.submit(job("elastic", command, policy=policy))
    one.until_phase("LauncherRunning")
    before = uids(one)
    one.kill("elastic-worker-1")

    def replaced(pods: dict[str, Json]) -> bool:
        pod = pods.get("elastic-worker-1")
        return (
            pod is not None
            and pod["metadata"]["uid"] != before["elastic-worker-1"]
            and pod["status"].get("phase") == "Running"
        )

    one.until_pods(replaced)
    assert one.status["phase"] == "LauncherRunning"
    one.execute("elastic-launcher", "touch /tmp/go")
    status = one.until_phase("Cleaned")
    said = one.log("elastic-launcher")
    assert (status["result"], status["restarts"]) == ("Succeeded", 0), (status, said)
    assert uids(one) == {"elastic-launcher": before["elastic-launcher"]}
    assert ranks(one, "elastic-launcher") == [
        "rank 0 on elastic-worker-0",
        "rank 1 on elastic-worker-1",
    ]


def before_the_start(world: World) -> None:
    """A worker lost before mpirun runs is replaced; no attempt is spent."""
    manifest = job("early", RANKS.replace("-gt 0", "-ge 0"), policy={"backoffLimit": 0})
    wait = {
        "name": "wait",
        "image": "none",
        "command": ["/bin/sh", "-c", "until [ -e /tmp/go ]; do sleep 0.1; done"],
    }
    launcher = manifest["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]
    launcher["initContainers"] = [wait]
    launcher["containers"][0]["volumeMounts"] = []
    one = world.submit(manifest)
    one.until_phase("WorkersReady")
    before = uids(one)
    one.kill("early-worker-0")
    one.until_pods(
        lambda pods: (
            "early-worker-0" in pods
            and pods["early-worker-0"]["metadata"]["uid"] != before["early-worker-0"]
        )
    )
    name = one.pods()["early-launcher"]["metadata"]["name"]
    words = ("exec", name, "-c", "wait", "--", "touch", "/tmp/go")
    world.run(*words)
    status = one.until_phase("Cleaned")
    assert (status["result"], status["restarts"]) == ("Succeeded", 0), status


STORIES: tuple[Callable[[World], None], ...] = (
    process_killed,
    pod_deleted,
    unnoticed,
    no_retry_left,
    all_kept,
    elastic,
    before_the_start,
)


@pytest.mark.parametrize("story", [story.__name__ for story in STORIES])
def test_story(stories: Stories, story: str) -> None:
    """Each story's own sentence says what is expected."""
    stories[story].result()
