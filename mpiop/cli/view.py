"""Two ways to show a running job: live on a terminal, plain lines elsewhere."""

import time
from collections import Counter
from typing import IO, Protocol, Self

import click
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from mpiop.cli.story import Story
from mpiop.reconcile.reading import text
from mpiop.reconcile.views import PodView

_MOST_PODS = 20
_PER_SECOND = 8


class View(Protocol):
    """Shows a job to a person; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def say(self, line: str, at: float | None = None) -> None:
        """Print a line of ours, with the seconds since the job was created."""

    def log(self, line: str) -> None:
        """Print a line of the launcher's log as it is."""

    def show(self, story: Story) -> None:
        """Bring what is shown up to date."""


class Plain:
    """Lines, one after the other."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def __enter__(self) -> Self:
        """Nothing to prepare."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to end."""

    def say(self, line: str, at: float | None = None) -> None:
        """Print a line."""
        self.log(f"{_stamp(at)}{line}")

    def log(self, line: str) -> None:
        """Print a line at once."""
        click.echo(line, file=self._out)

    def show(self, story: Story) -> None:
        """Lines have said it all."""


class Terminal:
    """The log scrolls above a table of phase and Pods."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(
            console=console, refresh_per_second=_PER_SECOND, transient=True
        )

    def __enter__(self) -> Self:
        """Take over the terminal's bottom."""
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back, with the table gone."""
        self._live.stop()

    def say(self, line: str, at: float | None = None) -> None:
        """Print a line above the table."""
        style = "yellow" if line.startswith("warning:") else "dim"
        self._print(Text(f"{_stamp(at)}{line}", style=style))

    def log(self, line: str) -> None:
        """Print a line of the log above the table."""
        self._print(Text.from_ansi(line))

    def _print(self, line: Text) -> None:
        self._console.print(line, soft_wrap=True)  # the terminal breaks long lines

    def show(self, story: Story) -> None:
        """Draw the table anew."""
        self._live.update(_drawn(story))


def _stamp(at: float | None) -> str:
    return "" if at is None else f"[{at:8.3f}] "


def _drawn(story: Story) -> Group:
    workers = text(story.manifest, "status", "workers")
    since = time.monotonic() - story.begin
    head = Text.assemble(
        (story.job.name, "bold"),
        "  ",
        (story.phase or "...", "cyan"),
        f"  workers {workers}" if workers else "",
        f"  {since:.1f} s",
    )
    pods = sorted(story.pods.values(), key=lambda pod: (pod.role, pod.index))
    if len(pods) > _MOST_PODS:
        counts = Counter(state(pod) for pod in pods)
        summary = ", ".join(f"{count} {what}" for what, count in counts.items())
        return Group(head, Text(f"{len(pods)} Pods: {summary}"))
    table = Table.grid(padding=(0, 2))
    for pod in pods:
        table.add_row(f"  {pod.name}", state(pod))
    return Group(head, table)


def state(pod: PodView) -> str:
    """Say in a word or two how a Pod is."""
    if pod.deleted is not None:
        return "Terminating"
    if pod.waiting:
        return pod.waiting
    if pod.phase == "Running":
        return "Ready" if pod.ready else "Running, not ready"
    if pod.ended is not None and pod.ended.exit_code:
        return f"{pod.phase} ({pod.ended.exit_code})"
    return pod.phase
