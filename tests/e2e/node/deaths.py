"""How soon a worker's death stands in the status: many deaths, one distribution.

`python -m tests.e2e.node deaths` brings a node up, measures and prints.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from tests.e2e.node.node import Node
from tests.e2e.node.stage import Played, Stage, stage
from tests.support.cluster import Cluster

RUNS: Final = 20
SIDE_BY_SIDE: Final = 3


def measure(node: Node, cluster: Cluster, runs: int = RUNS) -> str:
    """Kill a worker of each of so many jobs; say how soon that was told."""
    with stage(node, cluster) as here, ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        played = list(pool.map(lambda run: die(here, run), range(runs)))
        from_pod = [one.named("SIGKILL") - one.changed(one.worker(1)) for one in played]
        from_kill = [one.named("SIGKILL") for one in played]
    return "\n".join(
        [
            f"a worker's death in the status, {runs} runs, in seconds",
            _row("after its Pod showed it", from_pod),
            _row("after the kill", from_kill),
        ]
    )


def die(here: Stage, run: int) -> Played:
    """Kill a worker of a job, and see the job fail by that."""
    one = here.play(f"dies-{run}", shell=("SSH", "KubectlExec")[run % 2])
    one.until_ranks()
    one.kill(one.worker(1))
    status = one.ends()
    assert (status["result"], status["reason"]) == ("Failed", "WorkerLost"), one.story()
    one.removed()
    return one


def _row(what: str, values: Sequence[float]) -> str:
    found = sorted(values)
    rank = min(len(found) - 1, round(0.99 * len(found)))
    median = found[len(found) // 2]
    every = " ".join(f"{value:.2f}" for value in found)
    return f"  {what}: median {median:.2f}, p99 {found[rank]:.2f} ({every})"
