"""What is wrong with an object, in the words of a real API server."""

from typing import Any, Literal

import attrs

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


class DecodeError(ValueError):
    """The body has a value of the wrong JSON type: 400 BadRequest."""


class PatchError(Exception):
    """A patch that cannot be applied: HTTP status, Status reason and message."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
