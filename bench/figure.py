"""One measured figure, the target beside it, and how both are shown."""

import gc
import statistics
import time
from collections.abc import Callable, Sequence

import attrs
from rich import box
from rich.table import Table

MET = {True: "met", False: "MISSED", None: ""}


@attrs.frozen
class Figure:
    """A quantity that was measured several times.

    Attributes:
        target: the median must stay under it, or be at most it where `exact` is set.
        exact: a count, not a time: every repeat must keep to the target.
    """

    what: str
    unit: str
    values: tuple[float, ...]
    target: float | None = None
    exact: bool = False

    @property
    def median(self) -> float:
        """The value in the middle."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.target is None:
            return None
        return (
            max(self.values) <= self.target
            if self.exact
            else (self.median < self.target)
        )

    def row(self) -> tuple[str, ...]:
        """The cells of the table."""
        sign = "<=" if self.exact else "<"
        target = "" if self.target is None else f"{sign} {self.target:,g}"
        return (
            self.what,
            shown(min(self.values)),
            shown(self.median),
            self.unit,
            target,
            MET[self.met],
        )

    def as_json(self) -> dict[str, object]:
        """All of it, for machines."""
        return {
            "what": self.what,
            "unit": self.unit,
            "min": min(self.values),
            "median": self.median,
            "values": list(self.values),
            "target": self.target,
            "met": self.met,
        }


def shown(value: float) -> str:
    """Print three digits that count."""
    if value >= 100 or value == int(value):  # noqa: PLR2004 - three digits
        return f"{value:,.0f}"
    return f"{value:.3g}"


def table(figures: Sequence[Figure]) -> Table:
    """Lay the figures out."""
    found = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("what", "min", "median", "unit", "target", ""):
        found.add_column(name, justify="left" if name in {"what", "unit"} else "right")
    for figure in figures:
        found.add_row(*figure.row())
    return found


def cpu(
    work: Callable[[], object],
    repeats: int,
    times: int = 1,
    before: Callable[[], object] = lambda: None,
) -> list[float]:
    """Measure CPU seconds of this thread for one call of `work`, `repeats` times.

    What `before` does ahead of each repeat is not counted.

    CPU and not wall time: what other processes do on the machine is no cost of ours.
    The garbage collector stays on, as in production, but starts each repeat clean.
    """
    found = []
    for _ in range(repeats):
        before()
        gc.collect()
        begin = time.thread_time()
        for _ in range(times):
            work()
        found.append((time.thread_time() - begin) / times)
    return found


def scaled(seconds: Sequence[float], factor: float) -> tuple[float, ...]:
    """Turn seconds into another unit."""
    return tuple(value * factor for value in seconds)
