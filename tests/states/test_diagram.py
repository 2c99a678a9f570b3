"""What is drawn of the machine."""

import subprocess
import sys

from mpiop.states import diagram
from mpiop.states.machine import EDGES
from mpiop.states.phase import Phase


def test_every_phase_and_every_edge_is_shown() -> None:
    """In the table and in the diagram; docs/states.md holds both."""
    text = diagram.render()
    assert text.startswith("```mermaid\nstateDiagram-v2\n")
    for phase in Phase:
        assert f"| `{phase}` |" in text
    for edge in EDGES:
        assert f"--> {edge.target}: {edge.guard.__name__}" in text
        assert f"`{edge.guard.__name__}`" in text


def test_the_command_draws_it() -> None:
    """For a page, or for a look."""
    command = [sys.executable, "-m", "mpiop.states.diagram"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{diagram.render()}\n"
