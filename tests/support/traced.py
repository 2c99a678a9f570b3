"""Which tests coverage is measured by: those that state single cases.

Tracing makes what runs in a test's own process two to four times as slow (histories:
5.3 s of CPU become 15.6). So whole histories, generated cases and tests of whole
clusters run without: that a line was run on the way is not to say that a test would
miss it.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Final

import pytest
from pytest_cov.engine import CovController

CASES: Final = ("tests/states/", "tests/reconcile/", "tests/k8s/", "tests/cli/")
# Among these, whole lives of jobs.
LIVES: Final = ("tests/k8s/test_lives.py", "tests/k8s/test_faults.py")
FIRST: Final = "gw0"  # the process of pytest-xdist that traces imports


@contextmanager
def traced_as_meant(item: pytest.Item) -> Iterator[None]:
    """Pause coverage around a test and its fixtures, unless it counts."""
    with nullcontext() if _states_a_case(item) else _paused(item.config):
        yield


def _states_a_case(item: pytest.Item) -> bool:
    generated = getattr(getattr(item, "function", None), "is_hypothesis_test", False)
    whole = generated or item.nodeid.startswith(LIVES)
    return item.nodeid.startswith(CASES) and not whole


@contextmanager
def imports_traced_once(config: pytest.Config) -> Iterator[None]:
    """Pause coverage while tests are collected, but for one process of the session.

    Each of them imports the same modules, and what they measure is added up.
    """
    own = getattr(config, "workerinput", {}).get("workerid", FIRST)
    with _paused(config) if own != FIRST else nullcontext():
        yield


def one_tracer(config: pytest.Config) -> None:
    """Stop what pytest-cov begins in a process of pytest-xdist before its session.

    It begins again with the session, and the first would go on whenever the second is
    paused (pytest-cov 7.1).
    """
    controller = _controller(config)
    if controller is not None and hasattr(config, "workerinput"):
        controller.pause()


@contextmanager
def _paused(config: pytest.Config) -> Iterator[None]:
    controller = _controller(config)
    if controller is None:
        yield
        return
    controller.pause()
    try:
        yield
    finally:
        controller.resume()


def _controller(config: pytest.Config) -> CovController | None:
    plugin = config.pluginmanager.getplugin("_cov")
    return getattr(plugin, "cov_controller", None)
