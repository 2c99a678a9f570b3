"""Which error an answer becomes, by enumeration; and which outcome an error."""

import http
import inspect

import orjson
import pytest
from kubernetes.client import exceptions

from mpiop.k8s import errors
from mpiop.k8s.outcomes import OUTCOMES
from mpiop.k8s.transport import Reply

LEAVES = {
    found
    for _, found in inspect.getmembers(errors, inspect.isclass)
    if issubclass(found, errors.ApiError)
}
# metav1.StatusReason as of Kubernetes 1.35.
REASONS = {
    "AlreadyExists",
    "BadRequest",
    "Conflict",
    "Expired",
    "Forbidden",
    "Gone",
    "InternalError",
    "Invalid",
    "MethodNotAllowed",
    "NotAcceptable",
    "NotFound",
    "RequestEntityTooLarge",
    "ServerTimeout",
    "ServiceUnavailable",
    "StorageReadinessTimeout",
    "StoreReadError",
    "Timeout",
    "TooManyRequests",
    "Unauthorized",
    "UnsupportedMediaType",
}


def status(code: int, reason: str, **more: object) -> Reply:
    body = {"kind": "Status", "reason": reason, "message": "why", **more}
    return Reply(code, orjson.dumps(body))


def test_every_reason_has_an_error() -> None:
    """No reason of the API falls through to the bare error."""
    assert set(errors.BY_REASON) == REASONS


def test_reason_decides_before_the_code() -> None:
    """409 is two things; the reason tells which."""
    assert type(errors.from_reply(status(409, "AlreadyExists"))) is errors.AlreadyExists
    assert type(errors.from_reply(status(409, "Conflict"))) is errors.Conflict
    assert type(errors.from_reply(status(409, ""))) is errors.Conflict
    assert type(errors.from_reply(status(500, "NotFound"))) is errors.NotFound


@pytest.mark.parametrize("code", [code.value for code in http.HTTPStatus])
def test_every_failing_code_has_an_error(code: int) -> None:
    """Without a Status the code decides; 5xx is the server's failure."""
    found = errors.from_reply(Reply(code, b"<html>"))
    assert found.status == code
    assert found.message == "<html>"
    if code >= 500:
        assert type(found) is errors.ServerError


def test_every_exception_of_the_client_has_a_counterpart() -> None:
    """Each status class of the official client maps to an error of ours."""
    codes = {
        "BadRequestException": 400,
        "UnauthorizedException": 401,
        "ForbiddenException": 403,
        "NotFoundException": 404,
        "ConflictException": 409,
        "UnprocessableEntityException": 422,
        "ServiceException": 500,
    }
    classes = {
        name
        for name, found in inspect.getmembers(exceptions, inspect.isclass)
        if issubclass(found, exceptions.ApiException)
    }
    assert classes == {"ApiException", *codes}
    for code in codes.values():
        assert type(errors.from_reply(Reply(code, b""))) is not errors.ApiError


def test_every_error_has_an_outcome() -> None:
    """The queue knows what to do after each leaf of the tree."""
    assert set(OUTCOMES) == LEAVES


def test_the_tree_is_drawn() -> None:
    """The module's docstring names every leaf."""
    assert all(leaf.__name__ in (errors.__doc__ or "") for leaf in LEAVES)


def test_waits_are_read() -> None:
    """The header says how long to wait, else the Status does."""
    asked = Reply(429, b"", retry_after=7.0)
    assert errors.from_reply(asked).retry_after == 7.0
    told = status(429, "TooManyRequests", details={"retryAfterSeconds": 3})
    assert errors.from_reply(told).retry_after == 3
    assert str(errors.from_reply(told)) == "429 TooManyRequests: why"


def test_a_terminating_namespace_is_told() -> None:
    """403 in a namespace that goes is told from a right that is missing."""
    causes = [{"reason": "NamespaceTerminating"}]
    going = errors.from_reply(status(403, "Forbidden", details={"causes": causes}))
    assert isinstance(going, errors.Forbidden)
    assert going.namespace_terminating
    denied = errors.from_reply(status(403, "Forbidden"))
    assert isinstance(denied, errors.Forbidden)
    assert not denied.namespace_terminating
