"""The laws of the machine, enumerated over every phase and every observation."""

from itertools import product

import pytest

from mpiop.states import (
    EDGES,
    LIVE,
    VERDICTS,
    Observation,
    Phase,
    Verdict,
    advance,
    every_observation,
    machine,
    path,
)
from mpiop.states.guards import failed, succeeded

PAIRS = tuple(product(Phase, every_observation()))


def test_every_observation_is_listed_once() -> None:
    """There are 3 verdicts and 5 flags: 96 observations, no two alike."""
    assert len(set(every_observation())) == 96


def test_settling_ends_within_the_number_of_phases() -> None:
    """Total and terminating: every pair comes to rest."""
    assert all(len(path(*pair)) <= len(Phase) for pair in PAIRS)


def test_settling_twice_changes_nothing() -> None:
    """Idempotent."""
    for phase, seen in PAIRS:
        rest = advance(phase, seen)
        assert advance(rest, seen) is rest


def test_a_verdict_never_changes() -> None:
    """Absorbing: Succeeded and Failed lead to themselves or to Cleaned."""
    for verdict, seen in product(VERDICTS, every_observation()):
        assert advance(verdict, seen) in {verdict, Phase.CLEANED}
        assert advance(Phase.CLEANED, seen) is Phase.CLEANED


def test_the_way_does_not_matter() -> None:
    """Path-independent: from any live phase as from Created."""
    for phase, seen in product(LIVE, every_observation()):
        assert advance(phase, seen) is advance(Phase.CREATED, seen)


def test_the_guards_of_live_phases_exclude_one_another() -> None:
    """Without a verdict exactly one holds, so the order of those edges is free."""
    live = {edge.target: edge.guard for edge in EDGES if edge.target in LIVE}

    assert live.keys() == set(LIVE)
    for seen in every_observation():
        assert sum(guard(seen) for guard in live.values()) == 1
        assert not (succeeded(seen) and failed(seen))


def test_no_edge_is_dead() -> None:
    """Every row of the table is taken by some pair."""
    taken = {
        hop for pair in PAIRS for hop in zip(path(*pair), path(*pair)[1:], strict=False)
    }

    assert {(edge.source, edge.target) for edge in EDGES} == taken


def test_every_phase_is_reached_from_created() -> None:
    """No unreachable phase."""
    reached = {advance(Phase.CREATED, seen) for seen in every_observation()}

    assert reached == set(Phase)


@pytest.mark.parametrize(
    ("seen", "phase"),
    [
        (Observation(), Phase.CREATED),
        (Observation(workers_ready=True), Phase.WORKERS_READY),
        (Observation(launcher_started=True), Phase.LAUNCHER_RUNNING),
        (Observation(launcher_started=True, refused=True), Phase.LAUNCHER_RUNNING),
        (Observation(launcher_started=True, suspended=True), Phase.SUSPENDED),
        (Observation(workers_ready=True, refused=True), Phase.INVALID),
        (Observation(suspended=True, verdict=Verdict.SUCCEEDED), Phase.SUCCEEDED),
        (Observation(refused=True, verdict=Verdict.FAILED), Phase.FAILED),
        (Observation(verdict=Verdict.FAILED, cleaned=True), Phase.CLEANED),
    ],
)
def test_what_wins(seen: Observation, phase: Phase) -> None:
    """A verdict beats all, suspension the rest, a running launcher a refusal."""
    assert advance(Phase.CREATED, seen) is phase


def test_a_table_that_loops_is_an_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in the table raises instead of hanging."""

    class Loop:
        @staticmethod
        def trigger(*_: object) -> bool:
            return True

    monkeypatch.setattr(machine, "_OBSERVE", Loop)

    with pytest.raises(machine.IllegalTransition, match="does not settle"):
        path(Phase.CREATED, Observation())
