"""CEL rules of a custom resource's schema (x-kubernetes-validations).

The engine is imported at the first rule: with all it brings it takes 0.15 s.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from .errors import FieldError, duplicate, forbidden, invalid, required
from .json_patch import same
from .openapi_check import correlate
from .structural import Schema, child

if TYPE_CHECKING:
    import cel

RULES: Final = "x-kubernetes-validations"
_OLD: Final = "oldSelf"


@cache
def program(source: str) -> "cel.Program":
    """Compile an expression once.

    Raises:
        ValueError: the expression is malformed, or uses syntax that is not understood
            here (the optional operators `.?` and `[?]`).
    """
    import cel

    return cel.compile(source)


def has_rules(schema: Schema) -> bool:
    """Tell whether there is any rule in a schema, so that most need no walk."""
    return bool(
        schema.get(RULES)
        or any(map(has_rules, schema.get("properties", {}).values()))
        or any(
            has_rules(schema[key])
            for key in ("items", "additionalProperties")
            if isinstance(schema.get(key), Mapping)
        )
    )


def check_rules(
    schema: Schema,
    value: Any,  # noqa: ANN401
    path: str,
    old: Any = None,  # noqa: ANN401
) -> Iterator[FieldError]:
    """Evaluate the rules of a valid value and of all within it.

    Transition rules (those that name oldSelf) count only where the old object has a
    value at the same place. A rule on an unchanged value is not judged again.
    """
    if value is None or (old is not None and same(old, value)):
        return
    for rule in schema.get(RULES, ()):
        error = _judge(rule, schema, path, _variables(value, old))
        if error is not None:
            yield error
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for key, entry in value.items():
            known = child(schema, key)
            if known is not None:
                named = key in schema.get("properties", {})
                where = _join(path, key) if named else f"{path}[{key}]"
                yield from check_rules(known, entry, where, before.get(key))
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            before = correlate(schema, item, old)
            yield from check_rules(schema["items"], item, f"{path}[{index}]", before)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _variables(value: object, old: object) -> dict[str, Any]:
    return {"self": value} if old is None else {"self": value, _OLD: old}


def _evaluate(source: str, variables: dict[str, Any]) -> object:
    import cel
    from cel.stdlib import add_stdlib_to_context

    context = cel.Context(variables)
    add_stdlib_to_context(context)
    return program(source).execute(context)


def _judge(
    rule: Mapping[str, Any], schema: Schema, path: str, variables: dict[str, Any]
) -> FieldError | None:
    source = rule["rule"].strip()
    if _OLD not in variables and _OLD in program(source).variables():
        return None
    kind = schema.get("type", "")
    told = rule.get("message", "").strip()
    try:
        if _evaluate(source, variables) is True:
            return None
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        why = f"no such key: {error.args[0]}" if isinstance(error, KeyError) else error
        return invalid(path, kind, f"{why} evaluating rule: {told or source}")
    field = path + rule.get("fieldPath", "") if path else rule.get("fieldPath", "")[1:]
    detail = _told(rule, variables) or told or f"failed rule: {source}"
    match rule.get("reason"):
        case "FieldValueForbidden":
            return forbidden(field, detail)
        case "FieldValueRequired":
            return required(field, detail)
        case "FieldValueDuplicate":
            return duplicate(field, kind)
        case _:
            return invalid(field, kind, detail)


def _told(rule: Mapping[str, Any], variables: dict[str, Any]) -> str:
    source = rule.get("messageExpression", "").strip()
    if not source:
        return ""
    try:
        text = _evaluate(source, variables)
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError):
        return ""  # the real server logs it and falls back to the fixed message
    return text.strip() if isinstance(text, str) and "\n" not in text else ""
