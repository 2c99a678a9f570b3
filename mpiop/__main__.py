"""The composition root: `python -m mpiop` and the `mpiop` command."""

import gc
import signal
from types import FrameType


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    """Run the command line; Ctrl-C before there is anything to clear up ends it.

    What lives longer than its imports calls `mpiop.cli.operating.imported`.
    """
    signal.signal(signal.SIGINT, _end)
    gc.disable()  # until what is needed has been imported
    from mpiop.cli.main import cli

    cli()


if __name__ == "__main__":
    main()
