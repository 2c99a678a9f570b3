"""The thread that drives the controllers ends whenever it is told to."""

from collections.abc import Callable
from typing import Any, cast

from mpiop.local.cluster import _Loop
from mpiop.local.controllers import Controllers


class Still:
    """Controllers that have nothing to do."""

    def on_ready(self, news: Callable[[], None]) -> None:
        self.news = news

    def step(self) -> float:
        return 1000.0


def test_end_at_the_moment_of_news() -> None:
    """News that come with the order to end do not swallow it."""
    still = Still()
    loop: Any = _Loop(cast("Controllers", still))
    loop.call(lambda: None)  # it waits for news now

    def both() -> None:
        still.news()
        loop._driving.cancel()

    loop._loop.call_soon_threadsafe(both)
    loop._thread.join(10)
    alive = loop._thread.is_alive()
    if alive:
        loop.stop()
    assert not alive
