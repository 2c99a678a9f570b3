"""Paths of a container, looked up in the layers that make its file system."""

import os
import posixpath
from collections.abc import Sequence
from pathlib import Path
from typing import Final

_MOST_LINKS: Final = 40


def resolve(path: str, layers: Sequence[Path]) -> str:
    """Follow a container path's symbolic links, as the container will see them.

    Args:
        path: absolute path in the container; it need not exist.
        layers: folders laid over one another, the uppermost first.

    Raises:
        OSError: more links than the kernel would follow.
    """
    todo = [part for part in path.split("/") if part not in {"", "."}]
    done = "/"
    links = 0
    while todo:
        part = todo.pop(0)
        if part == "..":
            done = posixpath.dirname(done)
            continue
        here = posixpath.join(done, part)
        link = _link(here, layers)
        if link is None:
            done = here
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(f"too many symbolic links in {path}")
        todo[:0] = [item for item in link.split("/") if item not in {"", "."}]
        if link.startswith("/"):
            done = "/"
    return done


def below(layer: Path, path: str) -> Path:
    """Say where a container path lies in a layer."""
    return layer / path.lstrip("/")


def _link(path: str, layers: Sequence[Path]) -> str | None:
    for layer in layers:
        there = below(layer, path)
        # Unlike pathlib's questions these take what is forbidden for absent.
        if os.path.islink(there):  # noqa: PTH114
            return str(there.readlink())
        if os.path.lexists(there):
            return None
    return None
