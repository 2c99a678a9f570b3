"""Run a Python command where no sshd was ever started and root is locked, from root.

SCRIPT -m MODULE ARGS, in a mount namespace of the command's own. It fails where the
command changed what is the machine's.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from mpiop.local.kubelet import namespaces as ns

if __name__ == "__main__":
    ns.unshare(ns.NEW_NS)
    ns.make_private()
    accounts = Path("/etc/shadow")
    text = "root:!*:20000:0:99999:7:::\n"
    with tempfile.NamedTemporaryFile("w", prefix="shadow-", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        ns.bind(file.name, accounts)
        ns.mount("tmpfs", "/run", "tmpfs", data="mode=755")
        ran = subprocess.run([sys.executable, *sys.argv[1:]], check=False)
        assert accounts.read_text(encoding="utf-8") == text
        assert list(Path("/run").iterdir()) == []
    sys.exit(ran.returncode)
