"""The operator's image: its size, what is in it, and that its bill says so."""

import json
import re
import shlex
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from deploy.image import __main__ as operator
from deploy.image import bill, pins
from mpiop import __version__
from tests.e2e.node import images
from tests.support.told import TOLD

MOST_MB = 150
CHUNK = 1 << 20
DEBIAN = re.compile(r"\./var/lib/dpkg/info/([^/:]+)(:[a-z0-9]+)?\.list")
PYTHON = re.compile(r"\./opt/mpiop/([^/]+)-[^/-]+\.dist-info/METADATA")
CONTAINERFILE = Path(operator.__file__).parent / "Containerfile"


@pytest.fixture(scope="module")
def built() -> Path:
    """The image's archive."""
    return images.archives()[-1]


def test_it_is_small_enough(
    built: Path, record_property: Callable[[str, object], None]
) -> None:
    """As an image registry keeps it, each layer compressed by itself, there better."""
    with tarfile.open(built) as archive:
        size = sum(
            compressed(archive, one) for one in archive if one.name.endswith(".tar")
        )

    record_property(
        TOLD, f"the operator's image: at most {size / 1e6:.0f} MB compressed"
    )
    assert size < MOST_MB * 1_000_000


def compressed(archive: tarfile.TarFile, layer: tarfile.TarInfo) -> int:
    """Give the bytes of a layer after gzip's fastest compression."""
    found, engine = 0, zlib.compressobj(zlib.Z_BEST_SPEED)
    content = archive.extractfile(layer)
    assert content is not None
    while chunk := content.read(CHUNK):
        found += len(engine.compress(chunk))
    return found + len(engine.flush())


def test_its_bill_lists_what_is_in_it(
    built: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Every package that left its traces, with a version, and no other; and mpiop."""
    names = list(unpacked(built, tmp_path))
    debian = {found[1] for name in names if (found := DEBIAN.fullmatch(name))}
    python = {found[1] for name in names if (found := PYTHON.fullmatch(name))}

    told = json.loads((tmp_path / bill.PLACE).read_text("utf-8"))

    other = "; ".join(pins.differences(tmp_path, pins.read())) or "nothing"
    record_property(TOLD, f"the operator's image beside packages.lock: {other}")
    listed = {
        tuple(one["purl"].split("@")[0].split("/", 1)) for one in told["components"]
    }
    assert {name for kind, name in listed if kind == "pkg:deb"} == {
        f"debian/{name}" for name in debian
    }
    assert {name for kind, name in listed if kind == "pkg:pypi"} == {
        re.sub(r"[-_.]+", "-", name).lower() for name in python
    }
    assert "./opt/mpiop/mpiop/__init__.py" in names
    [own] = [one for one in told["components"] if one["name"] == "mpiop"]
    assert own["version"] == __version__
    assert {"python3.11-minimal", "libc6"} <= debian
    assert {"kubernetes", "orjson", "httptools"} <= python
    assert all(one["version"] for one in told["components"])


def unpacked(built: Path, target: Path) -> Iterator[str]:
    """Unpack the bill, and what dpkg knows; give the names of all files."""
    with tarfile.open(built) as archive:
        for place in [one for one in archive if one.name.endswith(".tar")]:
            with tarfile.open(fileobj=archive.extractfile(place)) as layer:
                for one in layer:
                    yield one.name
                    if one.name.endswith(("dpkg/status", bill.PLACE)):
                        layer.extract(one, target, filter="data")


def test_the_containerfile_starts_the_operator_in_the_same_way() -> None:
    """Whoever builds by it gets what is tested here."""
    lines = CONTAINERFILE.read_text("utf-8").replace("\\\n", " ").splitlines()
    told: dict[str, str] = dict(line.split(" ", 1) for line in lines if line)
    config = operator.config()

    assert json.loads(told["ENTRYPOINT"]) == list(config.entrypoint)
    assert json.loads(told["CMD"]) == list(config.command)
    assert told["USER"] == config.user
    assert dict(one.split("=", 1) for one in shlex.split(told["ENV"])) == config.env
