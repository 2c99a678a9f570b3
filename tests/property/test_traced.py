"""Whether coverage is measured where it is meant to be, and nowhere else."""

import sys


def test_what_runs_whole_histories_is_not_traced() -> None:
    """A second tracer of pytest-cov's once went on unseen, and doubled their time."""
    assert "Tracer" not in type(sys.gettrace()).__name__
