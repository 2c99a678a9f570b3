"""`python -m tests.e2e.node up` starts a node and holds it; `down` ends it.

Each succeeds where there is nothing to do. What killed sessions left goes, too.

`deaths` starts one, and measures how soon a worker's death stands in the status.
`figures` starts one, installs the operator and prints what a job's start costs there.
`images` builds the tests' images, for other clusters, and says where they are.
"""

import argparse
import shutil
import signal
import sys
import time
from typing import Final

from tests.e2e.node import deaths, figures, images
from tests.e2e.node.holder import Holder
from tests.e2e.node.host import Host
from tests.e2e.node.install import install
from tests.e2e.node.node import Node, missing
from tests.support.assets import cache

LOCK: Final = "node.lock"
HELD: Final = ("up", "deaths", "figures")


def main() -> int:
    """Run from the command line; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=[*HELD, "down", "images"])
    what = parser.parse_args().what
    holder, node = Holder(cache() / LOCK), Node(cache() / "node")
    if what == "down":
        return _down(holder, node)
    if what == "images":
        print(*images.archives(), sep="\n")
        return 0
    with holder.held() as mine:
        if mine:
            if lacking := missing():
                parser.error(lacking)
            return _have(node, what)
    if what != "up":
        parser.error("a node is up already: python -m tests.e2e.node down")
    print(f"a node is up already\n{_variable(node)}")
    return 0


def _have(node: Node, what: str) -> int:
    for ends in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ends, lambda *_: sys.exit(0))
    with node:
        if what == "deaths":
            return int(not deaths.show(node, install(node)))
        if what == "figures":
            begin = time.monotonic()
            install(node)
            print(
                f"operator ready {time.monotonic() - begin:.1f} s after `kubectl apply`"
            )
            return int(not figures.show(node))
        print(_variable(node), flush=True)
        signal.pause()
    return 0


def _down(holder: Holder, node: Node) -> int:
    if not holder.end():
        print("no node is up")
    with holder.held() as mine:
        if mine:  # and nobody has one up anew
            shutil.rmtree(node.folder, ignore_errors=True)
            Host().restore()
    return 0


def _variable(node: Node) -> str:
    return f"export KUBECONFIG={node.kubeconfig}"


if __name__ == "__main__":
    sys.exit(main())
