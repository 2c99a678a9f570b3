"""A Debian file system in a folder, by debootstrap: no builder, no image registry."""

import compileall
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Final

SUITE: Final = "bookworm"
# A client's classes of every API, which nothing here ever imports.
_NEVER_IMPORTED: Final = re.compile("/kubernetes/client/(api|models)/")


def debian(root: Path, packages: Sequence[str]) -> None:
    """Make a minimal Debian with these packages.

    Raises:
        FileNotFoundError: debootstrap is not installed.
        CalledProcessError: it failed; its log is in the folder.
    """
    if shutil.which("debootstrap") is None:
        raise FileNotFoundError("debootstrap: apt-get install debootstrap")
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(packages)}"]
    with root.with_suffix(".log").open("wb") as log:
        subprocess.run(
            [*command, SUITE, str(root), mirror()], check=True, stdout=log, stderr=log
        )


def mirror(suite: str = SUITE) -> str:
    """Give the mirror that this machine's own apt uses for a suite."""
    told = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(CODENAME) $(SITE)/ $(REPO_URI)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for line in told.splitlines():
        codename, _, uri = line.split(" ", 2)
        if codename == suite:
            return uri
    raise LookupError(f"apt knows no mirror of {suite}: add one to its sources")


def install(requirements: Path, target: Path, *, whole: bool = False) -> None:
    """Install pinned packages into a folder, for the Python of the suite (3.11).

    Args:
        requirements: with hashes.
        target: the folder that Python is to find them in.
        whole: the folder is a prefix: programs and data come along, in bin/ and lib/.
    """
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    pip += ["--require-hashes", "--no-compile", "--no-warn-script-location"]
    if whole:
        pip += ["--ignore-installed", f"--prefix={target}"]
    else:
        pip += [f"--target={target}", "--python-version=3.11", "--only-binary=:all:"]
    subprocess.run([*pip, "-r", str(requirements)], check=True)


def compiled(root: Path, folder: str) -> None:
    """Compile what Python is to import, since on a read-only root it cannot.

    A start would otherwise compile everything anew, in seconds and megabytes that stay.
    What another version than the suite's compiles is ignored there, and does no harm.

    Args:
        root: of the file system.
        folder: in it, without a slash before.
    """
    compileall.compile_dir(
        root / folder,
        quiet=1,
        rx=_NEVER_IMPORTED,
        stripdir=root,
        prependdir="/",
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
    )
