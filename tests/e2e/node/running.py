"""Many cells, a few side by side: how each job ended, and what was printed."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from mpiop.local.client import Json
from tests.e2e.node import jobs
from tests.e2e.node.jobs import Cell
from tests.support.cluster import Cluster
from tests.support.manifests import RESTRICTED

SIDE_BY_SIDE: Final = 5
Ended = dict[str, tuple[Json, str]]


def run_all(
    cluster: Cluster,
    cells: Mapping[str, Cell],
    meanwhile: Callable[[str, str], None] = lambda _namespace, _name: None,
    side_by_side: int = SIDE_BY_SIDE,
) -> Ended:
    """Run cells to their ends, each under its name.

    Args:
        cluster: where.
        cells: what.
        meanwhile: is called with namespace and name of each job once it is created.
        side_by_side: how many at once.
    """
    with cluster.namespace() as usual, cluster.namespace(**RESTRICTED) as strict:

        def run(name: str) -> tuple[str, tuple[Json, str]]:
            namespace = strict if cells[name].restricted else usual
            jobs.create(cluster, namespace, cells[name].manifest(name))
            meanwhile(namespace, name)
            found = jobs.await_end(cluster, namespace, name)
            log = jobs.launcher_log(cluster, namespace, name)
            jobs.remove(cluster, found)
            return name, (found, log)

        with ThreadPoolExecutor(side_by_side) as pool:
            return dict(pool.map(run, cells))
