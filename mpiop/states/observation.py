"""What a guard may look at: finite facts, nothing else.

Where a rule needs a number or a time, the comparison is made while observing and
its answer is the fact. That keeps every (phase, observation) pair enumerable.
"""

from collections.abc import Iterator
from enum import StrEnum
from itertools import product

import attrs


class Verdict(StrEnum):
    """How the job ended, if it did."""

    NONE = "none"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@attrs.frozen
class Observation:
    """The facts about one MPIJob at one moment.

    Attributes:
        verdict: recorded, or reached just now.
        cleaned: nothing is left that cleanPodPolicy removes (never with None).
        suspended: `runPolicy.suspend` is set.
        launcher_started: the main container has started in this attempt.
        refused: this generation of the spec cannot be carried out.
        workers_ready: every worker that the spec asks for is ready.
    """

    verdict: Verdict = Verdict.NONE
    cleaned: bool = False
    suspended: bool = False
    launcher_started: bool = False
    refused: bool = False
    workers_ready: bool = False


def every_observation() -> Iterator[Observation]:
    """Yield all of them: 96."""
    flags = (False, True)
    for verdict, *facts in product(Verdict, flags, flags, flags, flags, flags):
        yield Observation(verdict, *facts)
