"""What a node could leave on its machine, looked for when it has ended."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.e2e.node import configs
from tests.e2e.node.host import Host
from tests.e2e.node.inside import EMPTY
from tests.e2e.node.node import Node


@contextmanager
def leaving_nothing(node: Node) -> Iterator[Node]:
    """Have a node up.

    Raises:
        AssertionError: something of it is left; the text names it.
    """
    host = Host()
    written = (*EMPTY, str(configs.first(node.folder).pods))
    old = _files(written)
    alone = not host.live()
    meant = host.meant()
    with node:
        yield node
        # By name: this machine may have a kubelet of its own, which writes there.
        listed = set(node.inside("find", *written, check=False).stdout.splitlines())
        network = node.inside("readlink", "/proc/self/ns/net").stdout.strip()
    assert listed, "the kubelet was to write something"
    alone = alone and not host.live()  # others' kubelets change the same settings
    changed = set(host.read().items()) - set(meant.items()) if alone else ()
    left = [
        *(f"file {one}" for one in sorted((listed - old) & _files(written))),
        *(f"setting {name}, now {value.strip()}" for name, value in changed),
        *(f"process {one}" for one in _within(network)),
        *_named(node.folder, host),
    ]
    assert not left, "left behind by the node:\n" + "\n".join(left)


def _files(places: Sequence[str]) -> set[str]:
    """List what is there on the machine."""
    below = (str(one) for name in places for one in Path(name).rglob("*"))
    return {*filter(os.path.lexists, places), *below}


def _within(network: str) -> Iterator[str]:
    """Name the processes in a network namespace."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            if str((process / "ns" / "net").readlink()) == network:
                yield process.name


def _named(folder: Path, host: Host) -> Iterator[str]:
    """Name what is called after the node's folder."""
    groups = [root / configs.group(folder) for root in host.controllers()]
    yield from (f"control group {one}" for one in groups if one.exists())
    mounts = Path("/proc/self/mountinfo").read_text("utf-8").splitlines()
    yield from (f"mount {one.split()[4]}" for one in mounts if str(folder) in one)
    if folder.exists():
        yield f"folder {folder}"
