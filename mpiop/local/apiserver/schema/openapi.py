"""OpenAPI documents, as much of them as kubectl reads.

kubectl asks version 3 whether PATCH of a kind takes `fieldValidation` (if so it leaves
validation to the server), which patches it takes, how lists merge, and what `explain`
prints. It asks version 2 only where version 3 has no answer, and does without it.
"""

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

import orjson

from .custom import CustomKind
from .kinds import Builtin, Gvk
from .patch import JSON, MERGE, STRATEGIC
from .structure import RELEASE, definition_name, definitions

_DEFINED: Final = "#/$defs/"
_SERVED: Final = "#/components/schemas/"
_GVK: Final = "x-kubernetes-group-version-kind"
_ACTION: Final = "x-kubernetes-action"
_OBJECT_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_WRITE: Final = ("dryRun", "fieldManager", "fieldValidation")

Kinds = Iterable[Builtin | CustomKind]


def openapi_v3_index(kinds: Kinds) -> dict[str, Any]:
    """Answer GET /openapi/v3: one document per group and version.

    The hash in an address changes with the document, as clients cache by address.
    """
    served: dict[str, list[Builtin | CustomKind]] = {}
    for kind in kinds:
        served.setdefault(kind.gvk.group_version, []).append(kind)
    return {
        "paths": {
            _place(version): {
                "serverRelativeURL": f"/openapi/v3/{_place(version)}?hash={_hash(some)}"
            }
            for version, some in sorted(served.items())
        }
    }


def openapi_v3_document(group_version: str, kinds: Kinds) -> dict[str, Any]:
    """Answer GET /openapi/v3/api/v1 or /openapi/v3/apis/<group>/<version>.

    Kinds of other versions are ignored. Without any kind: answer 404 instead.
    """
    mine = [kind for kind in kinds if kind.gvk.group_version == group_version]
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for kind in mine:
        if isinstance(kind, CustomKind):
            schemas[_name(kind)] = _custom(kind)
            _collect(_OBJECT_META, schemas)
        else:
            _collect(_name(kind), schemas)
        paths.update(_paths(kind))
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": RELEASE},
        "paths": paths,
        "components": {"schemas": schemas},
    }


def openapi_v2() -> bytes | None:
    """Answer GET /openapi/v2; None: answer 404, kubectl does without."""
    return None


def _place(group_version: str) -> str:
    prefix = "apis" if "/" in group_version else "api"
    return f"{prefix}/{group_version}"


def _hash(kinds: Kinds) -> str:
    digest = hashlib.sha256(RELEASE.encode())
    for kind in kinds:
        digest.update(kind.gvk.kind.encode())
        if isinstance(kind, CustomKind):
            digest.update(orjson.dumps(kind.schema))
    return digest.hexdigest().upper()


def _name(kind: Builtin | CustomKind) -> str:
    if not isinstance(kind, CustomKind):
        return definition_name(kind.gvk)
    group = ".".join(reversed(kind.gvk.group.split(".")))
    return f"{group}.{kind.gvk.version}.{kind.gvk.kind}"


def _collect(name: str, schemas: dict[str, Any]) -> None:
    """Add a built-in type and all that it refers to."""
    if name in schemas:
        return
    schemas[name] = _builtin_schema(name)
    for other in _references(definitions()[name]):
        _collect(other, schemas)


def _references(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        ref = schema.get("$ref")
        if isinstance(ref, str):
            yield ref.removeprefix(_DEFINED)
        for part in schema.values():
            yield from _references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _references(part)


@cache
def _builtin_schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = _translated(definitions()[name])
    if _GVK in schema:
        for field in ("apiVersion", "kind"):
            schema.get("properties", {}).get(field, {}).pop("enum", None)
    return schema


def _translated(schema: Any) -> Any:  # noqa: ANN401
    """Turn a bundled JSON schema into OpenAPI 3.0: single types, served references."""
    if isinstance(schema, list):
        return [_translated(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _translated(part) for key, part in schema.items()}
    if isinstance(schema.get("type"), list):
        result["type"] = schema["type"][0]
    if isinstance(ref := schema.get("$ref"), str):
        target = {"$ref": ref.replace(_DEFINED, _SERVED)}
        del result["$ref"]
        # Version 3.0 ignores what stands beside a reference.
        return result | {"allOf": [target]} if result else target
    return result


def _custom(kind: CustomKind) -> dict[str, Any]:
    schema = dict(kind.schema)
    text = {"type": "string"}
    schema["properties"] = {
        "apiVersion": text,
        "kind": text,
        **schema.get("properties", {}),
        "metadata": {"allOf": [{"$ref": _SERVED + _OBJECT_META}]},
    }
    schema[_GVK] = [_gvk(kind.gvk)]
    return schema


def _gvk(gvk: Gvk) -> dict[str, str]:
    return {"group": gvk.group, "kind": gvk.kind, "version": gvk.version}


def _paths(kind: Builtin | CustomKind) -> dict[str, Any]:
    root = f"/{_place(kind.gvk.group_version)}"
    one = f"{root}/namespaces/{{namespace}}" if kind.namespaced else root
    collection = f"{one}/{kind.plural}"
    if not kind.stored:
        return {collection: {"post": _operation(kind, "post")}}
    return {
        collection: {
            "get": _operation(kind, "list"),
            "post": _operation(kind, "post"),
        },
        f"{collection}/{{name}}": {
            verb: _operation(kind, verb) for verb in ("get", "put", "patch", "delete")
        },
    }


def _operation(kind: Builtin | CustomKind, action: str) -> dict[str, Any]:
    schema = {"$ref": _SERVED + _name(kind)}
    content = {"application/json": {"schema": schema}}
    operation: dict[str, Any] = {
        "responses": {"200": {"description": "OK", "content": content}},
        _ACTION: action,
        _GVK: _gvk(kind.gvk),
    }
    if action in {"post", "put", "patch"}:
        operation["parameters"] = [
            {
                "name": name,
                "in": "query",
                "schema": {"type": "string", "uniqueItems": True},
            }
            for name in _WRITE
        ]
        media = ["application/json"]
        if action == "patch":
            strategic = [] if isinstance(kind, CustomKind) else [STRATEGIC]
            media = [JSON, MERGE, *strategic]
        operation["requestBody"] = {
            "content": {one: {"schema": schema} for one in media}
        }
    return operation
