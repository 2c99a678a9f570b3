"""The mutants can still be applied, and their tests are there."""

from pathlib import Path

import pytest

from tests.mutants.table import MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.property)
def test_a_mutant_changes_one_place(mutant: Mutant) -> None:
    """Its text stands once in its file, and its test is there."""
    file, name = mutant.test

    assert Path("mpiop", mutant.file).read_text(encoding="utf-8").count(mutant.old) == 1
    assert f"def {name}(" in Path(file).read_text(encoding="utf-8")
