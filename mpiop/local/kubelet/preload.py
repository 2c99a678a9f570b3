"""The library that makes a Pod out of processes, built where it is used: see pod.c."""

import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("pod.c")


def library(spare: Path) -> Path | None:
    """Return the library, built once and kept in the cache; None without a compiler.

    Args:
        spare: a folder to build it in where there is no cache.
    """
    for folder in (_cache(), spare):
        with contextlib.suppress(OSError):  # a home that is not there, or not ours
            folder.mkdir(parents=True, exist_ok=True)
            place = folder / _name()
            return place if place.exists() else _build(place)
    return None


def possible() -> bool:
    """Tell whether the library is at hand, or can be built."""
    with contextlib.suppress(OSError):
        if (_cache() / _name()).exists():
            return True
    return bool(_compilers())


def _name() -> str:
    digest = hashlib.sha256(SOURCE.read_bytes() + os.uname().machine.encode())
    return f"pod-{digest.hexdigest()[:16]}.so"


def _build(place: Path) -> Path | None:
    for compiler in _compilers():
        with tempfile.TemporaryDirectory(dir=place.parent) as folder:
            made = Path(folder) / "pod.so"
            options = ["-shared", "-fPIC", "-O2", "-o", str(made), str(SOURCE), "-ldl"]
            done = subprocess.run(
                [*compiler, *options], capture_output=True, check=False
            )
            if done.returncode == 0:
                made.rename(place)
                return place
    return None


def _compilers() -> list[list[str]]:
    found = [[name] for name in ("cc", "gcc", "clang") if shutil.which(name)]
    if importlib.util.find_spec("ziglang") is not None:
        found.append([sys.executable, "-m", "ziglang", "cc"])
    return found


def _cache() -> Path:
    configured = os.environ.get("XDG_CACHE_HOME")
    return Path(configured or Path.home() / ".cache") / "mpiop"
