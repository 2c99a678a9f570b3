"""Break each property on purpose; a test must notice.

In a temporary copy of the tree, never in place. First the tests must pass as they are;
then each mutant is applied, its test run, and the file put back. Exit code 1 where one
survives. Words narrow by property.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.mutants.table import MUTANTS, Mutant

TREE = ("mpiop", "tests", "deploy", "docs", "pyproject.toml", "README.md")
PASSED, FAILED = 0, 1  # pytest's exit codes; others mean that it could not run
NO_VERDICT = -1
LIMIT_SECONDS = 600  # a test that does not end has noticed nothing


def copy(target: Path) -> None:
    """Copy what the tests need."""
    for name in TREE:
        if Path(name).is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(name, target / name, ignore=ignore)
        else:
            shutil.copy(name, target / name)


def pytest(folder: Path, tests: Iterable[str]) -> int:
    """Run tests there; give the exit code."""
    command = [sys.executable, "-B", "-m", "pytest", "-qx", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [*command, *tests],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=LIMIT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        print(f"no verdict within {LIMIT_SECONDS} s")
        return NO_VERDICT
    if done.returncode not in {PASSED, FAILED}:
        print(done.stdout)
    return done.returncode


def killed(folder: Path, mutant: Mutant) -> bool:
    """Apply a mutant, run its test, restore."""
    file = folder / "mpiop" / mutant.file
    sound = file.read_text(encoding="utf-8")
    if sound.count(mutant.old) != 1:
        raise SystemExit(f"{mutant.file}: not there once: {mutant.old!r}")
    file.write_text(sound.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        return pytest(folder, ["::".join(mutant.test)]) == FAILED
    finally:
        file.write_text(sound, encoding="utf-8")


def main() -> int:
    """Run; give the exit code."""
    parser = argparse.ArgumentParser("python -m tests.mutants", description=__doc__)
    parser.add_argument("word", nargs="*", help="only properties with all these words")
    words = parser.parse_args().word
    chosen = [m for m in MUTANTS if all(word in m.property for word in words)]
    if not chosen:
        parser.error(f"no property has the words {words}: see tests/mutants/table.py")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy(folder)
        if pytest(folder, sorted({"::".join(m.test) for m in chosen})) != PASSED:
            print("the tests fail without any mutant")
            return 1
        survivors = 0
        for mutant in chosen:
            dead = killed(folder, mutant)
            survivors += not dead
            print(f"{'killed  ' if dead else 'SURVIVED'} {mutant.property}", flush=True)
    print(f"{len(chosen)} mutants, {survivors} survived")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main())
