"""Open MPI 5 loses a worker, again and again: its exit code may be 0, and never counts.

Which of its ends mpirun sees first is a race; so workers are lost at many moments.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.manifests import MOMENT, job
from tests.support.whole import World

pytestmark = [pytest.mark.needs("namespaces"), pytest.mark.slow]
TIMES = 10
SIDE_BY_SIDE = 5
RANKS = f"""
exec mpirun -np 2 /bin/sh -c "[ $ATTEMPT -gt 0 ] || sleep 60; {MOMENT}"
"""


def lose(world: World, shell: str, number: int) -> tuple[int, str]:
    """Lose a worker of a running attempt; give restarts and result of its job."""
    name = f"often-{shell.lower()}-{number}"
    one = world.submit(job(name, RANKS, shell=shell, policy={"backoffLimit": 1}))
    one.until_phase("LauncherRunning")
    time.sleep(0.15 * number)
    one.kill(f"{name}-worker-{number % 2}")
    status = one.until(lambda status: status.get("result") or status.get("restarts"))
    first = (status.get("restarts", 0), status.get("result", ""))
    assert first == (1, ""), status
    status = one.until_phase("Cleaned")
    return status["restarts"], status["result"]


@pytest.mark.timeout(900)  # on a busy machine of two cores; else a minute
@pytest.mark.parametrize(
    "shell", ["KubectlExec", pytest.param("SSH", marks=pytest.mark.needs("sshd"))]
)
def test_no_attempt_that_lost_a_worker_succeeds(shell: str) -> None:
    """Ten times: never Succeeded by that attempt, always by the next."""
    with World() as world, ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        ends = pool.map(lambda number: lose(world, shell, number), range(TIMES))
        assert list(ends) == [(1, "Succeeded")] * TIMES
