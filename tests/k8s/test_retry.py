"""When a call is tried again, and for how long, on a clock that does not wait."""

import pytest

from mpiop.k8s import errors
from mpiop.k8s.retry import retried
from tests.support.timing import FakeTime

ALWAYS = (errors.Unsent, errors.TooManyRequests)
IF_IDEMPOTENT = (errors.Unreachable, errors.ServerError)
NEVER = (
    errors.ApiError,
    errors.Conflict,
    errors.AlreadyExists,
    errors.NotFound,
    errors.Gone,
    errors.Invalid,
    errors.Forbidden,
    errors.Unauthorized,
    errors.Fenced,
)


def tries(failures: list[errors.ApiError], *, idempotent: bool) -> tuple[int, FakeTime]:
    """Call something that fails so often; tell how often it was called."""
    time, left, calls = FakeTime(), list(failures), []

    def call() -> str:
        calls.append(time.seconds)
        if left:
            raise left.pop(0)
        return "done"

    try:
        assert retried(call, time.clock, idempotent=idempotent) == "done"
    except errors.ApiError:
        return -len(calls), time
    return len(calls), time


@pytest.mark.parametrize("kind", [*ALWAYS, *IF_IDEMPOTENT, *NEVER])
@pytest.mark.parametrize("idempotent", [True, False])
def test_what_is_tried_again(kind: type[errors.ApiError], *, idempotent: bool) -> None:
    """A lost answer and a 5xx only where it may be done twice; a refusal never."""
    again = kind in ALWAYS or (kind in IF_IDEMPOTENT and idempotent)
    count, _ = tries([kind(0, "", "")], idempotent=idempotent)
    assert count == (2 if again else -1)


def test_tries_are_bounded() -> None:
    """The fourth failure is the caller's, after growing waits."""
    count, time = tries([errors.ServerError(500, "", "")] * 9, idempotent=True)
    assert count == -4
    assert time.slept == pytest.approx([0.1, 0.4, 1.6])


def test_waits_are_as_told() -> None:
    """Retry-After is honoured while it is short, and left to the queue otherwise."""
    short = errors.TooManyRequests(429, "", "", {}, 3.0)
    count, time = tries([short], idempotent=False)
    assert (count, time.slept) == (2, [3.0])
    long = errors.TooManyRequests(429, "", "", {}, 60.0)
    count, time = tries([long], idempotent=False)
    assert (count, time.slept) == (-1, [])


def test_waiting_is_bounded() -> None:
    """All waits of one call together stay under ten seconds."""
    slow = errors.TooManyRequests(429, "", "", {}, 4.0)
    count, time = tries([slow] * 9, idempotent=True)
    assert (count, time.slept) == (-3, [4.0, 4.0])
