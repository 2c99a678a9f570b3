"""Which directory stands for which image on this machine."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mpiop.cli.bundle import deploy
from mpiop.cli.failure import BadInput
from mpiop.cli.manifest import read
from mpiop.reconcile.mpijob import Json, MPIJob
from mpiop.reconcile.reading import items, text


def repository(image: str) -> str:
    """Strip registry, tag and digest: `ghcr.io/a/b:1` is `a/b`."""
    name = image.partition("@")[0]
    head, _, rest = name.partition("/")
    if rest and ("." in head or ":" in head or head == "localhost"):
        name = rest
    folder, _, last = name.rpartition("/")
    last = last.partition(":")[0]
    return f"{folder}/{last}" if folder else last


def parse_options(given: Sequence[str]) -> dict[str, Path]:
    """Read `--image NAME=DIR` options.

    Raises:
        BadInput: one is malformed, or names a directory that is missing.
    """
    found = {}
    for option in given:
        name, equals, folder = option.partition("=")
        if not (name and equals and folder):
            raise BadInput(f"--image {option}: must read NAME=DIR")
        if not Path(folder).is_dir():
            raise BadInput(
                f'--image {option}: the directory "{folder}" is missing;'
                " name one that is laid over the root"
            )
        found[name] = Path(folder).resolve()
    return found


def mapping(job: MPIJob, given: Mapping[str, Path], beside: Path) -> dict[str, Path]:
    """Map a job's images: as given, else by a folder `images/` beside the file.

    An image that neither knows is served by the machine's own file system.

    Args:
        job: whose containers are looked at.
        given: by options.
        beside: the folder of the job's file.
    """
    found = dict(given)
    for image in _images(job):
        for base in (beside, deploy() / "samples"):
            folder = base / "images" / repository(image)
            if image not in found and folder.is_dir():
                found[image] = folder.resolve()
    return found


def bundled() -> dict[str, Path]:
    """Map the images of the samples that mpiop brings along."""
    samples = deploy() / "samples"
    found: dict[str, Path] = {}
    for file in sorted(samples.glob("*.yaml")):
        with file.open(encoding="utf-8") as sample:
            found |= mapping(read(sample, None).job, {}, samples)
    return found


def _images(job: MPIJob) -> Iterator[str]:
    templates: list[Json] = [job.launcher.template]
    templates += [job.worker.template] if job.worker else []
    for template in templates:
        for field in ("initContainers", "containers"):
            for container in items(template, "spec", field):
                yield text(container, "image")
