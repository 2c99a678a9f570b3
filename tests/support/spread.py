"""How `make check` spreads the tests over processes (pytest-xdist).

Files stay whole, since the fixtures of a module are made once. Those that wait for
clusters are begun beside those that compute, so that no core idles, and what takes
minutes is begun first.
"""

from collections.abc import Iterator
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

NODE: Final = "tests/e2e/node/"
TOGETHER: Final = (NODE, "tests/contract/")  # one node, one real server for all
WAITING: Final = "tests/e2e/"
SIDE_BY_SIDE: Final = 2  # files that wait, for each that computes
# Of either kind, those that take minutes; what is begun last should be short.
LONGEST: Final = (
    NODE,
    "tests/e2e/test_real_server.py",
    "tests/property/test_histories.py",
    "tests/local/test_job_history.py",
    "tests/property/",
    "tests/contract/",
    "tests/k8s/",
)


def longest_first(items: list[pytest.Item]) -> None:
    """Sort what was collected so that long files are begun first."""
    scopes = dict.fromkeys(scope(item.nodeid) for item in items)
    order = {one: place for place, one in enumerate(_woven(sorted(scopes, key=_rank)))}
    items.sort(key=lambda item: order[scope(item.nodeid)])


def scope(nodeid: str) -> str:
    """Name what is handed to one process as a whole: a file, or a folder."""
    file = nodeid.partition("::")[0]
    return next((one for one in TOGETHER if file.startswith(one)), file)


def _woven(scopes: list[str]) -> Iterator[str]:
    """Begin some that wait, then one that computes, and so on; each in its order."""
    computing = [one for one in scopes if not one.startswith(WAITING)]
    waiting = [one for one in scopes if one.startswith(WAITING)]
    while waiting or computing:
        yield from waiting[:SIDE_BY_SIDE]
        yield from computing[:1]
        del waiting[:SIDE_BY_SIDE], computing[:1]


def _rank(name: str) -> int:
    ranks = (rank for rank, head in enumerate(LONGEST) if name.startswith(head))
    return next(ranks, len(LONGEST))


class ByFile(LoadScopeScheduling):  # type: ignore[misc] # it publishes no types
    """Hands out whole files, and some folders as one."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # by number of tests; ours is by time

    def _split_scope(self, nodeid: str) -> str:
        return scope(nodeid)
