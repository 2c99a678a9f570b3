"""Build the operator's image from Debian's packages: `python -m deploy.image OUT.tar`.

Its packages have the versions of packages.lock, or the build fails. `--newest` takes
what the mirror has, and says in what that differs; `--lock` locks that.

It needs root and debootstrap (Debian), and neither an engine nor an image registry. The
Containerfile beside this file makes the same file system for who has both.
"""

import argparse
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from deploy.image import archive, bill, pins, rootfs
from mpiop import __version__

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
SITE: Final = "opt/mpiop"
USER: Final = "65532:65532"
NAME: Final = f"mpiop/mpiop:{__version__}"


def config(name: str = NAME) -> archive.Config:
    """Say how the operator starts in its container."""
    return archive.Config(
        name=name,
        entrypoint=("mpiop",),
        command=("operator",),
        env={
            "PYTHONPATH": f"/{SITE}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONUNBUFFERED": "1",
        },
        user=USER,
        labels={
            "org.opencontainers.image.title": "mpiop",
            "org.opencontainers.image.version": __version__,
            "org.opencontainers.image.licenses": "Apache-2.0",
        },
    )


def debian(root: Path, *, locked: bool) -> None:
    """Make the Debian of the image in a folder.

    Args:
        root: the folder.
        locked: with the versions of the lock, else the newest.

    Raises:
        FileNotFoundError: debootstrap is not installed.
        CalledProcessError: it or apt failed.
        OutdatedError: a version is not to be had any more.
    """
    rootfs.debian(root, (HERE / "packages.txt").read_text("utf-8").split())
    if locked:
        pins.apply(root, pins.read())
    else:
        pins.renew(root)


def base(layer: Path, *, locked: bool = False) -> str:
    """Write the layer below mpiop: Debian and the packages; give the bill of both.

    Raises:
        FileNotFoundError: debootstrap is not installed.
        CalledProcessError: it, apt or pip failed.
        OutdatedError: a version of the lock is not to be had any more.
    """
    with tempfile.TemporaryDirectory(prefix="mpiop-image-") as folder:
        root = Path(folder) / "root"
        debian(root, locked=locked)
        for one in pins.differences(root, pins.read()):
            sys.stderr.write(f"{one}\n")
        site = root / SITE
        rootfs.install(ROOT / "requirements" / "operator.txt", site)
        programs = site / "bin"
        shutil.move(programs / "kubectl", root / "usr" / "local" / "bin" / "kubectl")
        shutil.rmtree(programs)
        rootfs.compiled(root, SITE)
        told = bill.bill(root, site)
        (root / bill.PLACE).write_text(told, encoding="utf-8")
        archive.pack(root, layer)
        return told


def code(layer: Path) -> None:
    """Write the layer that is mpiop itself, without the embedded cluster."""
    with tempfile.TemporaryDirectory(prefix="mpiop-image-") as folder:
        ignore = shutil.ignore_patterns("__pycache__", "local")
        shutil.copytree(ROOT / "mpiop", Path(folder) / SITE / "mpiop", ignore=ignore)
        rootfs.compiled(Path(folder), SITE)
        program = Path(folder) / "usr" / "local" / "bin" / "mpiop"
        program.parent.mkdir(parents=True)
        shutil.copy(HERE / "mpiop", program)
        program.chmod(0o755)
        Path(folder).chmod(0o755)
        archive.pack(Path(folder), layer)


def build(target: Path, name: str = NAME, *, locked: bool = True) -> None:
    """Write the image's archive, and its bill of materials beside it."""
    with tempfile.TemporaryDirectory(prefix="mpiop-image-") as folder:
        below, own = Path(folder) / "base.tar", Path(folder) / "code.tar"
        told = base(below, locked=locked)
        target.with_suffix(".cdx.json").write_text(told, encoding="utf-8")
        code(own)
        archive.write([below, own], [config(name)], target)


def lock() -> None:
    """Lock the versions that the mirror has now."""
    with tempfile.TemporaryDirectory(prefix="mpiop-image-") as folder:
        root = Path(folder) / "root"
        debian(root, locked=False)
        pins.write(root)


def main() -> int:
    """Run from the command line; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", type=Path, nargs="?", help="archive (docker format)")
    parser.add_argument("--name", default=NAME, help=f"default: {NAME}")
    parser.add_argument("--newest", action="store_true", help="packages of the mirror")
    parser.add_argument("--lock", action="store_true", help="write packages.lock anew")
    options = parser.parse_args()
    if (options.target is None) is not options.lock:
        parser.error("give an archive to write, or --lock")
    if os.geteuid() != 0:
        parser.error("debootstrap needs root")
    if options.lock:
        lock()
        return 0
    try:
        build(options.target, options.name, locked=not options.newest)
    except pins.OutdatedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    size = options.target.stat().st_size >> 20
    sys.stdout.write(f"{options.target}: {options.name}, {size} MiB unpacked\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
