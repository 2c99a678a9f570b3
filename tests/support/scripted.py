"""A transport that answers from a script and notes what it was asked."""

from collections.abc import Sequence

import attrs
import orjson

from mpiop.k8s.transport import Call, Reply
from tests.support.transport import OneByOne

Answer = Reply | Exception


def listing(*names: str, version: int = 1, more: str = "") -> Reply:
    """A page of Pods; each object's version is that of the list."""
    body = {
        "metadata": {"resourceVersion": str(version), "continue": more},
        "items": [pod(name, version) for name in names],
    }
    return Reply(200, orjson.dumps(body))


def pod(name: str, version: int, uid: str = "") -> dict[str, object]:
    """A Pod of the job with uid `job`."""
    meta = {
        "name": name,
        "namespace": "default",
        "uid": uid or f"uid-{name}",
        "resourceVersion": str(version),
        "labels": {"mpiop/job-uid": "job"},
    }
    return {"metadata": meta}


def event(kind: str, name: str, version: int) -> bytes:
    """One line of a watch."""
    return orjson.dumps({"type": kind, "object": pod(name, version)})


def failure(code: int, reason: str) -> bytes:
    """The line with which a watch says that it cannot go on."""
    status = {"kind": "Status", "code": code, "reason": reason}
    return orjson.dumps({"type": "ERROR", "object": status})


@attrs.define
class ScriptedStream:
    """Gives one batch of lines per read; then nothing, or the end."""

    batches: list[Sequence[bytes]]
    ends: bool = False
    closed: bool = False

    def read(self) -> Sequence[bytes] | None:
        if self.closed or (not self.batches and self.ends):
            return None
        return self.batches.pop(0) if self.batches else []

    def close(self) -> None:
        self.closed = True


@attrs.define
class Scripted(OneByOne):
    """Answers each call by the next entry, the last entry again and again."""

    answers: list[Answer] = attrs.field(factory=list)
    streams: list[ScriptedStream | Answer] = attrs.field(factory=list)
    calls: list[Call] = attrs.field(factory=list)

    def request(self, call: Call) -> Reply:
        self.calls.append(call)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def watch(self, call: Call, silence: float) -> ScriptedStream | Reply:
        assert silence > 0
        self.calls.append(call)
        answer = self.streams.pop(0) if len(self.streams) > 1 else self.streams[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Nothing is kept open."""

    def asked(self) -> list[str]:
        """What was asked, in order: `list`, `more`, or `watch` and from where."""
        found = []
        for call in self.calls:
            query = dict(call.query)
            if "watch" in query:
                found.append(f"watch {query['resourceVersion']}")
            else:
                found.append("more" if "continue" in query else "list")
        return found
