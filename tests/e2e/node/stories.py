"""Stories played side by side on one stage, and what is told of each."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from tests.e2e.node.install import Site
from tests.e2e.node.stage import Played, Stage, stage
from tests.support.cluster import Cluster
from tests.support.told import TOLD

Story = Callable[[Stage], Played]
Playing = dict[str, "Future[Played]"]
Record = Callable[[str, object], None]


@contextmanager
def playing(
    site: Site, cluster: Cluster, stories: Sequence[Story], side_by_side: int
) -> Iterator[Playing]:
    """Play stories on a stage of theirs, each until nothing of its job is left.

    Args:
        site: that the stage is on.
        cluster: of the site, with an operator.
        stories: each gives the job that it is about.
        side_by_side: how many at once.
    """
    with stage(site, cluster) as here, ThreadPoolExecutor(side_by_side) as threads:

        def play(story: Story) -> Played:
            played = story(here)
            if played.stage is here:  # else its namespace has gone with it
                played.removed()
            return played

        yield {story.__name__: threads.submit(play, story) for story in stories}


def tell(record_property: Record, story: str, played: Played) -> None:
    """Keep what a user saw of a job, for the session's end."""
    record_property(TOLD, f"{story}: {played.figure}\n{played.story()}")
