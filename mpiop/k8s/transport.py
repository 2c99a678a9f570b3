"""What the shell asks of HTTP: one call, one answer, or a stream of watch events.

Production speaks to a server (`http.py`), tests to an object in memory; nothing above
this protocol can tell which.
"""

from collections.abc import Iterator, Sequence
from typing import Literal, Protocol

import attrs

Method = Literal["GET", "POST", "PATCH", "DELETE", "PUT"]


@attrs.frozen
class Call:
    """One request.

    Attributes:
        body: never shown, it may be a Secret.
        content_type: that of the body.
        accept: in which form the answer is wanted.
        patience: seconds without a byte after which the answer counts as lost, None
            for the transport's own.
    """

    method: Method
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes = attrs.field(default=b"", repr=False)
    content_type: str = "application/json"
    accept: str = "application/json"
    patience: float | None = None


@attrs.frozen
class Reply:
    """One answer.

    Attributes:
        warnings: texts of the `Warning: 299` headers.
        retry_after: seconds that the server asks to wait, None where it does not.
    """

    status: int
    body: bytes = attrs.field(repr=False)
    warnings: tuple[str, ...] = ()
    retry_after: float | None = None


@attrs.frozen
class Sent:
    """What came of one of several calls.

    Attributes:
        index: which of the calls it was.
        answer: or the `errors.ApiError` that is there in its place.
    """

    index: int
    call: Call
    answer: Reply | Exception

    def reply(self) -> Reply:
        """Give the answer.

        Raises:
            errors.ApiError: none came.
        """
        if isinstance(self.answer, Reply):
            return self.answer
        raise self.answer


class Stream(Protocol):
    """An open watch."""

    def read(self) -> Sequence[bytes] | None:
        """Give the events that have come, one JSON document each.

        May block until something comes; a stream that does not block gives none.

        Returns:
            None once the stream has ended, or was silent for longer than allowed.
        """
        ...

    def close(self) -> None:
        """End the stream; a `read` that blocks in another thread returns None."""
        ...


class Transport(Protocol):
    """The way to an API server.

    Methods raise `errors.Unreachable` where no answer comes.
    """

    def request(self, call: Call) -> Reply:
        """Send a call and wait for the whole answer."""
        ...

    def request_all(self, calls: Iterator[Call]) -> Iterator[Sent]:
        """Send calls, several at once; give what came of each, as it comes.

        The first goes alone, each answer lets two more go, up to a limit. A call is
        taken from the iterator when it can be sent, after all that had come was given:
        who takes the answers can end the calls.
        """
        ...

    def watch(self, call: Call, silence: float) -> Stream | Reply:
        """Open a watch; a Reply where the server answers anything but 200.

        Args:
            call: the watch request.
            silence: seconds without a byte after which the stream counts as dead.
        """
        ...

    def close(self) -> None:
        """Give back the connections that are kept open."""
        ...
