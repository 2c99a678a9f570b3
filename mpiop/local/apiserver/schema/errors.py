"""What is wrong with an object, in the words of a real API server."""

from collections.abc import Iterable
from typing import Any, Literal

import attrs
import orjson

Reason = Literal[
    "FieldValueRequired",
    "FieldValueInvalid",
    "FieldValueTypeInvalid",
    "FieldValueNotSupported",
    "FieldValueForbidden",
    "FieldValueDuplicate",
    "FieldValueTooLong",
    "FieldValueTooMany",
    "FieldValueNotFound",
    "InternalError",
]


@attrs.frozen
class FieldError:
    """One cause of a 422 answer; `str()` gives what the Status message joins."""

    field: str
    reason: Reason
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"

    def cause(self) -> dict[str, Any]:
        """Give the entry of `status.details.causes`."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


def shown(value: object) -> str:
    """Write a value as an error message shows it."""
    return orjson.dumps(value).decode()


def _joined(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head


def required(field: str, detail: str = "") -> FieldError:
    """Say that a field is missing."""
    return FieldError(field, "FieldValueRequired", _joined("Required value", detail))


def invalid(field: str, value: object, detail: str) -> FieldError:
    """Say that a value is malformed or out of bounds."""
    head = f"Invalid value: {shown(value)}"
    return FieldError(field, "FieldValueInvalid", _joined(head, detail))


def type_invalid(field: str, value: object, detail: str) -> FieldError:
    """Say that a custom resource's value has another type than its schema wants."""
    return attrs.evolve(invalid(field, value, detail), reason="FieldValueTypeInvalid")


def not_supported(field: str, value: object, choices: Iterable[object]) -> FieldError:
    """Say that a value is none of the values there are."""
    texts = ", ".join(shown(c if isinstance(c, str) else shown(c)) for c in choices)
    head = f"Unsupported value: {shown(value)}"
    detail = f"supported values: {texts}"
    return FieldError(field, "FieldValueNotSupported", _joined(head, detail))


def forbidden(field: str, detail: str) -> FieldError:
    """Say that a value may not be there, or not be changed."""
    return FieldError(field, "FieldValueForbidden", f"Forbidden: {detail}")


def duplicate(field: str, value: object) -> FieldError:
    """Say that a value is there twice."""
    return FieldError(field, "FieldValueDuplicate", f"Duplicate value: {shown(value)}")


def not_found(field: str, value: object) -> FieldError:
    """Say that a value refers to nothing."""
    return FieldError(field, "FieldValueNotFound", f"Not found: {shown(value)}")


def too_long(field: str, limit: int) -> FieldError:
    """Say that a text is too long."""
    message = f"Too long: may not be more than {limit} bytes"
    return FieldError(field, "FieldValueTooLong", message)


def too_many(field: str, count: int, limit: int) -> FieldError:
    """Say that a list or map has too many entries."""
    message = f"Too many: {count}: must have at most {limit} items"
    return FieldError(field, "FieldValueTooMany", message)


class DecodeError(ValueError):
    """The body has a value of the wrong JSON type: 400 BadRequest."""


class PatchError(Exception):
    """A patch that cannot be applied: HTTP status, Status reason and message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
