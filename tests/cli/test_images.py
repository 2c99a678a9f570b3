"""Which directory stands for which image."""

from pathlib import Path

import pytest

from mpiop.cli.bundle import deploy
from mpiop.cli.failure import BadInput
from mpiop.cli.images import bundled, parse_options, repository

SAMPLES = deploy() / "samples"


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("a", "a"),
        ("a:1", "a"),
        ("a/b:1", "a/b"),
        ("ghcr.io/a/b:1", "a/b"),
        ("localhost:5000/a/b@sha256:0", "a/b"),
        ("localhost/b", "b"),
    ],
)
def test_repository(image: str, name: str) -> None:
    """Registry, tag and digest are not part of an image's name."""
    assert repository(image) == name


def test_the_samples_bring_their_images() -> None:
    """Every sample's image has its directory, also in a cluster of one's own."""
    found = bundled()
    assert set(found) == {"divinerapier/openmpi-helloworld:0.0.1", "mpiop/pi-mpi4py:1"}
    assert all(folder.is_relative_to(SAMPLES.resolve()) for folder in found.values())


def test_options_name_directories(tmp_path: Path) -> None:
    """An option is NAME=DIR, and DIR must be there."""
    assert parse_options([f"a={tmp_path}"]) == {"a": tmp_path.resolve()}
    with pytest.raises(BadInput, match="NAME=DIR"):
        parse_options(["a"])
    with pytest.raises(BadInput, match="is missing"):
        parse_options([f"a={tmp_path}/none"])
