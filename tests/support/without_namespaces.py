"""Run a Python command where no namespace can be made: SCRIPT -m MODULE ARGS.

In a user namespace of its own the number of further ones is set to 0; after the exec
an ordinary user without any capability is left. Where not even the first namespace
can be made, nothing has to be done.
"""

import contextlib
import os
import sys
from pathlib import Path

from mpiop.local.kubelet import namespaces as ns

if __name__ == "__main__":
    outer = os.getuid(), os.getgid()
    with contextlib.suppress(OSError):
        ns.unshare(ns.NEW_USER)
        ns.map_single_user(1000, 1000, outer=outer)
        Path("/proc/sys/user/max_user_namespaces").write_text("0", encoding="ascii")
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
