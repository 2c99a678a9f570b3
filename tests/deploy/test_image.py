"""The operator's image: its packages are the lock's, and its bill says so."""

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from deploy.image import __main__ as operator
from deploy.image import bill, pins, rootfs
from mpiop import __version__

LOCK: Final = {"libc6": "2.36-9", "python3-minimal": "3.11.2-1"}
NEWER: Final = {**LOCK, "libc6": "2.36-10"}
# Recorded, of apt 2.6.1.
APT: Final = """\
E: Version '2.36-9' for 'libc6' was not found
E: Unable to locate package liblost1
"""
HERE: Final = Path(operator.__file__).parent


def debian(root: Path, packages: Mapping[str, str]) -> None:
    """Write what dpkg knows of these packages, and of one that was removed."""
    status = [
        f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\n"
        f"Version: {version}\nDescription: some\n more: of it\n"
        for name, version in packages.items()
    ]
    status.append("Package: away\nStatus: deinstall ok config-files\nVersion: 1\n")
    for folder in ("usr/local/bin", "etc/apt"):
        (root / folder).mkdir(parents=True)
    place = root / "var/lib/dpkg/status"
    place.parent.mkdir(parents=True)
    place.write_text("\n".join(status), encoding="utf-8")


def python(_: Path, site: Path) -> None:
    """Play pip: kubectl, and one package."""
    told = site / "attrs-26.1.0.dist-info" / "METADATA"
    told.parent.mkdir(parents=True)
    told.write_text("Metadata-Version: 2.1\nName: attrs\nVersion: 26.1.0\n")
    (site / "bin").mkdir()
    (site / "bin" / "kubectl").touch()


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    """Play debootstrap, apt and pip: what the mirror has."""
    found = dict(LOCK)
    lock = tmp_path / "packages.lock"
    lock.write_text("".join(f"{name}={version}\n" for name, version in LOCK.items()))
    monkeypatch.setattr(pins, "LOCK", lock)
    monkeypatch.setattr(rootfs, "debian", lambda root, _: debian(root, found))
    monkeypatch.setattr(rootfs, "install", python)
    monkeypatch.setattr(rootfs, "mirror", lambda *_: "http://mirror.example/")
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    def apt(_: Path, *words: str) -> subprocess.CompletedProcess[str]:
        asked = [word for word in words if "=" in word]
        lost = sorted(set(asked) - {f"{name}={found[name]}" for name in found})
        told = "".join(
            f"E: Version '{version}' for '{name}' was not found\n"
            for name, _, version in (one.partition("=") for one in lost)
        )
        return subprocess.CompletedProcess(words, 100 if lost else 0, "", told)

    monkeypatch.setattr(pins, "_apt", apt)
    return found


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run the command line."""
    monkeypatch.setattr(sys, "argv", ["image", *words])
    return operator.main()


def within(image: Path, place: str) -> str:
    """Read a file of an image's lowest layer."""
    with tarfile.open(image) as archive:
        layer = next(one for one in archive if one.name.endswith(".tar"))
        with tarfile.open(fileobj=archive.extractfile(layer)) as files:
            found = files.extractfile(f"./{place}")
            assert found is not None
            return found.read().decode()


@pytest.mark.usefixtures("mirror")
def test_a_release_has_its_bill_beside_it_and_in_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The same text, in CycloneDX's words: Debian's packages, Python's, and mpiop."""
    assert run(monkeypatch, str(tmp_path / "mpiop.tar")) == 0

    beside = (tmp_path / "mpiop.cdx.json").read_text(encoding="utf-8")
    assert within(tmp_path / "mpiop.tar", bill.PLACE) == beside
    told = json.loads(beside)
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", bill.SPEC)
    assert [one["purl"] for one in told["components"]] == [
        "pkg:deb/debian/libc6@2.36-9?arch=amd64",
        "pkg:deb/debian/python3-minimal@3.11.2-1?arch=amd64",
        f"pkg:generic/mpiop@{__version__}",
        "pkg:pypi/attrs@26.1.0",
    ]


def test_a_release_whose_packages_are_gone_is_refused(
    monkeypatch: pytest.MonkeyPatch,
    mirror: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It says which, and by what command to go on; nothing is written."""
    mirror |= NEWER
    assert run(monkeypatch, str(tmp_path / "mpiop.tar")) == 1
    said = capsys.readouterr().err
    assert "libc6 2.36-9 is gone" in said
    assert "python3-minimal" not in said
    assert "`python -m deploy.image --lock`" in said
    assert not list(tmp_path.glob("mpiop.*"))


def test_a_release_has_no_package_beyond_the_lock(
    monkeypatch: pytest.MonkeyPatch,
    mirror: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One that came along is told, and refused as well."""
    mirror["surprise"] = "1"
    assert run(monkeypatch, str(tmp_path / "mpiop.tar")) == 1
    assert "surprise is 1, locked is none" in capsys.readouterr().err


def test_the_newest_are_taken_and_told_where_asked_for(
    monkeypatch: pytest.MonkeyPatch,
    mirror: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As the tests' own image has them; the bill says what is in it."""
    mirror |= NEWER
    assert run(monkeypatch, "--newest", str(tmp_path / "mpiop.tar")) == 0
    assert "libc6 is 2.36-10, locked is 2.36-9\n" in capsys.readouterr().err
    assert "libc6@2.36-10" in (tmp_path / "mpiop.cdx.json").read_text(encoding="utf-8")


def test_a_new_lock_is_what_the_mirror_has(
    monkeypatch: pytest.MonkeyPatch, mirror: dict[str, str], tmp_path: Path
) -> None:
    """And a release by it goes through."""
    mirror |= NEWER
    assert run(monkeypatch, "--lock") == 0
    assert pins.read() == NEWER
    assert run(monkeypatch, str(tmp_path / "mpiop.tar")) == 0


def test_apts_refusals_are_understood() -> None:
    """By name, with the version where it tells it."""
    assert list(pins.refused(APT)) == ["libc6 2.36-9 is gone", "liblost1 is gone"]


def test_the_lock_has_what_the_image_asks_for() -> None:
    """Each package by an exact version, in order."""
    locked = pins.read()
    assert list(locked) == sorted(locked)
    assert all(locked.values())
    assert set((HERE / "packages.txt").read_text("utf-8").split()) <= set(locked)
    assert {"libc6", "dpkg", "python3.11-minimal"} <= set(locked)


def test_the_containerfile_has_the_same_pins_and_bill() -> None:
    """The lock unless told otherwise, a base that may be a digest, the bill's place."""
    told = (HERE / "Containerfile").read_text("utf-8")
    assert f"\nARG PACKAGES={pins.LOCK.name}\n" in told
    assert told.count("FROM ${BASE}") == told.count("\nFROM ") == 2
    assert f">/{bill.PLACE} " in told
    assert pins.REMEDY.split("`")[1] in told
