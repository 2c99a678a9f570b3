"""The exact version of each of Debian's packages in the image: packages.lock.

A release has exactly these. Debian's mirrors keep the newest version alone, so that a
lock grows old: the build then says what is gone, and by what command to lock anew.
"""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from deploy.image import bill, rootfs

LOCK: Final = Path(__file__).with_name("packages.lock")
REMEDY: Final = "`python -m deploy.image --lock` takes what the mirror has now"
SECURITY: Final = f"{rootfs.SUITE}-security"
_APT: Final = ("apt-get", "-qq", "-y", "--no-install-recommends")
_GONE: Final = re.compile(r"E: Version '(.+)' for '(.+)' was not found")
_UNKNOWN: Final = re.compile(r"E: Unable to locate package (\S+)")
Pins = Mapping[str, str]


@attrs.frozen
class OutdatedError(LookupError):
    """Packages of the lock cannot be had any more."""

    packages: Sequence[str]

    def __str__(self) -> str:
        """Say which, and what to do."""
        return f"packages.lock is out of date: {'; '.join(self.packages)}. {REMEDY}"


def read() -> dict[str, str]:
    """Read the lock: versions by name."""
    lines = LOCK.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines)


def write(root: Path) -> None:
    """Lock what is installed in a file system."""
    lines = (f"{name}={version}\n" for name, version in sorted(installed(root).items()))
    LOCK.write_text("".join(lines), encoding="utf-8")


def installed(root: Path) -> dict[str, str]:
    """Give what is installed in a file system: versions by name."""
    return {name: version for name, version, _ in bill.debian(root)}


def differences(root: Path, pins: Pins) -> Iterator[str]:
    """Say in what a file system differs from the lock."""
    found = installed(root)
    for name in sorted(found.keys() | pins.keys()):
        has, wanted = found.get(name), pins.get(name)
        if has != wanted:
            yield f"{name} is {has or 'missing'}, locked is {wanted or 'none'}"


def apply(root: Path, pins: Pins) -> None:
    """Install exactly these versions in a file system.

    Raises:
        OutdatedError: a version is not to be had, or what is installed differs.
        CalledProcessError: apt failed otherwise; it has said why.
    """
    words = [f"{name}={version}" for name, version in pins.items()]
    _update(root)
    done = _apt(root, "install", "--allow-downgrades", *words)
    if done.returncode != 0:
        gone = list(refused(done.stderr))
        if gone:
            raise OutdatedError(gone)
        raise subprocess.CalledProcessError(
            done.returncode, "apt-get", stderr=done.stderr
        )
    left = list(differences(root, pins))
    if left:
        raise OutdatedError(left)


def renew(root: Path) -> None:
    """Install the newest versions, those with mended security among them.

    Raises:
        CalledProcessError: apt failed; it has said why.
    """
    _update(root)
    _apt(root, "upgrade").check_returncode()


def refused(told: str) -> Iterator[str]:
    """Name what apt cannot find, from its words."""
    for version, name in _GONE.findall(told):
        yield f"{name} {version} is gone"
    for name in _UNKNOWN.findall(told):
        yield f"{name} is gone"


def _update(root: Path) -> None:
    """Let apt know what can be had, from where this machine has it as well."""
    lines = [f"deb {rootfs.mirror()} {rootfs.SUITE} main\n"]
    with contextlib.suppress(LookupError):  # the newest are then the suite's own
        lines.append(f"deb {rootfs.mirror(SECURITY)} {SECURITY} main\n")
    (root / "etc/apt/sources.list").write_text("".join(lines), encoding="utf-8")
    _apt(root, "update").check_returncode()


def _apt(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    env.pop("TMPDIR", None)  # that folder is not in there, and packages' scripts use it
    command = ["chroot", str(root), *_APT, *words]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False)
