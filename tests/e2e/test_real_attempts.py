"""Attempts on a real API server: at most one launcher, and its Jobs are the memory."""

import pytest

from mpiop.local.client import JOBS, PODS
from mpiop.reconcile import names
from tests.support.cluster import MPIJOBS, Account, Cluster
from tests.support.scene import LAUNCHER, WORKER, Scene, scene

pytestmark = [
    pytest.mark.needs("kubernetes"),
    pytest.mark.slow,
    pytest.mark.usefixtures("operated"),
]
FIRST, SECOND = "pi-launcher", "pi-launcher-r1"


def retried(found: Scene) -> None:
    """Have a job whose first launcher failed and whose second one runs."""
    found.script.exits = [3]
    found.submit(policy={"backoffLimit": 1})
    found.until_phase("LauncherRunning")
    found.script.end_launchers()
    found.until(
        lambda told: (told.get("restarts"), told["phase"]) == (1, "LauncherRunning")
    )


def test_the_verdict_comes_back_from_the_launcher_jobs(control_plane: Cluster) -> None:
    """All of the status erased after the end: attempt and verdict are there again."""
    with scene(control_plane) as found:
        retried(found)
        found.succeeds()
        found.until_phase("Cleaned")
        found.patch(MPIJOBS, "pi", {"status": None}, "status")
        again = found.until_phase("Cleaned")
        assert (again["result"], again["restarts"]) == ("Succeeded", 1)
        assert found.names(JOBS) == [FIRST, SECOND]
        assert len(found.names(PODS, LAUNCHER)) == 2
        assert found.most_launchers() == 1


def test_the_attempt_comes_back_from_the_launcher_jobs(control_plane: Cluster) -> None:
    """All of the status erased in mid-run: the launcher goes on, no other comes."""
    with scene(control_plane) as found:
        retried(found)
        found.patch(MPIJOBS, "pi", {"status": None}, "status")
        again = found.until_phase("LauncherRunning")
        assert again["restarts"] == 1
        found.succeeds()
        assert found.names(JOBS) == [FIRST, SECOND]
        assert found.most_launchers() == 1


def test_a_failure_comes_back_from_the_launcher_jobs(control_plane: Cluster) -> None:
    """A job that failed for good does not start again without its status."""
    with scene(control_plane, exits=[3], launcher_seconds=0.0) as found:
        found.submit(policy={"backoffLimit": 0, "cleanPodPolicy": "All"})
        found.until_phase("Cleaned")
        found.eventually(lambda: not found.names(PODS), "every Pod is gone")
        found.patch(MPIJOBS, "pi", {"status": None}, "status")
        assert found.until_phase("Cleaned")["result"] == "Failed"
        assert found.names(JOBS) == [FIRST]
        assert not found.names(PODS)


def test_a_success_is_not_run_again(control_plane: Cluster) -> None:
    """Though launcher Job, Pods and all else are deleted once it is recorded."""
    with scene(control_plane, launcher_seconds=0.0) as found:
        found.submit()
        found.until_phase("Cleaned")
        found.delete(JOBS, FIRST)
        found.eventually(lambda: not found.names(PODS), "every Pod is gone")
        found.patch(MPIJOBS, "pi", {"metadata": {"annotations": {"look": "again"}}})
        found.submit("other", workers=1)  # it is done with pi by the time this is done
        found.until_phase("Cleaned", "other")
        assert found.names(JOBS) == ["other-launcher"]
        assert found.status()["result"] == "Succeeded"


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
def test_a_launcher_job_that_a_user_deletes_is_a_failed_attempt(
    control_plane: Cluster, policy: str
) -> None:
    """The next one starts when the Pod has ended, whether the name is free or not."""
    with scene(control_plane) as found:
        found.submit(policy={"backoffLimit": 1})
        found.until_phase("LauncherRunning")
        workers = {uid(found, name) for name in found.names(PODS, WORKER)}
        found.script.finishes = False  # its process takes its time to end
        found.delete(JOBS, FIRST, policy)
        found.eventually(lambda: leaving(found, LAUNCHER), "the Pod is going")
        assert found.status()["restarts"] == 0
        assert SECOND not in found.names(JOBS)

        found.script.finishes = True
        told = found.until(lambda told: told.get("restarts") == 1)
        (why,) = [one for one in told["conditions"] if one["type"] == "Restarting"]
        assert "the launcher was deleted" in why["message"]
        found.until(lambda told: told["phase"] == "LauncherRunning")
        assert found.names(JOBS) == [SECOND]
        # Nobody has seen its process end: ranks may have lived on in the old ones.
        assert not workers & {uid(found, name) for name in found.names(PODS, WORKER)}
        found.succeeds()
        assert found.most_launchers() == 1


def test_the_last_launcher_job_that_a_user_deletes_ends_the_job(
    control_plane: Cluster,
) -> None:
    """Without an attempt left the job has failed, and says by what."""
    with scene(control_plane) as found:
        found.submit(policy={"backoffLimit": 0})
        found.until_phase("LauncherRunning")
        found.delete(JOBS, FIRST)
        told = found.until_phase("Cleaned")
        assert (told["result"], told["reason"]) == ("Failed", "LauncherDeleted")
        assert not found.names(JOBS)
        assert not found.names(PODS, WORKER)


def test_a_launcher_job_that_never_started_is_made_again(
    control_plane: Cluster,
) -> None:
    """Deleted before a launcher ran: the same attempt, under the same name."""
    with scene(control_plane, workers_ready=False) as found:
        found.submit(policy={"backoffLimit": 0})
        found.eventually(lambda: found.names(PODS, LAUNCHER), "its Pod is there")
        old = found.get(JOBS, FIRST)["metadata"]["uid"]
        found.delete(JOBS, FIRST)
        found.eventually(lambda: made_anew(found, old), "it is made again")
        found.script.workers_ready = True
        assert found.succeeds()["restarts"] == 0
        assert found.names(JOBS) == [FIRST]
        assert found.most_launchers() == 1


@pytest.mark.defect("D2")
@pytest.mark.parametrize("creation", ["AtStartup", "WaitForWorkersReady"])
def test_suspend_costs_no_attempt(control_plane: Cluster, creation: str) -> None:
    """Suspended in mid-run and resumed: another Pod of the same Job, twice."""
    with scene(control_plane) as found:
        found.submit(policy={"backoffLimit": 0}, launcherCreationPolicy=creation)
        found.until_phase("LauncherRunning")
        uid = found.get(JOBS, FIRST)["metadata"]["uid"]
        for _ in range(2):
            found.edit(suspend=True)
            told = found.until_phase("Suspended")
            found.eventually(lambda: not found.names(PODS), "no Pod is left")
            assert "startTime" not in told
            found.edit(suspend=False)
            assert found.until_phase("LauncherRunning")["restarts"] == 0
        found.succeeds()
        assert found.get(JOBS, FIRST)["metadata"]["uid"] == uid
        assert found.names(JOBS) == [FIRST]
        assert found.most_launchers() == 1


def test_a_launcher_is_made_after_live_reads(
    control_plane: Cluster, operated: Account
) -> None:
    """The MPIJob and the launcher Pods are read right before, each time."""
    with scene(control_plane) as found:
        retried(found)
        found.succeeds()
        asked = [
            (one.verb, one.resource)
            for one in found.requests(operated)
            if one.resource in {"mpijobs", "pods", "jobs"}
        ]
        posts = [i for i, one in enumerate(asked) if one == ("create", "jobs")]
        assert len(posts) == 2
        for i in posts:
            assert asked[i - 2 : i] == [("get", "mpijobs"), ("list", "pods")]


def test_a_launcher_pod_that_may_still_run_holds_the_next_one_back(
    control_plane: Cluster,
) -> None:
    """By its labels alone, whoever owns it: two launchers would run the job twice."""
    with scene(control_plane, workers_ready=False) as found:
        made = found.submit(launcherCreationPolicy="WaitForWorkersReady")
        found.eventually(lambda: len(found.names(PODS)) == 2, "its workers are there")
        uid = made["metadata"]["uid"]
        labels = {names.JOB_UID: uid, names.JOB_ROLE: names.LAUNCHER}
        spec = {"containers": [{"name": "main", "image": "none"}]}
        stray = {"metadata": {"name": "stray", "labels": labels}, "spec": spec}
        found.create(PODS, stray)
        found.script.workers_ready = True
        found.until_phase("WorkersReady")
        found.submit("other", workers=1, launcherCreationPolicy="WaitForWorkersReady")
        found.until_phase("LauncherRunning", "other")  # pi had its turns meanwhile
        assert FIRST not in found.names(JOBS)

        found.script.end_launchers()  # the stray one's end is no word about the job
        found.eventually(lambda: FIRST in found.names(JOBS), "the launcher's Job")
        found.until_phase("LauncherRunning")
        assert found.status()["restarts"] == 0


def uid(found: Scene, name: str) -> str:
    """Read a Pod's uid."""
    return str(found.get(PODS, name)["metadata"]["uid"])


def leaving(found: Scene, selector: str) -> bool:
    """Whether a Pod is on its way out."""
    pods = found.cluster.client.list(PODS, found.namespace, labelSelector=selector)
    return any(pod["metadata"].get("deletionTimestamp") for pod in pods["items"])


def made_anew(found: Scene, old: str) -> bool:
    """Whether there is a launcher Job, and not the old one."""
    job = found.find(JOBS, FIRST)
    return job is not None and job["metadata"]["uid"] != old
