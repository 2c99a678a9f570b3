"""Controllers: the same story in the embedded cluster and in a real one."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from mpiop.local.client import NODES
from tests.contract import stories_of_owners  # noqa: F401 (it adds to STORIES)
from tests.contract.plain import difference
from tests.contract.stories import STORIES, Story
from tests.contract.worlds import embedded, real
from tests.fake_kubelet import FakeKubelet
from tests.support.cluster import Cluster
from tests.support.live import NODE, now

pytestmark = pytest.mark.needs("control-plane")
Told = dict[str, "Future[list[Any]]"]
OLD = 33  # seen there; 1.37 does as the embedded cluster does
KEEPS_START = "suspended_while_running"


def tell(story: Story, cluster: Cluster) -> list[Any]:
    with cluster.namespace() as namespace:
        return story(real(cluster, namespace))


@pytest.fixture(scope="module")
def told(control_plane: Cluster) -> Iterator[Told]:
    """All stories told at once on the real cluster, each in its namespace."""
    if control_plane.find(NODES, "", NODE) is None:
        FakeKubelet(control_plane.client, now, NODE).register("1000", "1000Gi")
    with ThreadPoolExecutor(8) as pool:
        yield {
            name: pool.submit(tell, story, control_plane)
            for name, story in STORIES.items()
        }


@pytest.mark.parametrize("name", STORIES)
def test_the_same_is_seen(control_plane: Cluster, name: str, told: Told) -> None:
    """Conditions, counts, names, labels, owners, finalizers, Events."""
    seen, real_seen = STORIES[name](embedded()), told[name].result()
    if name == KEEPS_START and control_plane.minor <= OLD:
        assert suspended_keeps_start(real_seen), "it is as in newer versions"
    assert seen == real_seen, difference(seen, real_seen)


def suspended_keeps_start(seen: object) -> bool:
    """Take startTime off Jobs that are suspended; say whether one had it.

    Newer versions do that themselves, and the operator expects either.
    """
    if isinstance(seen, list):
        return any(set(map(suspended_keeps_start, seen)))
    if not isinstance(seen, dict):
        return False
    if seen.get("kind") == "Job" and seen.get("spec", {}).get("suspend"):
        return seen["status"].pop("startTime", None) is not None
    return any(set(map(suspended_keeps_start, seen.values())))
