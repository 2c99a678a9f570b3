"""What happens to Jobs and their Pods; told in either world, with what is seen."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Final

from mpiop.local.client import JOBS, PODS, ApiError, Deletion, Json
from tests.contract.worlds import World

Story = Callable[[World], list[Any]]
STORIES: Final[dict[str, Story]] = {}
DISRUPTED: Final = {
    "rules": [
        {
            "action": "FailJob",
            "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
        }
    ]
}


def story(tell: Story) -> Story:
    """Add a story to those that are compared."""
    STORIES[tell.__name__] = tell
    return tell


def create(world: World, **spec: object) -> Json:
    """Create a Job as the operator does: one attempt, one Pod."""
    container = {"name": "main", "image": "image:1"}
    pod = {"restartPolicy": "Never", "containers": [container]}
    body = {
        "backoffLimit": 0,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": DISRUPTED,
        "template": {"metadata": {"labels": {"app": "x"}}, "spec": pod},
        **spec,
    }
    return world.create(JOBS, "job", spec=body, metadata={"labels": {"a": "b"}})


def suspend(world: World, *, value: bool) -> None:
    """Suspend or resume the Job."""
    world.client.patch(JOBS, world.get(JOBS, "job"), {"spec": {"suspend": value}})


def has(kind: str, status: str = "True") -> Callable[[Mapping[str, Any]], bool]:
    """Ask a Job's status for a condition."""
    return lambda seen: any(
        (one["type"], one["status"]) == (kind, status)
        for one in seen.get("conditions") or ()
    )


def active(seen: Mapping[str, Any]) -> bool:
    """Ask a Job's status for an active Pod."""
    return seen.get("active") == 1


def ready(seen: Mapping[str, Any]) -> bool:
    """Ask a Job's status for a ready Pod."""
    return seen.get("ready") == 1


def seen(world: World, *jobs: Json) -> list[Any]:
    """Give these Jobs as they were, the Pods and Events as they are."""
    world.machine.quiet()
    pods = world.pods()
    return [
        [world.plain(job) for job in jobs],
        [world.plain(pod["metadata"]) for pod in pods],
        world.events(),
    ]


def running(world: World) -> Json:
    """Let the Job's Pod run."""
    pod = world.bound()
    world.kubelet.run(pod)
    world.job(ready)
    return pod


@story
def complete(world: World) -> list[Any]:
    """A Pod runs and ends with 0."""
    made = create(world)
    begun = world.job(active)
    pod = running(world)
    world.kubelet.succeed(pod)
    return seen(world, made, begun, world.job(has("Complete")))


@story
def pod_of_a_complete_job_is_deleted(world: World) -> list[Any]:
    """Nothing is made again."""
    create(world)
    world.kubelet.succeed(running(world))
    world.job(has("Complete"))
    world.client.delete(PODS, world.pods()[0])
    world.machine.rest(3)
    return seen(world, world.get(JOBS, "job"))


@story
def failure(world: World) -> list[Any]:
    """A Pod ends with 3, and that is one failure too many."""
    create(world)
    world.kubelet.fail(running(world), 3)
    return seen(world, world.job(has("Failed")))


@story
def eviction(world: World) -> list[Any]:
    """A Pod is evicted by its node."""
    create(world)
    world.kubelet.evict(running(world))
    return seen(world, world.job(has("Failed")))


@story
def deletion_of_the_pod(world: World) -> list[Any]:
    """A running Pod is deleted, and that is a failure once it has ended."""
    create(world)
    pod = running(world)
    world.client.delete(PODS, pod)
    world.machine.rest(2)
    during = world.get(JOBS, "job")
    world.kubelet.finish_deletions()
    return seen(world, during, world.job(has("Failed")))


@story
def failure_by_exit_code(world: World) -> list[Any]:
    """A rule says which exit codes cannot be helped."""
    codes = {"operator": "In", "values": [7]}
    rule = {"action": "FailJob", "onExitCodes": codes}
    create(world, backoffLimit=3, podFailurePolicy={"rules": [rule]})
    world.kubelet.fail(running(world), 7)
    return seen(world, world.job(has("Failed")))


@story
def ignored_failure(world: World) -> list[Any]:
    """A rule says that a disruption does not count."""
    rule = {**DISRUPTED["rules"][0], "action": "Ignore"}
    create(world, podFailurePolicy={"rules": [rule]})
    pod = running(world)
    world.kubelet.evict(pod)
    world.kubelet.run(world.bound(but=pod["metadata"]["uid"]))
    return seen(world, world.job(ready))


@story
def created_suspended(world: World) -> list[Any]:
    """No Pod before it is resumed."""
    create(world, suspend=True)
    held = world.job(has("Suspended"))
    suspend(world, value=False)
    world.bound()
    return seen(world, held, world.job(has("Suspended", "False")), world.job(active))


@story
def suspended_while_running(world: World) -> list[Any]:
    """The Pod ends and counts as nothing; after the resume there is another one."""
    create(world)
    pod = running(world)
    suspend(world, value=True)
    world.until(lambda: world.pods()[0]["metadata"].get("deletionTimestamp"))
    world.machine.quiet()
    during = world.job(has("Suspended"))
    world.kubelet.finish_deletions()
    world.gone(PODS, pod["metadata"]["name"])
    held = world.job(lambda seen: not seen.get("terminating"))
    suspend(world, value=False)
    world.kubelet.run(world.bound())
    world.job(ready)
    world.kubelet.succeed(world.bound())
    return seen(world, during, held, world.job(has("Complete")))


@story
def resumed_before_the_pod_has_ended(world: World) -> list[Any]:
    """The next Pod waits for the end of the last one."""
    create(world)
    pod = running(world)
    suspend(world, value=True)
    world.job(has("Suspended"))
    world.until(lambda: world.pods()[0]["metadata"].get("deletionTimestamp"))
    suspend(world, value=False)
    world.job(has("Suspended", "False"))
    world.machine.rest(2)
    count = len(world.pods())
    world.kubelet.finish_deletions()
    world.bound(but=pod["metadata"]["uid"])
    return [count, *seen(world, world.job(active))]


@story
def deadline(world: World) -> list[Any]:
    """A Job that runs for too long fails, and its Pod is ended."""
    create(world, activeDeadlineSeconds=600)
    running(world)
    # Set while the Pod runs: however slow the machine, it has been ready before.
    world.client.patch(
        JOBS, world.get(JOBS, "job"), {"spec": {"activeDeadlineSeconds": 2}}
    )
    world.until(lambda: world.pods()[0]["metadata"].get("deletionTimestamp"))
    world.machine.quiet()
    during = world.job(has("FailureTarget"))
    world.kubelet.finish_deletions()
    return seen(world, during, world.job(has("Failed")))


@story
def deletion_in_the_background(world: World) -> list[Any]:
    """The Job goes at once, its Pod after it."""
    job = create(world)
    pod = running(world)
    world.client.delete(JOBS, job, Deletion(policy="Background"))
    world.gone(JOBS, "job")
    name = pod["metadata"]["name"]
    world.until(lambda: world.get(PODS, name)["metadata"].get("deletionTimestamp"))
    world.until(lambda: not world.get(PODS, name)["metadata"].get("finalizers"))
    left = world.plain(world.get(PODS, name)["metadata"])
    world.kubelet.finish_deletions()
    world.gone(PODS, name)
    return [left]


@story
def deletion_in_the_foreground(world: World) -> list[Any]:
    """The Job keeps its name until its Pod has gone."""
    job = create(world)
    pod = running(world)
    world.client.delete(JOBS, job, Deletion(policy="Foreground"))
    name = pod["metadata"]["name"]
    world.until(lambda: world.get(PODS, name)["metadata"].get("deletionTimestamp"))
    world.until(lambda: not world.get(PODS, name)["metadata"].get("finalizers"))
    held = world.plain(world.get(JOBS, "job")["metadata"])
    world.kubelet.finish_deletions()
    world.gone(PODS, name)
    world.gone(JOBS, "job")
    return [held]


@story
def orphaning(world: World) -> list[Any]:
    """The Job goes, its Pod stays and belongs to nobody."""
    job = create(world)
    pod = running(world)
    world.client.delete(JOBS, job, Deletion(policy="Orphan"))
    world.gone(JOBS, "job")
    world.machine.rest(2)
    return [world.plain(world.get(PODS, pod["metadata"]["name"])["metadata"])]


@story
def refused_pod(world: World) -> list[Any]:
    """A Pod whose account is missing is never made, and an Event says why."""
    container = {"name": "main", "image": "image:1"}
    pod = {
        "restartPolicy": "Never",
        "containers": [container],
        "serviceAccountName": "nobody",
    }
    create(world, template={"spec": pod})
    world.until(world.events)
    return seen(world, world.get(JOBS, "job"))


@story
def order_of_conditions(world: World) -> list[Any]:
    """What is to become of a Job is written before it has."""
    made = create(world)
    world.kubelet.fail(running(world), 3)
    failed = world.job(has("Failed"))
    told = [
        [one["type"] for one in event["object"]["status"].get("conditions") or ()]
        for event in world.changes(JOBS, made, failed)
    ]
    return [once for once, _ in itertools.groupby(told)]


@story
def another_pod_after_a_failure(world: World) -> list[Any]:
    """Within its limit a Job replaces a Pod that has failed, after a while."""
    create(world, backoffLimit=1)
    pod = running(world)
    world.kubelet.fail(pod, 3)
    counted = world.job(lambda seen: seen.get("failed"))
    world.kubelet.succeed(world.bound(but=pod["metadata"]["uid"]))
    return seen(world, counted, world.job(has("Complete")))


@story
def expiry(world: World) -> list[Any]:
    """A finished Job goes after its time, and its Pod with it."""
    create(world, ttlSecondsAfterFinished=1)
    world.kubelet.succeed(running(world))
    world.gone(JOBS, "job")
    world.until(lambda: not world.pods())
    return world.events()


@story
def labels_of_another_job(world: World) -> list[Any]:
    """A template with the labels of another Job's Pods is refused."""
    template = create(world, suspend=True)["spec"]["template"]
    try:
        world.create(JOBS, "other", spec={"template": template})
    except ApiError as error:
        return [error.status, error.reason, error.message.count("must be")]
    return []
