"""How `make check` spreads the tests over processes (pytest-xdist).

Files stay whole, since the fixtures of a module are made once, and files that use the
same cluster stay together. What waits for clusters runs beside what computes, and what
computes is left for the end, so that no core idles; what takes minutes is begun first.
"""

import os
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, Final, cast

import attrs
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

NODE: Final = "tests/e2e/node/"
# The files of a line share a cluster: to start one takes six seconds of a core, and
# while it stands, a twentieth of a core.
TOGETHER: Final = (
    (f"{NODE}*",),
    (
        "tests/e2e/test_install*",
        "tests/e2e/test_real_manifests.py",
        "tests/e2e/test_seed.py",
        "tests/e2e/test_upgrade.py",
    ),
    ("tests/e2e/test_real_server.py",),  # it stops its own
    ("tests/e2e/test_real_[a-n]*",),
    (
        "tests/e2e/test_real_[o-z]*",
        "tests/e2e/test_requests.py",
        "tests/e2e/test_take_over.py",
        "tests/contract/*",
    ),
)
CLUSTERS: Final = {"control_plane": 2, "bare_cluster": 1}  # processes that start one
WAITING: Final = "tests/e2e/"
# So many processes compute from the beginning; the others wait, about two for a core.
COMPUTING: Final = max(1, len(os.sched_getaffinity(0)) // 2)
# Of either kind, those that take minutes; what is begun last should be short.
LONGEST: Final = (
    *(together[0] for together in TOGETHER),
    "tests/property/test_histories.py",
    "tests/local/test_job_history.py",
    "tests/property/",
    "tests/k8s/",
    "tests/e2e/test_lifecycle.py",
    "tests/e2e/test_gang.py",
    "tests/e2e/test_samples.py",
    "tests/e2e/test_clocks.py",
    "tests/e2e/test_worker_loss",
    "tests/e2e/test_kueue.py",
    "tests/e2e/test_cli.py",
)


def longest_first(items: list[pytest.Item]) -> None:
    """Sort what was collected so that long files are begun first.

    Raises:
        pytest.UsageError: more processes than need be would start a cluster.
    """
    for cluster, most in CLUSTERS.items():
        users = [one for one in items if cluster in getattr(one, "fixturenames", ())]
        if len(found := {scope(one.nodeid) for one in users}) > most:
            raise pytest.UsageError(
                f"{cluster} is used by {sorted(found)}: name in TOGETHER of "
                "tests/support/spread.py which of them go together"
            )
    items.sort(key=lambda item: _rank(scope(item.nodeid)))


def scope(nodeid: str) -> str:
    """Name what is handed to one process as a whole: a file, or several."""
    file = nodeid.partition("::")[0]
    for together in TOGETHER:
        if any(fnmatchcase(file, one) for one in together):
            return together[0]
    return file


@attrs.define(eq=False)
class ClustersEnd:
    """Ends the clusters of a session with the files that share them, which is sooner.

    A plugin: of the fixtures of a session, the hooks of tests/conftest.py are not told.
    """

    _standing: list[Callable[[], None]] = attrs.field(factory=list)

    def pytest_fixture_setup(
        self, fixturedef: "pytest.FixtureDef[Any]", request: pytest.FixtureRequest
    ) -> None:
        """Note that a cluster is started."""
        if fixturedef.argname in CLUSTERS:
            end = partial(fixturedef.finish, cast("Any", request))
            self._standing.append(end)

    @pytest.hookimpl(trylast=True)  # after the fixtures that use them
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> None:
        """End the clusters that no test that follows here wants."""
        if nextitem is None or scope(nextitem.nodeid) == scope(item.nodeid):
            return
        while self._standing:
            self._standing.pop()()


def next_unit(queue: Iterable[str], *, waiting: bool) -> str:
    """Name what to begin next: of the kind asked for, while there is any."""
    own = (one for one in queue if one.startswith(WAITING) is waiting)
    return next(own, None) or next(iter(queue))


def _rank(name: str) -> int:
    ranks = (rank for rank, head in enumerate(LONGEST) if name.startswith(head))
    return next(ranks, len(LONGEST))


class ByFile(LoadScopeScheduling):  # type: ignore[misc] # it publishes no types
    """Hands out whole files, and some of them as one."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # by number of tests; ours is by time

    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid)

    def _assign_work_unit(self, node: WorkerController) -> None:
        waiting = self.nodes.index(node) >= COMPUTING
        chosen = next_unit(self.workqueue, waiting=waiting)
        self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)
