"""Structural schemas of custom resources: pruning and defaulting.

A schema is the plain dictionary of a CustomResourceDefinition's openAPIV3Schema.
"""

from collections.abc import Mapping
from typing import Any, Final

from .cloning import clone
from .structure import named
from .walker import Walker

Schema = Mapping[str, Any]
PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"
EMBEDDED: Final = "x-kubernetes-embedded-resource"
_IDENTITY: Final = ("apiVersion", "kind")
_OBJECT_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"


def child(schema: Schema, key: str) -> Schema | None:
    """Give the schema of an object's entry; None for an unknown one."""
    properties = schema.get("properties", {})
    if key in properties:
        found: Schema = properties[key]
        return found
    additional = schema.get("additionalProperties")
    if isinstance(additional, Mapping):
        return additional
    return {PRESERVE: True} if additional is True else None


def prune(schema: Schema, obj: dict[str, Any]) -> list[str]:
    """Drop unknown fields of a whole object in place; name each.

    Raises:
        DecodeError: metadata has a value of the wrong type.
    """
    walker = Walker()
    _prune_resource(schema, obj, "", walker)
    return walker.unknown


def _prune_resource(
    schema: Schema, obj: dict[str, Any], path: str, walker: Walker
) -> None:
    outside = {key: obj.pop(key) for key in (*_IDENTITY, "metadata") if key in obj}
    _prune(schema, obj, path, walker.unknown)
    rest = dict(obj)
    obj.clear()
    if outside.get("metadata") is not None:
        where = f"{path}.metadata" if path else "metadata"
        outside["metadata"] = walker.value(
            named(_OBJECT_META), outside["metadata"], where
        )
    obj.update(outside | rest)
    if path:
        return
    for key in [k for k, v in outside.items() if v is None]:
        del obj[key]


def _prune(schema: Schema, value: Any, path: str, unknown: list[str]) -> None:  # noqa: ANN401
    if isinstance(value, list):
        for index, item in enumerate(value):
            _prune_any(schema.get("items", {}), item, f"{path}[{index}]", unknown)
    if not isinstance(value, dict):
        return
    for key in list(value):
        where = f"{path}.{key}" if path else key
        known = child(schema, key)
        if known is not None:
            if value[key] is None and not known.get("nullable"):
                # Nulls that no schema allows vanish before defaults come.
                if PRESERVE not in known or "type" in known:
                    del value[key]
                continue
            _prune_any(known, value[key], where, unknown)
        elif not schema.get(PRESERVE):
            del value[key]
            unknown.append(f'unknown field "{where}"')


def _prune_any(schema: Schema, value: Any, path: str, unknown: list[str]) -> None:  # noqa: ANN401
    if schema.get(EMBEDDED) and isinstance(value, dict):
        walker = Walker(unknown)
        _prune_resource(schema, value, path, walker)
    else:
        _prune(schema, value, path, unknown)


def fill(schema: Schema, value: Any) -> None:  # noqa: ANN401
    """Put in the defaults of a schema, nested ones included, in place."""
    if isinstance(value, list):
        for item in value:
            fill(schema.get("items", {}), item)
    if not isinstance(value, dict):
        return
    for key, known in schema.get("properties", {}).items():
        if "default" in known and (
            key not in value or (value[key] is None and not known.get("nullable"))
        ):
            value[key] = clone(known["default"])
    for key, entry in value.items():
        if (known := child(schema, key)) is not None:
            fill(known, entry)
