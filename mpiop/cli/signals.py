"""Ctrl-C and its kin as a message instead of an exception.

Nothing is interrupted in the middle: whoever waits reads the message and ends in
order, and a second Ctrl-C while that goes on changes nothing.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final

from mpiop.cli.feed import Message, Signalled

if TYPE_CHECKING:
    from types import FrameType

ENDING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def as_messages(inbox: "SimpleQueue[Message]") -> Iterator[None]:
    """Put a message for each signal that asks the process to end."""

    def tell(number: int, _frame: "FrameType | None") -> None:
        inbox.put(Signalled(number))  # SimpleQueue.put may be called from a handler

    before = {one: signal.signal(one, tell) for one in ENDING}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
