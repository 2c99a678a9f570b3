"""`python -m bench [--json FILE]`: the figures of this machine beside the targets."""

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import Console

from bench import core, memory, server, shell
from bench.figure import Figure, table

PARTS: tuple[Callable[[], Iterator[Figure]], ...] = (
    core.figures,
    shell.figures,
    memory.figures,
    server.figures,
)


@click.command()
@click.option("--json", "target", type=click.Path(path_type=Path), help="write to FILE")
def main(target: Path | None) -> None:
    """Measure, print, and exit 1 where a target is missed."""
    begin = time.monotonic()
    found: list[Figure] = []
    for part in PARTS:
        for figure in part():
            found.append(figure)
            print(f"  {figure.what} ...", file=sys.stderr)
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    machine += f", Python {platform.python_version()}"
    Console(width=96).print(table(found))
    print(f"{machine}; measured in {time.monotonic() - begin:.0f} s")
    if target is not None:
        whole = {"machine": machine, "figures": [one.as_json() for one in found]}
        target.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    sys.exit(int(any(figure.met is False for figure in found)))


if __name__ == "__main__":
    main()
