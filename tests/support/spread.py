"""How `make check` spreads the tests over processes (pytest-xdist).

Much of what the tests do is waiting for clusters, so that a process more than there
are cores ends sooner. Files stay whole, since the fixtures of a module are made once.
"""

from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Files and folders that go to one process each, those that take minutes first: what
# is begun last should be short.
LONGEST: Final = (
    "tests/e2e/node/",
    "tests/property/test_histories.py",
    "tests/e2e/test_real_server.py",
    "tests/e2e/",
    "tests/local/test_job_history.py",
    "tests/property/",
    "tests/contract/",
)
TOGETHER: Final = "tests/e2e/node/"  # one node for all of them


def longest_first(items: list[pytest.Item]) -> None:
    """Sort what was collected so that long files are begun first."""
    items.sort(key=lambda item: _rank(item.nodeid))


def _rank(nodeid: str) -> int:
    ranks = (rank for rank, head in enumerate(LONGEST) if nodeid.startswith(head))
    return next(ranks, len(LONGEST))


class ByFile(LoadScopeScheduling):  # type: ignore[misc] # it publishes no types
    """Hands out whole files, and the tests of the node as one."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # by number of tests; ours is by time

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return TOGETHER if file.startswith(TOGETHER) else file
