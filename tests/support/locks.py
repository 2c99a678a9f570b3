"""`python -m tests.support.locks [--check]`: pin dependencies anew, or tell stale pins.

The first line of each file in requirements/ is a digest of what it was made from, so
that a check needs neither a network nor a resolver.
"""

import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Final

PROJECT: Final = Path("pyproject.toml")
FOLDER: Final = Path("requirements")
COMPILE: Final = (
    *(
        str(Path(sys.executable).with_name("uv")),
        "pip",
        "compile",
        "--quiet",
        "--generate-hashes",
    ),
    *("--no-emit-index-url", "--no-header"),
)
LOCKS: Final = {  # file: what of pyproject.toml it pins beside the dependencies
    "run.txt": ("--extra", "local", "--group", f"{PROJECT}:build"),
    "dev.txt": ("--extra", "local", "--group", f"{PROJECT}:dev"),
    "operator.txt": ("--group", f"{PROJECT}:image", "-c", f"{FOLDER}/run.txt"),
}


def head(options: tuple[str, ...]) -> str:
    """Give the first line of a file that pins this part of the project."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
    metadata = project["project"]
    fields = ("requires-python", "dependencies", "optional-dependencies")
    asked = [metadata[field] for field in fields]
    tables = [options, asked, project["dependency-groups"]]
    digest = hashlib.sha256(json.dumps(tables, sort_keys=True).encode())
    return f"# by `make lock` from dependencies with digest {digest.hexdigest()[:16]}"


def stale() -> list[str]:
    """Name the files that do not stem from pyproject.toml as it is."""
    wanted = {name: head(options) for name, options in LOCKS.items()}
    found = {
        file.name: file.read_text(encoding="utf-8").partition("\n")[0]
        for file in FOLDER.glob("*.txt")
    }
    names = sorted(wanted.keys() | found.keys())
    return [name for name in names if wanted.get(name) != found.get(name)]


def lock() -> None:
    """Resolve; pins that still fit stay as they are."""
    for name, options in LOCKS.items():
        file = FOLDER / name
        subprocess.run([*COMPILE, *options, "-o", file, PROJECT], check=True)
        pins = file.read_text(encoding="utf-8")
        file.write_text(f"{head(options)}\n{pins}", encoding="utf-8")


def main(words: list[str]) -> str | None:
    """Lock, or give the words with which a check fails."""
    if words != ["--check"]:
        lock()
    names = ", ".join(stale())
    if not names:
        return None
    return f"requirements/ is not what pyproject.toml asks for ({names}): `make lock`"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
