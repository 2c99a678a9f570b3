"""What a machine lacks for a node is said before one is started."""

import os
import platform
from pathlib import Path

import pytest

from tests.e2e.node.node import no_mirror

REFUSED = (
    "images cannot be built on D: "
    "apt knows no mirror of bookworm: add one to its sources"
)


@pytest.mark.parametrize(
    ("codenames", "said"),
    [
        ("trixie trixie-updates", REFUSED),
        ("trixie bookworm", ""),
    ],
)
def test_a_release_without_a_mirror_of_the_images_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codenames: str, said: str
) -> None:
    """With a mirror among apt's sources any release will do."""
    apt = tmp_path / "apt-get"
    lines = "".join(f"{one} site/ http://mirror.test/\\n" for one in codenames.split())
    apt.write_text(f"#!/bin/sh\nprintf '{lines}'\n")
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(
        platform, "freedesktop_os_release", lambda: {"PRETTY_NAME": "D"}
    )

    found = no_mirror()

    assert found == said


def test_a_machine_without_apt_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody may have debootstrap elsewhere, too."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "apt-get" in no_mirror()
