"""Images are built once, also where checkouts with other sources take turns."""

from pathlib import Path

import pytest

from tests.e2e.node import images


def test_a_few_archives_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another one of the same name takes the place of the one that is not used."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    built = []

    def build(_folder: Path, target: Path) -> None:
        target.touch()
        built.append(target)

    sources = [images.HERE / f"{name}.py" for name in ("configs", "jobs", "node")]
    for source in (*sources, *sources):
        images._cached("one", [source], build)
    assert len(built) == images.KEPT

    found = images._cached("one", [images.HERE / "inside.py"], build)
    assert found.exists()
    assert len(list(found.parent.iterdir())) == images.KEPT
