"""What happens to dependents, Services and namespaces; told in either world."""

from typing import Any

from mpiop.local.client import (
    CONFIG_MAPS,
    ENDPOINT_SLICES,
    JOBS,
    NAMESPACES,
    PODS,
    SERVICES,
    Deletion,
    Json,
)
from tests.contract.stories import create, story
from tests.contract.worlds import World


def owned(world: World, name: str, owner: Json, **reference: object) -> Json:
    """Create a ConfigMap that belongs to a Job."""
    meta = owner["metadata"]
    entry = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": meta["name"],
        "uid": meta["uid"],
        **reference,
    }
    return world.create(CONFIG_MAPS, name, metadata={"ownerReferences": [entry]})


@story
def dependents(world: World) -> list[Any]:
    """What belongs to a Job goes with it; what has another owner stays."""
    job = create(world, suspend=True)
    other = world.create(CONFIG_MAPS, "other")
    owned(world, "one", job)
    both = owned(world, "both", job)
    reference = both["metadata"]["ownerReferences"][0]
    second = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "other",
        "uid": other["metadata"]["uid"],
    }
    patch = {"metadata": {"ownerReferences": [reference, second]}}
    world.client.patch(CONFIG_MAPS, both, patch)
    world.client.delete(JOBS, job, Deletion(policy="Background"))
    world.gone(CONFIG_MAPS, "one")
    world.until(lambda: len(references(world, "both")) == 1)
    return [world.plain(one) for one in references(world, "both")]


def references(world: World, name: str) -> list[Any]:
    """Give a ConfigMap's owners."""
    meta = world.get(CONFIG_MAPS, name)["metadata"]
    return list(meta.get("ownerReferences") or ())


@story
def dependents_of_nobody(world: World) -> list[Any]:
    """An owner that is not there, or is another of its name, owns nothing."""
    job = create(world, suspend=True)
    nobody = {
        "metadata": {"name": "gone", "uid": "0b0b0b0b-0000-4000-8000-000000000000"}
    }
    former = {"metadata": {**nobody["metadata"], "name": "job"}}
    owned(world, "of-nobody", nobody)
    owned(world, "of-a-former", former)
    owned(world, "of-the-job", job)
    world.gone(CONFIG_MAPS, "of-nobody")
    world.gone(CONFIG_MAPS, "of-a-former")
    return [world.plain(world.get(CONFIG_MAPS, "of-the-job"))]


@story
def blocked_deletion(world: World) -> list[Any]:
    """In the foreground an owner waits for those that block it, and no others."""
    job = create(world, suspend=True)
    for name, blocks in (("blocks", True), ("does-not", False)):
        made = owned(world, name, job, blockOwnerDeletion=blocks)
        patch = {"metadata": {"finalizers": ["test/hold"]}}
        world.client.patch(CONFIG_MAPS, made, patch)
    world.client.delete(JOBS, job, Deletion(policy="Foreground"))
    names = ("blocks", "does-not")
    world.until(lambda: all(going(world, name) for name in names))
    world.machine.quiet()
    held = world.plain(world.get(JOBS, "job")["metadata"])
    release(world, "blocks")
    world.gone(JOBS, "job")
    left = world.plain(world.get(CONFIG_MAPS, "does-not")["metadata"])
    release(world, "does-not")
    world.gone(CONFIG_MAPS, "does-not")
    return [held, left]


def going(world: World, name: str) -> bool:
    """Whether a ConfigMap is being deleted."""
    return "deletionTimestamp" in world.get(CONFIG_MAPS, name)["metadata"]


def release(world: World, name: str) -> None:
    """Take a ConfigMap's finalizers."""
    found = world.get(CONFIG_MAPS, name)
    world.client.patch(CONFIG_MAPS, found, {"metadata": {"finalizers": None}})


@story
def endpoints(world: World) -> list[Any]:
    """A headless Service lists Pods that are not ready, if told to."""
    for name, publish in (("all", True), ("ready", False)):
        spec = {
            "clusterIP": "None",
            "selector": {"app": "x"},
            "publishNotReadyAddresses": publish,
            "ports": [{"port": 22, "name": "ssh"}],
        }
        world.create(SERVICES, name, spec=spec)
    probe = {"tcpSocket": {"port": 22}}
    container = {"name": "c", "image": "image:1", "readinessProbe": probe}
    spec = {"containers": [container], "hostname": "h", "subdomain": "all"}
    world.create(PODS, "pod", spec=spec, metadata={"labels": {"app": "x"}})
    world.kubelet.run(world.bound())
    told = []
    for step in (lambda: None, lambda: world.kubelet.ready(world.bound())):
        step()
        world.machine.quiet()
        world.until(lambda: len(slices(world)) == 2)
        told.append(slices(world))
    return told


def slices(world: World) -> list[Any]:
    """Give who is behind each Service, and on what terms."""
    items: list[Json] = world.client.list(ENDPOINT_SLICES, world.namespace)["items"]
    found = [
        [
            one["metadata"]["labels"]["kubernetes.io/service-name"],
            one["addressType"],
            [each["conditions"] for each in one["endpoints"] or ()],
            [each.get("hostname") for each in one["endpoints"] or ()],
            [each["targetRef"]["name"] for each in one["endpoints"] or ()],
            [(each["name"], each["port"]) for each in one.get("ports") or ()],
        ]
        for one in items
    ]
    return sorted(found)


@story
def unschedulable(world: World) -> list[Any]:
    """A Pod that fits no node says so."""
    resources = {"requests": {"cpu": "100000"}}
    container = {"name": "c", "image": "image:1", "resources": resources}
    world.create(PODS, "pod", spec={"containers": [container]})
    world.until(lambda: world.get(PODS, "pod")["status"].get("conditions"))
    world.machine.quiet()
    (condition,) = world.get(PODS, "pod")["status"]["conditions"]
    events = {(level, reason) for level, reason, _ in world.events("pod")}
    about = ("type", "status", "reason")
    return [[condition.get(key) for key in about], events]


@story
def end_of_the_namespace(world: World) -> list[Any]:
    """A namespace takes with it what it has, once nothing holds it."""
    world.create(CONFIG_MAPS, "held", metadata={"finalizers": ["test/hold"]})
    world.create(CONFIG_MAPS, "free")
    namespace = world.client.get(NAMESPACES, "", world.namespace)
    world.client.delete(NAMESPACES, namespace)
    world.gone(CONFIG_MAPS, "free")
    phase = world.client.get(NAMESPACES, "", world.namespace)["status"]["phase"]
    release(world, "held")
    world.gone(CONFIG_MAPS, "held")
    return [phase]
