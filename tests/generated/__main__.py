"""Write what is generated: `python -m tests.generated [--check]`.

With `--check` nothing is written, and the exit code is 1 where something is stale.
"""

import sys

from tests.generated.files import FILES

if __name__ == "__main__":
    if "--check" not in sys.argv:
        for file in FILES:
            file.write()
    elif stale := [str(file.path) for file in FILES if file.stale()]:
        sys.exit(f"stale, run `make docs`: {', '.join(stale)}")
