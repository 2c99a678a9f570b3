"""The machine: one ordered table of edges, followed until nothing changes.

Edges are state-triggered. There is one trigger, `observe`; each edge has one guard
over the present observation; `advance` takes the first guard that holds, again and
again. So the phase is a function of what is visible, whichever way led here, and an
event that was missed costs nothing. Verdicts alone absorb.

Everything that decides a phase is a row of EDGES; diagram and docs are made from it.
This is the only file that imports `transitions`.
"""

from collections.abc import Callable
from typing import Final

import attrs
from transitions import Machine, MachineError

from mpiop.states import guards
from mpiop.states.observation import Observation
from mpiop.states.phase import LIVE, TERMINAL, VERDICTS, Phase


class IllegalTransition(RuntimeError):  # noqa: N818 - says what, as MachineError does
    """The table has a hole or a loop: a bug of ours, never of a user."""


@attrs.frozen
class Edge:
    """One row: from a phase, to a phase, when the guard holds."""

    source: Phase
    target: Phase
    guard: Callable[[Observation], bool]


def _to(target: Phase, guard: Callable[[Observation], bool]) -> tuple[Edge, ...]:
    """Make the edges from every other live phase."""
    return tuple(Edge(source, target, guard) for source in LIVE if source != target)


# Order is priority: the first guard that holds is taken.
EDGES: Final = (
    *_to(Phase.SUCCEEDED, guards.succeeded),
    *_to(Phase.FAILED, guards.failed),
    *_to(Phase.SUSPENDED, guards.suspended),
    *_to(Phase.INVALID, guards.refused),
    *_to(Phase.LAUNCHER_RUNNING, guards.launcher_started),
    *_to(Phase.WORKERS_READY, guards.workers_ready),
    *_to(Phase.CREATED, guards.workers_not_ready),
    *(Edge(verdict, Phase.CLEANED, guards.cleaned) for verdict in VERDICTS),
)

# One machine for everybody, without models: a model would be decorated, and two equal
# ones would count as one. The state lives in a throw-away cursor.
_MACHINE: Final = Machine(
    model=None,
    states=Phase,
    initial=Phase.CREATED,
    auto_transitions=False,
    transitions=[
        {
            "trigger": "observe",
            "source": edge.source,
            "dest": edge.target,
            "conditions": edge.guard,
        }
        for edge in EDGES
    ],
)
_OBSERVE: Final = _MACHINE.events["observe"]


@attrs.define(eq=False)
class _Cursor:
    state: Phase


def path(phase: Phase, observation: Observation) -> tuple[Phase, ...]:
    """List the phases passed from `phase` on, itself first, the resting one last.

    Raises:
        IllegalTransition: more hops than phases, or a phase without edges.
    """
    cursor = _Cursor(phase)
    passed = [phase]
    try:
        while cursor.state is not TERMINAL and _OBSERVE.trigger(cursor, observation):
            passed.append(cursor.state)
            if len(passed) > len(Phase):
                raise IllegalTransition(f"{phase} does not settle on {observation}")
    except MachineError as error:  # pragma: no cover - the table is total
        raise IllegalTransition(str(error)) from error
    return tuple(passed)


def advance(phase: Phase, observation: Observation) -> Phase:
    """Settle: follow the edges from `phase` until none applies.

    Total, terminating, idempotent; from any live phase the result depends on the
    observation alone (tests/states/test_machine.py enumerates all of it).
    """
    return path(phase, observation)[-1]
