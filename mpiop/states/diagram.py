"""Draw the table: `python -m mpiop.states.diagram`; docs/states.md shows it."""

import sys

from mpiop.states.machine import EDGES, Edge
from mpiop.states.phase import LIVE, MEANING, Phase


def _grouped() -> dict[tuple[Phase, str], list[Edge]]:
    groups: dict[tuple[Phase, str], list[Edge]] = {}
    for edge in EDGES:
        groups.setdefault((edge.target, edge.guard.__name__), []).append(edge)
    return groups


def mermaid() -> str:
    """Render the machine; edges from every live phase leave the box around them."""
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> Live", "    state Live {"]
    lines += [f"        {phase}" for phase in LIVE]
    lines += ["    }"]
    for (target, guard), edges in _grouped().items():
        if all(edge.source in LIVE for edge in edges):
            lines.append(f"    Live --> {target}: {guard}")
        else:
            lines += [f"    {edge.source} --> {target}: {guard}" for edge in edges]
    return "\n".join([*lines, "```"])


def table() -> str:
    """Render phases and edges as two Markdown tables, edges in order of priority."""
    lines = ["| phase | true in it |", "|---|---|"]
    lines += [f"| `{phase}` | {meaning} |" for phase, meaning in MEANING.items()]
    lines += ["", "| # | from | to | when |", "|---|---|---|---|"]
    for rank, ((target, guard), edges) in enumerate(_grouped().items(), start=1):
        sources = ", ".join(f"`{edge.source}`" for edge in edges)
        when = (edges[0].guard.__doc__ or guard).rstrip(".")
        lines.append(f"| {rank} | {sources} | `{target}` | `{guard}`: {when} |")
    return "\n".join(lines)


def render() -> str:
    """Render all that EDGES and MEANING say, in Markdown."""
    return f"{mermaid()}\n\n{table()}"


if __name__ == "__main__":  # pragma: no cover
    sys.stdout.write(f"{render()}\n")
