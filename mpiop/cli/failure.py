"""What ends a command early: what is wrong, in words for its user."""

from collections.abc import Sequence
from typing import IO, Any, Final

import click

USAGE: Final = 2  # exit codes
TIMED_OUT: Final = 124
SIGNALLED: Final = 128


class BadInput(click.ClickException):
    """The command cannot be carried out as given: one line each, then exit 2."""

    exit_code = USAGE

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the lines, plainly."""
        click.echo(self.message, file=file, err=file is None)


def bad_fields(errors: Sequence[object]) -> BadInput:
    """Tell of each field what is wrong with it."""
    return BadInput(*(str(error) for error in errors))
