"""The machine: phases, facts, guards, one table of edges. Pure."""

from mpiop.states.machine import EDGES, Edge, IllegalTransition, advance, path
from mpiop.states.observation import Observation, Verdict, every_observation
from mpiop.states.phase import LIVE, TERMINAL, VERDICTS, Phase

__all__ = [
    "EDGES",
    "LIVE",
    "TERMINAL",
    "VERDICTS",
    "Edge",
    "IllegalTransition",
    "Observation",
    "Phase",
    "Verdict",
    "advance",
    "every_observation",
    "path",
]
