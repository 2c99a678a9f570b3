"""`python -m tests.e2e.node up` starts a node and holds it; `down` ends it.

`deaths` starts one, and measures how soon a worker's death stands in the status.
`figures` starts one, installs the operator and prints what a job's start costs there.
"""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Final

from tests.e2e.node import deaths, figures
from tests.e2e.node.install import install
from tests.e2e.node.node import Node, missing
from tests.support.assets import cache

PID: Final = "holder.pid"


def main() -> int:
    """Run from the command line; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["up", "down", "deaths", "figures"])
    what = parser.parse_args().what
    holder = cache() / PID
    if what == "down":
        return _down(holder)
    lacking = missing()
    if lacking:
        parser.error(lacking)
    if holder.exists() and Path(f"/proc/{holder.read_text()}").exists():
        parser.error("a node is up already: python -m tests.e2e.node down")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    holder.parent.mkdir(parents=True, exist_ok=True)
    holder.write_text(str(os.getpid()))
    try:
        with Node(cache() / "node") as node:
            if what == "deaths":
                return int(not deaths.show(node, install(node)))
            if what == "figures":
                install(node)
                return int(not figures.show(node))
            print(f"export KUBECONFIG={node.kubeconfig}", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        pass
    finally:
        holder.unlink()
    return 0


def _down(holder: Path) -> int:
    if holder.exists():
        os.kill(int(holder.read_text()), signal.SIGTERM)
    return 0


if __name__ == "__main__":
    sys.exit(main())
