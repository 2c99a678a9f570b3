"""What an API server's refusal means to us: the reason decides before the code.

ApiError
├── Unreachable       no answer                   retry the call, then back off
│   └── Unsent        no connection came about    the same, whatever the verb
├── TooManyRequests   429                         wait as told
├── ServerError       5xx                         retry if idempotent, back off
├── Conflict          409 Conflict                look again soon, anew
├── AlreadyExists     409 AlreadyExists           one live GET decides
├── NotFound          404                         done for a delete
├── Gone              410                         list again
├── Invalid           400, 413, 422               final for this generation
├── Forbidden         403                         long back-off
├── Unauthorized      401                         long back-off
└── Fenced            nothing was sent            the lease is not ours (any more)
"""

# ruff: noqa: N818 (the names are the API's own reasons, which end in no "Error")

from collections.abc import Mapping
from typing import Final

import attrs
import orjson

from mpiop.k8s.transport import Reply
from mpiop.reconcile.mpijob import Json
from mpiop.reconcile.reading import dig, integer, items, text


@attrs.define(eq=False)
class ApiError(Exception):
    """A call that did not succeed.

    Attributes:
        status: HTTP code, 0 where no answer came.
        reason: `metav1.Status.reason`, "" where the body is no Status.
        details: `metav1.Status.details`.
        retry_after: seconds that the server asks to wait.
    """

    status: int
    reason: str
    message: str
    details: Json = attrs.field(factory=dict, repr=False)
    retry_after: float | None = None

    def __str__(self) -> str:
        """Read as `404 NotFound: pods "a" not found`."""
        return f"{self.status} {self.reason}: {self.message}"


class Unreachable(ApiError):
    """No answer came; whether the request was carried out is not known."""


class Unsent(Unreachable):
    """No connection came about, so the request was certainly not carried out."""


class TooManyRequests(ApiError):
    """The server asks for fewer requests; this one was not carried out."""


class ServerError(ApiError):
    """The server failed."""


class Conflict(ApiError):
    """A resourceVersion or another precondition does not hold (any more)."""


class AlreadyExists(ApiError):
    """The name is taken."""


class NotFound(ApiError):
    """The object, its namespace or its kind is not there."""


class Gone(ApiError):
    """The resourceVersion is too old for the server's memory."""


class Invalid(ApiError):
    """The request as such cannot be carried out; the same again would fail again."""


class Forbidden(ApiError):
    """RBAC, quota or admission says no."""

    @property
    def namespace_terminating(self) -> bool:
        """Whether it says no because the namespace is being deleted."""
        return any(
            text(cause, "reason") == "NamespaceTerminating"
            for cause in items(self.details, "causes")
        )


class Unauthorized(ApiError):
    """The credentials are not accepted."""


class Fenced(ApiError):
    """Nothing was sent, because the right to write has lapsed."""


BY_REASON: Final[Mapping[str, type[ApiError]]] = {
    "AlreadyExists": AlreadyExists,
    "BadRequest": Invalid,
    "Conflict": Conflict,
    "Expired": Gone,
    "Forbidden": Forbidden,
    "Gone": Gone,
    "InternalError": ServerError,
    "Invalid": Invalid,
    "MethodNotAllowed": Invalid,
    "NotAcceptable": Invalid,
    "NotFound": NotFound,
    "RequestEntityTooLarge": Invalid,
    "ServerTimeout": ServerError,
    "ServiceUnavailable": ServerError,
    "StorageReadinessTimeout": ServerError,
    "StoreReadError": ServerError,
    "Timeout": ServerError,
    "TooManyRequests": TooManyRequests,
    "Unauthorized": Unauthorized,
    "UnsupportedMediaType": Invalid,
}
BY_CODE: Final[Mapping[int, type[ApiError]]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: Invalid,
    406: Invalid,
    409: Conflict,
    410: Gone,
    413: Invalid,
    415: Invalid,
    422: Invalid,
    429: TooManyRequests,
}
_SERVER_ERRORS: Final = 500
_TEXT: Final = 500


def from_status(status: Json, retry_after: float | None = None) -> ApiError:
    """Turn a metav1.Status into the error that says whose turn it is."""
    code, reason = integer(status, "code"), text(status, "reason")
    kind = BY_REASON.get(reason) or BY_CODE.get(code)
    if kind is None:
        kind = ServerError if code >= _SERVER_ERRORS else ApiError
    details = dig(status, "details")
    found = details if isinstance(details, Mapping) else {}
    wait = integer(found, "retryAfterSeconds") or None
    return kind(
        code,
        reason,
        text(status, "message"),
        found,
        retry_after if retry_after is not None else wait,
    )


def from_reply(reply: Reply) -> ApiError:
    """Turn an answer that is no success into an error; any body will do."""
    try:
        body = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        body = reply.body.decode(errors="replace")[:_TEXT]
    if isinstance(body, dict) and body.get("kind") == "Status":
        return from_status({**body, "code": reply.status}, reply.retry_after)
    return from_status({"code": reply.status, "message": str(body)}, reply.retry_after)
