"""Refusals, as Status objects in the words of a real API server."""

from collections.abc import Sequence
from typing import Any, Protocol

import orjson

from .schema import FieldError


class Named(Protocol):
    """What an error message needs to know of a resource."""

    @property
    def group(self) -> str:
        """The API group, empty for core."""

    @property
    def plural(self) -> str:
        """The resource, as in paths."""

    @property
    def kind_name(self) -> str:
        """The kind of its objects."""


class StatusError(Exception):
    """An answer other than success; `status()` is its body."""

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def status(self) -> dict[str, Any]:
        """Give the Status object; keys in the order in which real servers send them."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        return {**body, "code": self.code}


def success(details: dict[str, Any]) -> dict[str, Any]:
    """Give the Status object of a deletion that is complete."""
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    }


def qualified(resource: Named) -> str:
    """Name a resource as messages do: `pods`, `jobs.batch`."""
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def _details(resource: Named, name: str) -> dict[str, Any]:
    details = {"name": name, "group": resource.group, "kind": resource.plural}
    return {key: value for key, value in details.items() if value}


def not_found(resource: Named, name: str) -> StatusError:
    """The object does not exist: 404."""
    message = f'{qualified(resource)} "{name}" not found'
    return StatusError(404, "NotFound", message, _details(resource, name))


def no_such_path() -> StatusError:
    """Nothing is served under this path: 404."""
    message = "the server could not find the requested resource"
    return StatusError(404, "NotFound", message)


def already_exists(resource: Named, name: str, *, deleting: bool) -> StatusError:
    """The name is taken, perhaps by an object that is being deleted: 409."""
    message = f'{qualified(resource)} "{name}" already exists'
    prefix = "object is being deleted: " if deleting else ""
    details = _details(resource, name)
    return StatusError(409, "AlreadyExists", prefix + message, details)


def conflict(resource: Named, name: str, why: str = "") -> StatusError:
    """The write is based on another state or another incarnation: 409."""
    why = why or (
        "the object has been modified; please apply your changes to the latest "
        "version and try again"
    )
    message = f'Operation cannot be fulfilled on {qualified(resource)} "{name}": {why}'
    return StatusError(409, "Conflict", message, _details(resource, name))


def other_than_meant(resource: Named, name: str, why: str) -> StatusError:
    """A deletion's precondition does not hold: 409, by the kind's name."""
    kind = resource.kind_name + (f".{resource.group}" if resource.group else "")
    message = f'Operation cannot be fulfilled on {kind} "{name}": {why}'
    details = _details(resource, name) | {"kind": resource.kind_name}
    return StatusError(409, "Conflict", message, details)


def bad_request(message: str) -> StatusError:
    """The request makes no sense: 400."""
    return StatusError(400, "BadRequest", message)


def forbidden(resource: Named, name: str, why: str) -> StatusError:
    """The request is understood and refused: 403."""
    subject = f'{qualified(resource)} "{name}"' if name else qualified(resource)
    message = f"{subject} is forbidden: {why}"
    return StatusError(403, "Forbidden", message, _details(resource, name))


def invalid(resource: Named, name: str, errors: Sequence[FieldError]) -> StatusError:
    """The object breaks rules of its kind: 422, every cause named."""
    kind = resource.kind_name + (f".{resource.group}" if resource.group else "")
    details = _details(resource, name) | {"kind": resource.kind_name}
    return _unprocessable(f'{kind} "{name}"', details, errors)


def version_missing(resource: Named, name: str) -> StatusError:
    """The kind is never updated unconditionally: 422, by the resource's name."""
    message = "Invalid value: 0: must be specified for an update"
    error = FieldError("metadata.resourceVersion", "FieldValueInvalid", message)
    details = _details(resource, name)
    return _unprocessable(f'{qualified(resource)} "{name}"', details, [error])


def invalid_patch(patched: dict[str, Any], why: str) -> StatusError:
    """The patched object cannot be decoded: 422, as real servers word it."""
    text = orjson.dumps(orjson.dumps(patched).decode()).decode()
    message = f"Invalid value: {text}: {why}"
    return _unprocessable('""', {}, [FieldError("patch", "FieldValueInvalid", message)])


def _unprocessable(
    subject: str, details: dict[str, Any], errors: Sequence[FieldError]
) -> StatusError:
    listed = list(dict.fromkeys(str(error) for error in errors))
    text = listed[0] if len(listed) == 1 else f"[{', '.join(listed)}]"
    causes = [error.cause() for error in errors]
    message = f"{subject} is invalid: {text}"
    return StatusError(422, "Invalid", message, details | {"causes": causes})


def not_allowed() -> StatusError:
    """The resource exists and has no such verb: 405."""
    message = "the server does not allow this method on the requested resource"
    return StatusError(405, "MethodNotAllowed", message)


def not_implemented(what: str) -> StatusError:
    """A real server has it, this one does not: 501."""
    message = f"the embedded API server does not implement {what}"
    return StatusError(501, "NotImplemented", message)


def unsupported_media(accepted: str) -> StatusError:
    """The body is in a format that is not read here: 415."""
    message = (
        "the body of the request was in an unknown format - accepted media types "
        f"include: {accepted}"
    )
    return StatusError(415, "UnsupportedMediaType", message)


def expired(message: str) -> StatusError:
    """The history needed is no longer kept: 410."""
    return StatusError(410, "Expired", message)
