"""Who starts or ends a node tidies up after those whose sessions were killed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.node import configs
from tests.e2e.node.host import INSIDE, SETTINGS, Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """A machine in a folder, as it is without a node."""
    places = [tmp_path / name for name in ("sys", "groups", "proc", "record")]
    found = Host(*places)
    (found.groups / "cpu").mkdir(parents=True)
    for name in SETTINGS:
        (found.settings / name).parent.mkdir(parents=True, exist_ok=True)
    change(found, "0")
    return found


def change(host: Host, value: str) -> None:
    """Give all settings a value, as a kubelet does."""
    for name in SETTINGS:
        (host.settings / name).write_text(value)


@contextmanager
def node(host: Host, folder: Path) -> Iterator[Path]:
    """Have a process with the words of a node's; give its group, which stays."""
    process = host.processes / folder.name  # a number
    with host.changing():
        process.mkdir(parents=True)
        (process / "cmdline").write_text(
            "\0".join(["python", "-m", INSIDE, str(folder), "3", ""])
        )
    host.make_group(configs.group(folder))
    group = host.groups / "cpu" / configs.group(folder)
    (group / "kubepods").mkdir()
    yield group
    shutil.rmtree(process)


def test_what_a_killed_session_changed_is_put_back_by_the_next(
    host: Host, tmp_path: Path
) -> None:
    """What it was before is not what the killed one's kubelet has made of it."""
    with node(host, tmp_path / "1") as killed:
        change(host, "10")
    assert killed.exists()

    with node(host, tmp_path / "2") as other:
        assert not killed.exists()
        change(host, "10")
    host.restore()

    assert not other.exists()
    assert set(host.read().values()) == {"0"}
    assert not host.record.exists()


def test_others_keep_what_is_theirs(host: Host, tmp_path: Path) -> None:
    """The last node that ends puts the settings back."""
    with node(host, tmp_path / "1") as one:
        with node(host, tmp_path / "2") as two:
            change(host, "10")
        host.restore()

        assert one.exists()
        assert not two.exists()
        assert set(host.read().values()) == {"10"}
    host.restore()

    assert not one.exists()
    assert set(host.read().values()) == {"0"}


def test_groups_of_others_stay(host: Host) -> None:
    """A local run of mpiop makes groups, too."""
    foreign = host.groups / "cpu" / "mpiop-run-1"
    foreign.mkdir()

    host.restore()

    assert foreign.exists()
