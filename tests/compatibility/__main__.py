"""Write the page: `python -m tests.compatibility docs/compatibility.md [--check]`."""

import sys
from pathlib import Path

from tests.compatibility.page import page

if __name__ == "__main__":
    target = Path(sys.argv[1])
    old = target.read_text(encoding="utf-8")
    new = page(old)
    if "--check" not in sys.argv:
        target.write_text(new, encoding="utf-8")
    elif old != new:
        sys.exit(f"{target} is stale: run `make docs`")
