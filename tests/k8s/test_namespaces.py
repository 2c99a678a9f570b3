"""Several namespaces, each listed and watched alone; nothing kept of what is gone."""

from collections.abc import Sized
from typing import Any, cast

import pytest

from mpiop.k8s.settings import Settings
from mpiop.local.client import NAMESPACES, PODS, SERVICE_ACCOUNTS
from tests.support import toy
from tests.support.harness import MPIJOBS, Harness
from tests.support.transport import Faults


def harness(namespace: str, faults: Faults | None = None) -> Harness:
    """Make a world with namespaces a, b and c, and an operator for some."""
    settings = Settings(namespace=namespace, leader_elect=False)
    world = Harness(toy.plan, settings=settings, faults=faults)
    for name in "abc":
        world.client.create(NAMESPACES, {"metadata": {"name": name}})
        meta = {"name": "default", "namespace": name}
        world.client.create(SERVICE_ACCOUNTS, {"metadata": meta})
    world.settle()
    return world


def create(world: Harness, namespace: str, name: str = "pi") -> None:
    job = cast("dict[str, Any]", toy.mpijob(name))
    world.create({**job, "metadata": {"name": name, "namespace": namespace}})


def phases(world: Harness) -> dict[str, str]:
    return {
        job["metadata"]["namespace"]: job.get("status", {}).get("phase", "")
        for job in world.client.list(MPIJOBS)["items"]
    }


@pytest.mark.compat("operator.namespace")
def test_only_the_named_namespaces_are_looked_after() -> None:
    """Nothing is asked of any other, nor of the cluster as a whole."""
    world = harness("a,b")
    for namespace in "abc":
        create(world, namespace)
    world.run_until(
        lambda: phases(world) == {"a": "Succeeded", "b": "Succeeded", "c": ""}
    )
    paths = {call.path for call in world.transport.calls}
    assert all("/namespaces/a/" in path or "/namespaces/b/" in path for path in paths)
    assert {"a", "b"} == {key.namespace for key in world.operator.store.keys()}  # noqa: SIM118
    assert world.operator.store.sizes()["MPIJob"] == 2


def test_a_list_of_one_namespace_leaves_the_others_alone() -> None:
    """Each has its own version and its own watch."""
    world = harness("a,b")
    create(world, "a")
    create(world, "b")
    world.settle()
    store = world.operator.store
    before = {key: store.job(key) for key in store.keys()}  # noqa: SIM118
    world.operator.reflectors["MPIJob", "a"].relist()
    world.advance(5)
    assert store.lists("MPIJob", "a") == 2
    assert store.lists("MPIJob", "b") == 1
    assert {key for key in store.keys()} == set(before)  # noqa: C416, SIM118


def test_a_lost_event_is_healed_by_the_list_of_its_namespace() -> None:
    """An own write that does not show is looked for where it was made."""
    faults = Faults()
    world = harness("a,b", faults)
    faults.disturb = lambda path, lines: (
        [] if path == "/api/v1/namespaces/b/services" else lines
    )
    create(world, "b")
    world.run_until(lambda: phases(world)["b"] == "Succeeded", limit=300)
    assert world.operator.store.lists("Service", "b") > 1
    assert world.operator.store.lists("Service", "a") == 1


@pytest.mark.parametrize("namespace", ["", "a,b"])
def test_nothing_is_kept_of_jobs_that_are_gone(namespace: str) -> None:
    """Memory is bounded by what is there, not by what ever was."""
    world = harness(namespace)
    for number in range(12):
        create(world, "a", f"pi-{number}")
    world.run_until(lambda: set(phases(world).values()) == {"Succeeded"}, limit=300)
    for job in world.client.list(MPIJOBS)["items"]:
        world.client.delete(MPIJOBS, job)
    world.advance(1500)
    assert world.client.list(PODS)["items"] == []
    operator = world.operator
    assert sum(operator.store.sizes().values()) == 0
    queue, controller = operator.queue, operator._controller
    kept: list[Sized] = [
        queue._ready,
        queue._in_hand,
        queue._dirty,
        queue._due,
        queue._failures,
        queue._rests_until,
        queue._heap,
        controller._uids,
        controller.lessons._kept,
        controller.freshness._awaited,
        operator.store._by_job,
        operator.store._keys,
    ]
    assert [len(one) for one in kept] == [0] * len(kept)
