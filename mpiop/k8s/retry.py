"""Tries one HTTP call a few times: the only file that imports tenacity.

What a second try cannot mend (conflicts, refusals, names that are taken) is left to
the work queue, which comes back with a new snapshot.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception

from mpiop.k8s.clock import Clock
from mpiop.k8s.errors import (
    ApiError,
    ServerError,
    TooManyRequests,
    Unreachable,
    Unsent,
)

ATTEMPTS: Final = 4
LONGEST_SECONDS: Final = 10.0
FIRST_SECONDS: Final = 0.1

T = TypeVar("T")


def retried(call: Callable[[], T], clock: Clock, *, idempotent: bool) -> T:
    """Call until it succeeds, at most four times and for ten seconds of waiting.

    A connection that did not come about and a 429 are tried again always, a lost
    answer and a 5xx only where the call may be carried out twice. A POST whose answer
    was lost is not: AlreadyExists tells later what came of it.

    Raises:
        ApiError: the last one.
    """
    try:
        return call()  # nearly always all: what follows costs more than the rest of it
    except ApiError as error:
        first = [error]

    def again() -> T:
        if first:
            raise first.pop()
        return call()

    def worth_it(error: BaseException) -> bool:
        if isinstance(error, Unsent | TooManyRequests):
            return True
        return idempotent and isinstance(error, Unreachable | ServerError)

    def wait(state: RetryCallState) -> float:
        pause = clock.jitter(FIRST_SECONDS * 4.0 ** (state.attempt_number - 1))
        error = state.outcome.exception() if state.outcome else None
        told = error.retry_after if isinstance(error, ApiError) else None
        return pause if told is None else max(pause, told)

    def enough(state: RetryCallState) -> bool:
        waited = state.idle_for + state.upcoming_sleep
        return state.attempt_number >= ATTEMPTS or waited > LONGEST_SECONDS

    return Retrying(
        sleep=clock.sleep,
        stop=enough,
        wait=wait,
        retry=retry_if_exception(worth_it),
        reraise=True,
    )(again)
