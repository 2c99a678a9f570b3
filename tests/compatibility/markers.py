"""Which test shows which rule: read from the tests' source, without importing it.

A test says what it shows by `@pytest.mark.compat("spec.suspend")`, `checklist(...)` or
`defect(...)`, with as many ids as it likes.
"""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs

TESTS: Final = Path(__file__).parents[1]
KINDS: Final = ("compat", "checklist", "defect")
Shown = Mapping[str, tuple["Place", ...]]


@attrs.frozen(order=True)
class Place:
    """Names a test function."""

    path: str
    name: str

    @property
    def link(self) -> str:
        """Link to it from a page in docs/."""
        return f"[{self.name.removeprefix('test_')}](../{self.path})"


def shown(kind: str, folder: Path = TESTS, root: Path = TESTS.parent) -> Shown:
    """Give the tests that show each id of a kind, in the order of their files."""
    found: dict[str, list[Place]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        relative = path.relative_to(root).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, marker, one in _marks(tree):
            if marker == kind:
                found.setdefault(one, []).append(Place(relative, name))
    return {one: tuple(tests) for one, tests in found.items()}


def _marks(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for decorator in node.decorator_list:
            match decorator:
                case ast.Call(
                    func=ast.Attribute(value=ast.Attribute(attr="mark"), attr=marker),
                    args=words,
                ) if marker in KINDS:
                    for word in words:
                        yield node.name, marker, str(ast.literal_eval(word))
                case _:
                    pass
