"""The composition root: `python -m mpiop` and the `mpiop` command."""

import signal
from types import FrameType


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    """Run the command line; Ctrl-C before there is anything to clear up ends it."""
    signal.signal(signal.SIGINT, _end)
    from mpiop.cli.main import cli

    cli()


if __name__ == "__main__":
    main()
