"""The images of the test node, built once into the cache folder.

One file system holds every MPI: Debian's Open MPI 4 at its usual place, the others
below /opt. An image is that file system with one of them on PATH. It brings an sshd and
no configuration for it.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from deploy.image import __main__ as operator
from deploy.image import archive, rootfs
from tests.support.assets import cache

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[2]
PACKAGES: Final = (
    "openssh-server",
    "openssh-client",
    "openmpi-bin",
    "libfabric1",
    "python3",
    "procps",
)
PREFIX: Final = "mpiop-test"
PAUSE: Final = f"{PREFIX}/pause:1"
OPERATOR: Final = operator.NAME
KEPT: Final = 3  # of each archive: checkouts with other sources take turns
_TCP: Final = {"FI_PROVIDER": "tcp", "MPIR_CVAR_CH4_NETMOD": "ofi"}
# A rank that waits lets others have its core: there are more ranks than cores, and
# Open MPI, which sees one Pod at a time, does not know.
_YIELDING: Final = {"OMPI_MCA_mpi_yield_when_idle": "1"}
MPIS: Final[Mapping[str, Mapping[str, str]]] = {
    "openmpi4": {"MPI4PY_MPIABI": "openmpi", **_YIELDING},
    "openmpi5": {
        "MPI4PY_MPIABI": "openmpi",
        **_YIELDING,
        "PATH": f"/opt/openmpi/bin:{archive.PATH}",
    },
    "mpich": {
        "MPI4PY_MPIABI": "mpich",
        "PATH": f"/opt/mpich/bin:{archive.PATH}",
        **_TCP,
    },
    "intel": {
        "MPI4PY_MPIABI": "impi",
        "PATH": f"/opt/impi-rt/bin:{archive.PATH}",
        "I_MPI_ROOT": "/opt/impi-rt",
        "FI_PROVIDER": "tcp",
    },
}
_LIBRARIES: Final = {"openmpi5": "openmpi", "mpich": "mpich", "intel": "impi-rt"}
_LOCK: Final = ROOT / "requirements" / "operator.txt"
_IMAGE: Final = ROOT / "deploy" / "image"
# How images are built counts as one of their sources, and what they are called.
_BUILD: Final = (_IMAGE / "rootfs.py", _IMAGE / "archive.py")


def image(mpi: str) -> str:
    """Name the image of an MPI; MPIOP_E2E_IMAGES says where other clusters have it."""
    return f"{os.environ.get('MPIOP_E2E_IMAGES') or PREFIX}/{mpi}:1"


def archives() -> list[Path]:
    """Give the archives of all images; build what is missing.

    Raises:
        FileNotFoundError: debootstrap is not installed.
        CalledProcessError: a build failed.
    """
    return [
        _cached("pause", [HERE / "programs" / "pause.c"], _pause),
        _cached("mpi", [HERE / "mpi", HERE / "programs"], _mpi),
        _cached("operator", [ROOT / "mpiop", _LOCK, _IMAGE], _operator),
    ]


def _cached(
    name: str, sources: Sequence[Path], build: Callable[[Path, Path], None]
) -> Path:
    """Give what was built from the same sources, else build it."""
    target = cache() / "images" / f"{name}-{_hash(sources)}.tar"
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        kept = sorted(target.parent.glob(f"{name}-*"), key=_used)
        for old in kept[: 1 - KEPT]:
            old.unlink()
        with tempfile.TemporaryDirectory(prefix="mpiop-image-") as folder:
            part = Path(folder) / "image.tar"
            build(Path(folder), part)
            shutil.move(part, target)
    target.touch()
    return target


def _used(archive: Path) -> float:
    return archive.stat().st_mtime


def _pause(folder: Path, target: Path) -> None:
    root = folder / "root"
    root.mkdir()
    source = HERE / "programs" / "pause.c"
    command = ["cc", "-static", "-Os", "-s", "-o", str(root / "pause"), str(source)]
    subprocess.run(command, check=True)
    with _layer(folder, root) as layer:
        archive.write([layer], [archive.Config(PAUSE, entrypoint=("/pause",))], target)


def _operator(folder: Path, target: Path) -> None:
    sources = [_IMAGE / name for name in ("packages.txt", "pins.py", "bill.py")]
    below = _cached("base", [_LOCK, *sources], _base)
    operator.code(folder / "code.tar")
    archive.write([below, folder / "code.tar"], [operator.config()], target)


def _base(_folder: Path, target: Path) -> None:
    operator.base(target)


def _mpi(folder: Path, target: Path) -> None:
    root = folder / "root"
    rootfs.debian(root, PACKAGES)
    rootfs.install(HERE / "mpi/mpi4py.txt", root / "usr/lib/python3/dist-packages")
    for name in _LIBRARIES.values():
        rootfs.install(HERE / "mpi" / f"{name}.txt", root / "opt" / name, whole=True)
    program = root / "usr/local/bin/mpi-test"
    shutil.copy(HERE / "programs" / "mpi-test", program)
    program.chmod(0o755)
    for left in (root / "etc/ssh").glob("ssh_host_*"):
        left.unlink()  # a key that every copy of an image has is none
    configs = [
        archive.Config(image(mpi), command=("/bin/sh",), env=_environment(mpi, env))
        for mpi, env in MPIS.items()
    ]
    with _layer(folder, root) as layer:
        archive.write([layer], configs, target)


def _environment(mpi: str, env: Mapping[str, str]) -> dict[str, str]:
    library = _LIBRARIES.get(mpi)
    more = {"LD_LIBRARY_PATH": f"/opt/{library}/lib"} if library else {}
    return {**env, **more}


@contextmanager
def _layer(folder: Path, root: Path) -> Iterator[Path]:
    layer = folder / "layer.tar"
    archive.pack(root, layer)
    yield layer
    layer.unlink()


def _hash(sources: Sequence[Path]) -> str:
    found = hashlib.sha256(repr((PACKAGES, MPIS)).encode())
    for source in (*sources, *_BUILD):
        files = sorted(source.rglob("*")) if source.is_dir() else [source]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                found.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return found.hexdigest()[:16]
