"""Run a Python command as user nobody, from root: SCRIPT [SCRIPT2] -m MODULE ARGS.

The interpreter and its environment may lie below a folder that only root may enter,
its home for one. In a mount namespace of the command's own such a folder is hidden
behind an empty one, in which nothing is seen but what Python needs.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mpiop.local.kubelet import namespaces as ns

NOBODY: Final = 65534
ROOT: Final = Path(__file__).parents[2]
_OTHERS_MAY_ENTER: Final = 0o001


def needed() -> list[Path]:
    """List the folders without which the command cannot start."""
    found = (Path(place).resolve() for place in (sys.base_prefix, sys.prefix, ROOT))
    return list(dict.fromkeys(found))


def private(folders: list[Path]) -> list[Path]:
    """List the outermost folders on the way that others may not enter."""
    found = (_first_private(folder) for folder in folders)
    return list(dict.fromkeys(folder for folder in found if folder))


def _first_private(folder: Path) -> Path | None:
    way: Iterator[Path] = reversed([folder, *folder.parents])
    return next(
        (one for one in way if not one.stat().st_mode & _OTHERS_MAY_ENTER), None
    )


def open_the_way() -> None:
    """Let others reach what is needed, and nothing else that was closed to them."""
    folders = needed()
    hidden = private(folders)
    if not hidden:
        return
    ns.unshare(ns.NEW_NS)
    ns.make_private()
    folders = [one for one in folders if any(one.is_relative_to(h) for h in hidden)]
    aside = Path(tempfile.mkdtemp(prefix="as-nobody-"))
    ns.mount("tmpfs", aside, "tmpfs", data="mode=755")
    for number, folder in enumerate(folders):
        place = aside / str(number)
        place.mkdir()
        ns.bind(folder, place)
    for folder in hidden:
        ns.mount("tmpfs", folder, "tmpfs", data="mode=755")
    for number, folder in enumerate(folders):
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
        ns.bind(aside / str(number), folder)
    ns.unmount(aside)
    aside.rmdir()


if __name__ == "__main__":
    os.umask(0o022)
    open_the_way()
    os.chdir(ROOT)
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    # Nobody has no home: what is kept between runs elsewhere is made anew.
    environment = {**os.environ, "HOME": "/nonexistent", "USER": "nobody"}
    os.execve(sys.executable, [sys.executable, *sys.argv[1:]], environment)
