"""What deciding costs: the machine alone, and a plan that changes nothing."""

import statistics
from collections.abc import Iterator
from itertools import product

from bench.figure import Figure, cpu, scaled
from mpiop.reconcile.plan import plan
from mpiop.reconcile.snapshot import Snapshot
from mpiop.states import Phase, advance, every_observation
from tests.reconcile import build

PLAN_TARGETS_MS = {100: None, 1_000: 20.0, 10_000: 200.0}
ADVANCE_TARGET_US = 50.0
# Linear: per worker, ten times the workers cost at most twice; square would be tenfold.
RATIO_TARGET = 2.0


def figures() -> Iterator[Figure]:
    """Measure both."""
    yield advancing()
    yield from planning()


def advancing() -> Figure:
    """Measure `advance` over every pair of phase and observation."""
    pairs = tuple(product(Phase, every_observation()))

    def all_pairs() -> None:
        for phase, seen in pairs:
            advance(phase, seen)

    all_pairs()
    per_pair = scaled(cpu(all_pairs, repeats=3), 1e6 / len(pairs))
    return Figure(
        "advance, mean over all pairs", "us", per_pair, target=ADVANCE_TARGET_US
    )


def settled(workers: int) -> Snapshot:
    """Give a running job for which there is nothing to do.

    Raises:
        RuntimeError: there is always something to do: what follows measures nothing.
    """
    children = [
        *build.base(workers),
        *(build.worker(index) for index in range(workers)),
        build.launcher_job(),
        build.launcher_pod(),
    ]
    job = build.mpijob(workers)
    for _ in range(3):
        seen = build.snapshot(job, *children)
        actions = build.step(seen)
        if not actions:
            return seen
        job = build.after(job, actions)
    raise RuntimeError(f"the plan does not come to rest: {actions[:3]}")


def planning() -> Iterator[Figure]:
    """Measure a plan that changes nothing, for jobs of three sizes."""
    each: dict[int, float] = {}
    for workers, target in PLAN_TARGETS_MS.items():
        seen = settled(workers)
        plan(seen, build.NOW)
        spent = cpu(lambda seen=seen: plan(seen, build.NOW), repeats=5)  # type: ignore[misc] # bound now
        each[workers] = statistics.median(spent) / workers
        what = f"plan that changes nothing, {workers:,} workers"
        yield Figure(what, "ms", scaled(spent, 1e3), target)
    yield Figure(
        "the same per worker, 10,000 against 1,000",
        "ratio",
        (each[10_000] / each[1_000],),
        RATIO_TARGET,
    )
