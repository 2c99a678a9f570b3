"""Files, and parts of pages, that are made from something else."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import attrs

from mpiop.cli import flags
from mpiop.states import diagram
from tests.compatibility import page as compatibility
from tests.deploy import page as deploy
from tests.mutants import readme
from tests.support.deployed import ONE_FILE

END: Final = "<!-- end of the generated part -->"


@attrs.frozen
class Generated:
    """One file and what makes it.

    Attributes:
        make: gives the text.
        source: what it is made from, where it is a part of a page and the rest is
            prose; else all of the file is made.
    """

    path: Path
    make: Callable[[], str]
    source: str = ""

    @property
    def begin(self) -> str:
        """The line after which the page is made."""
        return f"<!-- generated from {self.source} by `make docs` -->"

    def stale(self) -> bool:
        """Whether writing would change the file."""
        return self._read() != self._made()

    def write(self) -> None:
        """Make it anew."""
        self.path.write_text(self._made(), encoding="utf-8")

    def _read(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def _made(self) -> str:
        """Give the file as it should be.

        Raises:
            ValueError: the page lacks a marker.
        """
        if not self.source:
            return self.make()
        head, begin, rest = self._read().partition(self.begin)
        _, end, tail = rest.partition(END)
        if not begin or not end:
            raise ValueError(f"{self.path} needs the lines {self.begin!r} and {END!r}")
        return f"{head}{begin}\n\n{self.make()}\n\n{end}{tail}"


FILES: Final = (
    Generated(Path("docs/states.md"), diagram.render, "mpiop/states"),
    Generated(Path("docs/operations.md"), flags.table, "mpiop/k8s/settings.py"),
    Generated(Path("docs/compatibility.md"), compatibility.render, "the tests"),
    Generated(Path("docs/install.md"), deploy.table, "the roles in deploy/"),
    Generated(ONE_FILE, deploy.one_file),
    Generated(Path("tests/property/README.md"), readme.page),
)
