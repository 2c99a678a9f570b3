"""The shape of built-in kinds: types, lists and merge keys, from bundled schemas."""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any, Final

import attrs
import orjson

from .kinds import Gvk

RELEASE: Final = "v1.35.0"
"""The Kubernetes version whose schemas are served."""

_FORMS: Final = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ("quantity", "resource.Quantity"),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": (
        "int-or-string",
        "intstr.IntOrString",
    ),
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": ("time", "time.Time"),
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": ("microtime", "time.Time"),
}
_SIMPLE: Final = {
    ("integer", ""): ("int", "int"),
    ("integer", "int32"): ("int", "int32"),
    ("integer", "int64"): ("int", "int64"),
    ("number", ""): ("float", "float64"),
    ("number", "double"): ("float", "float64"),
    ("boolean", ""): ("bool", "bool"),
    ("string", ""): ("string", "string"),
    ("string", "byte"): ("byte", "[]uint8"),
    ("any", ""): ("any", "interface {}"),
}


@attrs.define(eq=False)
class Node:
    """One type; `form` is struct, map, list, string, bool, int, float or a special."""

    form: str
    go: str
    fields: dict[str, "Node"] = attrs.field(factory=dict)
    required: frozenset[str] = frozenset()
    item: "Node | None" = None
    merge_key: str = ""
    strategy: frozenset[str] = frozenset()

    @property
    def struct(self) -> str:
        """The name of the type without its package."""
        return self.go.rpartition(".")[2]


@cache
def definitions() -> dict[str, Any]:
    """Load the schema of every built-in type, by its OpenAPI name."""
    # The package is located, not imported: importing it costs more than loading.
    spec = importlib.util.find_spec("kubernetes_validate")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("kubernetes_validate (extra mpiop[local])")
    folder = Path(spec.submodule_search_locations[0]) / "kubernetes-json-schema"
    path = folder / f"{RELEASE}-local" / "_definitions.json"
    loaded: dict[str, Any] = orjson.loads(path.read_bytes())["$defs"]
    return loaded


@cache
def _names() -> dict[tuple[str, str, str], str]:
    return {
        (gvk["group"], gvk["version"], gvk["kind"]): name
        for name, schema in definitions().items()
        for gvk in schema.get("x-kubernetes-group-version-kind", ())
    }


def definition_name(gvk: Gvk) -> str:
    """Name the type of a built-in kind.

    Raises:
        KeyError: no such kind in this release.
    """
    return _names()[gvk.group, gvk.version, gvk.kind]


@cache
def structure(gvk: Gvk) -> Node:
    """Give the shape of a built-in kind.

    Raises:
        KeyError: no such kind in this release.
    """
    return named(definition_name(gvk))


_nodes: Final[dict[str, Node]] = {}


def named(name: str) -> Node:
    """Give the shape of a type by its OpenAPI name, built once."""
    if name in _nodes:
        return _nodes[name]
    if name in _FORMS:
        form, go = _FORMS[name]
        return _nodes.setdefault(name, Node(form, go))
    package, _, struct = name.rpartition(".")
    node = Node("any", f"{package.rpartition('.')[2]}.{struct}")
    _nodes[name] = node  # before its fields: types may contain themselves
    schema = definitions()[name]
    if "properties" in schema:
        node.form = "struct"
        node.required = frozenset(schema.get("required", ()))
        node.fields = {k: _node(v) for k, v in schema["properties"].items()}
    elif (types := _types(schema)) and types[0] in {"string", "array"}:
        _nodes[name] = _node(schema)
        return _nodes[name]
    return node


def _types(schema: dict[str, Any]) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else types


def _node(schema: dict[str, Any]) -> Node:
    if "$ref" in schema:
        return named(schema["$ref"].rpartition("/")[2])
    kind = (_types(schema) or ["any"])[0]
    if kind == "array":
        return _list(schema)
    if kind == "object" and "additionalProperties" in schema:
        item = _node(schema["additionalProperties"])
        return Node("map", f"map[string]{item.go}", item=item)
    form, go = _SIMPLE.get((kind, schema.get("format", "")), _SIMPLE["any", ""])
    return Node(form, go)


def _list(schema: dict[str, Any]) -> Node:
    item = _node(schema["items"])
    strategy = schema.get("x-kubernetes-patch-strategy", "")
    return Node(
        "list",
        f"[]{item.go}",
        item=item,
        merge_key=schema.get("x-kubernetes-patch-merge-key", ""),
        strategy=frozenset(strategy.split(",")) if strategy else frozenset(),
    )
