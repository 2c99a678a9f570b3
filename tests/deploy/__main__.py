"""Write the page and the one-file install: `python -m tests.deploy docs/install.md`."""

import sys
from pathlib import Path

from tests.deploy.page import one_file, page
from tests.support.deployed import ONE_FILE

if __name__ == "__main__":
    target = Path(sys.argv[1])
    made = {ONE_FILE: one_file(), target: page(target.read_text(encoding="utf-8"))}
    for path, text in made.items():
        if "--check" not in sys.argv:
            path.write_text(text, encoding="utf-8")
        elif path.read_text(encoding="utf-8") != text:
            sys.exit(f"{path} is stale: run `make docs`")
