"""Names that are taken on a real API server: ours, an older job's, somebody's."""

from typing import Any

import pytest

from mpiop.local.client import CONFIG_MAPS, JOBS, PODS, SERVICES, Resource
from mpiop.reconcile import names
from tests.support.cluster import MPIJOBS, Account, Cluster
from tests.support.manifests import condition
from tests.support.scene import LAUNCHER, WORKER, Scene, scene

pytestmark = [
    pytest.mark.needs("kubernetes"),
    pytest.mark.slow,
    pytest.mark.usefixtures("operated"),
]
POD: dict[str, Any] = {"containers": [{"name": "main", "image": "none"}]}
JOB = {"template": {"spec": {**POD, "restartPolicy": "Never"}}, "suspend": True}
FOREIGN: dict[str, tuple[Resource, dict[str, Any]]] = {
    "pi": (SERVICES, {"spec": {"ports": [{"port": 80}]}}),
    "pi-config": (CONFIG_MAPS, {"data": {"mine": "yes"}}),
    "pi-worker-1": (PODS, {"spec": POD}),
    "pi-launcher": (JOBS, {"spec": JOB}),
}


@pytest.mark.parametrize(
    ("resource", "name"),
    [(SERVICES, "pi"), (CONFIG_MAPS, "pi-config"), (PODS, "pi-worker-0")],
    ids=["Service", "ConfigMap", "Pod"],
)
def test_ours_without_its_label_is_labelled(
    control_plane: Cluster, resource: Resource, name: str
) -> None:
    """A child that left the cache is found by its name, not made a second time."""
    with scene(control_plane, workers_ready=False) as found:
        made = found.submit()
        found.eventually(lambda: found.names(PODS, LAUNCHER), "all children are there")
        unlabelled(found, resource, name, made["metadata"]["uid"])
        found.script.workers_ready = True
        assert found.succeeds()["restarts"] == 0
        assert found.most_launchers() == 1


def test_our_launcher_job_without_its_label_is_labelled(control_plane: Cluster) -> None:
    """That of a suspended job: it is resumed later, there is no second one."""
    with scene(control_plane) as found:
        made = found.submit(policy={"suspend": True})
        found.eventually(lambda: found.names(JOBS), "its Job is there")
        unlabelled(found, JOBS, "pi-launcher", made["metadata"]["uid"])
        found.edit(suspend=False)
        assert found.succeeds()["restarts"] == 0
        assert found.names(JOBS) == ["pi-launcher"]


def unlabelled(found: Scene, resource: Resource, name: str, job: str) -> None:
    """Take a child's label away; wait until the same object has it again."""
    uid = found.get(resource, name)["metadata"]["uid"]
    found.patch(resource, name, {"metadata": {"labels": {names.JOB_UID: None}}})

    def labelled() -> bool:
        return names.JOB_UID in found.get(resource, name)["metadata"]["labels"]

    found.eventually(labelled, "the label is back")
    again = found.get(resource, name)["metadata"]
    assert (again["uid"], again["labels"][names.JOB_UID]) == (uid, job)


def test_an_older_jobs_pods_are_waited_for(control_plane: Cluster) -> None:
    """Deleted and made again under its name while the old Pods take their time."""
    with scene(control_plane) as found:
        found.submit()
        found.until_phase("LauncherRunning")
        old = pods(found)
        found.script.finishes = False
        found.delete(MPIJOBS, "pi")
        found.eventually(lambda: found.find(MPIJOBS, "pi") is None, "the job is gone")
        found.submit()
        told = found.until_reason("NameTaken")
        assert told["phase"] == "Created"
        assert "pi-" in told["message"]
        assert pods(found).keys() == old.keys()

        found.script.finishes = True
        assert found.succeeds()["restarts"] == 0
        assert not pods(found).keys() & old.keys()
        assert found.most_launchers() == 1


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_object_blocks_and_is_left_alone(
    control_plane: Cluster, operated: Account, name: str
) -> None:
    """The condition names it, nothing is written to it; once it is gone, on it goes."""
    resource, rest = FOREIGN[name]
    with scene(control_plane) as found:
        found.script.held = {name}  # nothing happens to it but through the operator
        kept = found.create(resource, {"metadata": {"name": name}, **rest})
        found.submit()
        told = found.until_reason("Blocked")
        blocked = condition(told, "Blocked")
        assert blocked["status"] == "True"
        assert f'"{name}"' in blocked["message"] == told["message"]
        found.warns("ErrResourceExists")
        before = live(found.get(resource, name))
        assert before["metadata"]["uid"] == kept["metadata"]["uid"]
        assert "ownerReferences" not in before["metadata"]
        assert {
            (one.verb, one.code)
            for one in found.requests(operated)
            if one.writes and (one.resource, one.name) == (resource.plural, name)
        } <= {("create", 409)}

        found.script.held = set()
        found.delete(resource, name)
        assert found.succeeds()["restarts"] == 0
        unblocked = condition(found.status(), "Blocked")
        assert (unblocked["status"], unblocked["reason"]) == ("False", "NameFree")


def test_a_worker_on_its_way_out_holds_its_name(control_plane: Cluster) -> None:
    """It counts as gone, and is followed only when it is."""
    with scene(control_plane) as found:
        made = found.submit(launcherCreationPolicy="WaitForWorkersReady")
        found.until_phase("LauncherRunning")
        found.edit(suspend=True)
        found.until_phase("Suspended")
        found.eventually(lambda: not found.names(PODS), "no Pod is left")
        found.script.workers_ready = False
        found.edit(suspend=False)
        found.eventually(lambda: len(found.names(PODS, WORKER)) == 2, "two workers")
        found.script.finishes = False
        old = found.get(PODS, "pi-worker-0")["metadata"]["uid"]
        found.delete(PODS, "pi-worker-0")
        found.script.workers_ready = True
        told = found.until(lambda told: told["workers"] == "1/2")
        assert told["phase"] == "Created"
        assert found.get(PODS, "pi-worker-0")["metadata"]["uid"] == old

        found.script.finishes = True
        assert found.succeeds()["restarts"] == 0
        assert found.get(MPIJOBS)["metadata"]["uid"] == made["metadata"]["uid"]


def test_a_launcher_pod_on_its_way_out_holds_the_next_attempt_back(
    control_plane: Cluster,
) -> None:
    """A user deletes the Pod; the next Job is made once its process has ended."""
    with scene(control_plane) as found:
        found.submit(policy={"backoffLimit": 1})
        found.until_phase("LauncherRunning")
        found.script.finishes = False
        (pod,) = found.names(PODS, LAUNCHER)
        found.delete(PODS, pod)
        found.submit("other", workers=1)
        found.until_phase("LauncherRunning", "other")
        assert found.names(JOBS) == ["other-launcher", "pi-launcher"]
        assert found.status()["restarts"] == 0

        found.script.finishes = True
        found.until(
            lambda told: (told["restarts"], told["phase"]) == (1, "LauncherRunning")
        )
        assert found.names(JOBS) == ["other-launcher", "pi-launcher", "pi-launcher-r1"]


def pods(found: Scene) -> dict[str, str]:
    """Give the Pods' names by uid."""
    items = found.cluster.client.list(PODS, found.namespace)["items"]
    return {pod["metadata"]["uid"]: pod["metadata"]["name"] for pod in items}


def live(obj: Any) -> Any:  # noqa: ANN401
    """Give an object without what other controllers write into it."""
    return {key: value for key, value in obj.items() if key != "status"}
