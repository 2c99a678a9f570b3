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
BAR_SECONDS: Final = 5.0


def show(node: Node, cluster: Cluster, runs: int = RUNS) -> bool:
    """Kill a worker of each of so many jobs; print how soon that was told.

    Returns:
        Whether it was soon enough: at the 99th percentile after the Pod showed it.
    """
    with stage(node, cluster) as here, ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        played = list(pool.map(lambda run: die(here, run), range(runs)))
        from_pod = [one.named("SIGKILL") - one.changed(one.worker(1)) for one in played]
        from_kill = [one.named("SIGKILL") for one in played]
    print(f"a worker's death in the status, {runs} runs, in seconds")
    print(_row(f"after its Pod showed it (bar {BAR_SECONDS:g} s)", from_pod))
    print(_row("after the kill", from_kill))
    return _late(from_pod) < BAR_SECONDS


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
    median = found[len(found) // 2]
    every = " ".join(f"{value:.2f}" for value in found)
    return f"  {what}: median {median:.2f}, p99 {_late(values):.2f} ({every})"


def _late(values: Sequence[float]) -> float:
    """Give the 99th percentile."""
    return sorted(values)[min(len(values) - 1, round(0.99 * len(values)))]
