"""Draw the table: `python -m mpiop.states.diagram [--check] docs/states.md`.

The page keeps its hand-written prose; what stands between the two markers is made
from EDGES and MEANING. With `--check` nothing is written and a stale page exits 1.
"""

import sys
from pathlib import Path
from typing import Final

from mpiop.states.machine import EDGES, Edge
from mpiop.states.phase import LIVE, MEANING, Phase

BEGIN: Final = "<!-- generated from mpiop/states by `make docs` -->"
END: Final = "<!-- end of the generated part -->"


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


def page(text: str) -> str:
    """Put the generated part into a page.

    Raises:
        ValueError: the page lacks a marker.
    """
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page needs the lines {BEGIN!r} and {END!r}")
    return f"{head}{BEGIN}\n\n{mermaid()}\n\n{table()}\n\n{END}{tail}"


def main(arguments: list[str]) -> int:
    """Write or check the page; return the exit code."""
    target = Path(arguments[-1])
    old = target.read_text(encoding="utf-8")
    new = page(old)
    if "--check" not in arguments:
        target.write_text(new, encoding="utf-8")
        return 0
    if old != new:
        sys.stderr.write(f"{target} is stale: run `make docs`\n")
    return int(old != new)


if __name__ == "__main__":  # pragma: no cover
    sys.exit(main(sys.argv[1:]))
