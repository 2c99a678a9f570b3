"""The operator's way to the embedded API server in the same thread, with faults."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import attrs
import orjson

from mpiop.k8s.errors import ApiError, Unreachable
from mpiop.k8s.transport import Call, Reply, Sent
from mpiop.local.apiserver.wire import Forward, Request, Response, Watch

Handle = Callable[[Request], Response | Watch | Forward]
Disturb = Callable[[str, list[bytes]], list[bytes]]
VERBS = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


class OneByOne:
    """A transport that sends a call when the one before it is answered."""

    def request(self, call: Call) -> Reply:
        raise NotImplementedError(call)

    def request_all(self, calls: Iterator[Call]) -> Iterator[Sent]:
        for index, call in enumerate(calls):
            try:
                sent = Sent(index, call, self.request(call))
            except ApiError as error:
                sent = Sent(index, call, error)
            yield sent


class Crash(BaseException):
    """The operator dies here; nothing may catch it."""


def undisturbed(_path: str, lines: list[bytes]) -> list[bytes]:
    """Deliver watch events as they come."""
    return lines


@attrs.define
class Faults:
    """What goes wrong; writes are counted from 1 over the transport's whole life.

    Attributes:
        crash_before: the operator dies before it sends these writes.
        crash_after: it dies after they are carried out, before it sees the answer.
        lose: their answer is lost; the operator goes on.
        refuse: they are not carried out, and answered like this instead.
        disturb: changes what a watch of a path delivers.
        answer: gives the answer to a call in the server's place; None to pass it on.
    """

    crash_before: set[int] = attrs.field(factory=set)
    crash_after: set[int] = attrs.field(factory=set)
    lose: set[int] = attrs.field(factory=set)
    refuse: dict[int, Reply] = attrs.field(factory=dict)
    disturb: Disturb = undisturbed
    answer: Callable[[Call], Reply | None] = lambda _call: None


def status_reply(code: int, reason: str, retry_after: float | None = None) -> Reply:
    """An API server's refusal."""
    body = {"kind": "Status", "code": code, "reason": reason, "message": reason}
    return Reply(code, orjson.dumps(body), retry_after=retry_after)


@attrs.define
class LocalStream:
    """A watch that never blocks."""

    watch: Watch
    path: str
    faults: Faults

    def read(self) -> Sequence[bytes] | None:
        lines = self.faults.disturb(self.path, self.watch.drain())
        return None if not lines and self.watch.closed else lines

    def close(self) -> None:
        self.watch.close()


@attrs.define
class LocalTransport(OneByOne):
    """Calls the server's `handle`; counts writes by verb and resource."""

    handle: Handle
    faults: Faults = attrs.field(factory=Faults)
    user: str = "system:admin"
    logs: dict[tuple[str, str], str] = attrs.field(factory=dict)
    writes: int = 0
    counts: Counter[tuple[str, str]] = attrs.field(factory=Counter)
    calls: list[Call] = attrs.field(factory=list)
    silences: list[float] = attrs.field(factory=list)
    streams: list[LocalStream] = attrs.field(factory=list)

    def request(self, call: Call) -> Reply:
        self.calls.append(call)
        instead = self.faults.answer(call)
        if instead is not None:
            return instead
        if call.method == "GET":
            return self._answer(call)
        self.writes += 1
        if self.writes in self.faults.crash_before:
            raise Crash(f"before write {self.writes}")
        if self.writes in self.faults.refuse:
            return self.faults.refuse[self.writes]
        number = self.writes
        reply = self._answer(call)
        if ("dryRun", "All") not in call.query:
            self.counts[VERBS[call.method], resource(call.path)] += 1
        if number in self.faults.crash_after:
            raise Crash(f"after write {number}")
        if number in self.faults.lose:
            raise Unreachable(0, "Unreachable", "the answer was lost")
        return reply

    def watch(self, call: Call, silence: float) -> LocalStream | Reply:
        self.calls.append(call)
        self.silences.append(silence)
        instead = self.faults.answer(call)
        if instead is not None:
            return instead
        answer = self.handle(self._request(call))
        if isinstance(answer, Watch):
            self.streams.append(LocalStream(answer, call.path, self.faults))
            return self.streams[-1]
        return self._reply(answer)

    def cut(self) -> None:
        """End every watch, as a server does that goes down."""
        for stream in self.streams:
            stream.close()
        self.streams.clear()

    def close(self) -> None:
        """Nothing is kept open."""

    def _answer(self, call: Call) -> Reply:
        return self._reply(self.handle(self._request(call)))

    def _request(self, call: Call) -> Request:
        headers = {"content-type": call.content_type, "user-agent": "mpiop/test"}
        headers["accept"] = call.accept
        return Request(
            call.method, call.path, call.query, headers, call.body, self.user
        )

    def _reply(self, answer: Response | Watch | Forward) -> Reply:
        if isinstance(answer, Forward):
            name = answer.pod["metadata"]["name"]  # type: ignore[index]
            return Reply(200, self.logs.get((name, answer.container), "").encode())
        assert isinstance(answer, Response)
        body = answer.body
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        wait = answer.headers.get("Retry-After")
        return Reply(answer.status, raw, answer.warnings, float(wait) if wait else None)


def resource(path: str) -> str:
    """Name a path's resource and subresource: `pods`, `mpijobs/status`."""
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    if parts[0] == "namespaces" and len(parts) > 2:
        parts = parts[2:]
    return "/".join([parts[0], *parts[2:3]])


def by_verb(counts: Mapping[tuple[str, str], int]) -> Counter[str]:
    """Sum counts over resources."""
    total: Counter[str] = Counter()
    for (verb, _), number in counts.items():
        total[verb] += number
    return total
