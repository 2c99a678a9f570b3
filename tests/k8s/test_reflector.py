"""The reflector's machine, against scripted answers on virtual time."""

import logging
from collections.abc import Sequence
from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpiop.k8s.api import Api
from mpiop.k8s.errors import Forbidden, Unreachable
from mpiop.k8s.reflector import Empty, Listed, Reflector, Watching
from mpiop.k8s.store import Key, Store, entry
from mpiop.k8s.transport import Call, Reply
from mpiop.reconcile.actions import KindName
from mpiop.reconcile.views import PodView
from tests.support.scripted import (
    Answer,
    Scripted,
    ScriptedStream,
    event,
    failure,
    listing,
    pod,
)
from tests.support.timing import FakeTime
from tests.support.transport import OneByOne, status_reply

JOB = {"metadata": {"name": "pi", "namespace": "default", "uid": "job"}}


@attrs.define
class World:
    """A reflector of Pods whose job is known."""

    transport: Scripted
    time: FakeTime
    store: Store
    reflector: Reflector
    changed: list[Key]

    def names(self) -> set[str]:
        children = self.store.children("default", "job")
        return {one.name for one in children if isinstance(one, PodView)}

    def refusal(self) -> type:
        return type(self.reflector.refusal)

    def steps(self, count: int) -> list[float]:
        return [self.reflector.step() for _ in range(count)]

    def go_on(self, seconds: float) -> None:
        """Step whenever it is due for so long."""
        end = self.time.seconds + seconds
        while self.time.seconds < end:
            self.time.seconds += max(self.reflector.step(), 0.001)
            assert len(self.transport.calls) < 1000, "it asks in a hot loop"


def world(
    answers: list[Answer],
    streams: list[ScriptedStream | Answer] | None = None,
    kind: KindName = "Pod",
) -> World:
    time, store, changed = FakeTime(), Store(), list[Key]()
    transport = Scripted(answers, streams or [ScriptedStream([])])
    job: dict[str, Any] = orjson.loads(orjson.dumps(JOB))
    store.replace("MPIJob", [entry("MPIJob", job)], 1)
    api = Api(transport, time.clock)
    reflector = Reflector(kind, api, store, time.clock, changed.append)
    return World(transport, time, store, reflector, changed)


def test_list_then_watch() -> None:
    """It lists, opens a watch where the list ended, and follows the events."""
    stream = ScriptedStream([[event("ADDED", "b", 8)], [event("DELETED", "a", 9)]])
    it = world([listing("a", version=7)], [stream])
    assert it.steps(4) == [0.0, 0.0, 0.0, 0.0]
    assert it.names() == {"b"}
    assert it.transport.asked() == ["list", "watch 7"]
    assert it.changed == [Key("default", "pi")] * 3
    assert isinstance(it.reflector.state, Watching)
    assert it.reflector.state.resource_version == "9"


@pytest.mark.defect("D29")
def test_children_are_selected_and_bookmarks_asked_for() -> None:
    """Only what carries our label is asked for; a watch has an end and bookmarks."""
    it = world([listing()])
    it.steps(2)
    first, second = (dict(call.query) for call in it.transport.calls)
    assert first == {"labelSelector": "mpiop/job-uid", "limit": "500"}
    assert second["allowWatchBookmarks"] == "true"
    assert second["timeoutSeconds"] == "300"


@pytest.mark.defect("D32")
def test_pages_are_followed() -> None:
    """A long list comes in pages; what is not in any of them is gone."""
    it = world([listing("a", more="next"), listing("b")])
    it.steps(1)
    assert it.names() == {"a", "b"}
    assert it.transport.asked() == ["list", "more"]


def test_a_bookmark_moves_the_version_only() -> None:
    """The next watch starts at the bookmark; nothing is reconciled for it."""
    mark = orjson.dumps(
        {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "99"}}}
    )
    it = world([listing(version=7)], [ScriptedStream([[mark]], ends=True)])
    it.go_on(2)
    assert it.changed == []
    assert it.transport.asked()[:3] == ["list", "watch 7", "watch 99"]


@pytest.mark.parametrize("where", ["reply", "event"])
def test_gone_leads_to_a_list(where: str) -> None:
    """410, at the start of a watch or in its middle, means listing anew."""
    stream = ScriptedStream([[failure(410, "Expired")]])
    first: ScriptedStream | Answer = stream
    if where == "reply":
        first = status_reply(410, "Gone")
    it = world([listing("a"), listing("b", version=5)], [first, ScriptedStream([])])
    it.go_on(5)
    assert it.transport.asked() == ["list", "watch 1", "list", "watch 5"]
    assert it.names() == {"b"}
    assert where == "reply" or stream.closed


def test_a_failed_watch_goes_on_where_it_was() -> None:
    """An error other than 410 loses nothing: no list, the same version."""
    stream = ScriptedStream([[event("ADDED", "b", 8), failure(500, "InternalError")]])
    it = world([listing(version=7)], [stream, ScriptedStream([])])
    it.go_on(5)
    assert it.transport.asked() == ["list", "watch 7", "watch 8"]
    assert it.names() == {"b"}


@pytest.mark.parametrize(
    "answer",
    [
        ScriptedStream([], ends=True),
        status_reply(500, "InternalError"),
        status_reply(403, "Forbidden"),
        status_reply(410, "Gone"),
        Unreachable(0, "Unreachable", "gone"),
        ScriptedStream([[failure(410, "Expired")]] * 1000),
        ScriptedStream([[event("ADDED", "a", 8)], []] * 1000, ends=True),
    ],
    ids=["closes", "500", "403", "410", "unreachable", "410 event", "one event"],
)
def test_no_failure_is_asked_in_a_hot_loop(answer: ScriptedStream | Answer) -> None:
    """Whatever a watch fails by, an hour of it costs a few hundred requests."""
    it = world([listing()], [answer])
    if isinstance(answer, ScriptedStream):
        answer = Broken(answer.batches, answer.ends)
    it.go_on(3600)
    assert len(it.transport.calls) < 300


@attrs.define
class Broken(ScriptedStream):
    """Ends after each batch, and can be opened again."""

    def read(self) -> Sequence[bytes] | None:
        found = self.batches.pop(0) if self.batches else None
        return found or None

    def close(self) -> None:
        """Stay as it is, for the next one who opens it."""


def test_back_off_ends_with_a_good_watch() -> None:
    """After an event has come the next failure waits as short as the first."""
    good = ScriptedStream([[event("ADDED", "b", 8)]], ends=True)
    bad = status_reply(500, "InternalError")
    it = world([listing(version=7)], [bad, bad, bad, good, bad])
    waits = []
    for _ in range(12):
        wait = it.reflector.step()
        it.time.seconds += wait
        waits.append(wait)
    assert [wait for wait in waits if wait][:6] == [0.8, 1.6, 3.2, 0.8, 1.6, 3.2]


def test_a_silent_watch_is_opened_again() -> None:
    """A watch that says nothing for longer than it may last is left."""
    silent = ScriptedStream([])
    it = world([listing(version=7)], [silent, ScriptedStream([])])
    it.steps(2)
    wait = it.reflector.step()
    assert wait == 310.0
    it.time.seconds += wait
    it.go_on(0.01)
    assert silent.closed
    assert it.transport.asked() == ["list", "watch 7", "watch 7"]


def test_a_list_is_renewed_in_the_end() -> None:
    """After an hour a watch gives way to a list: what it lost is found."""
    it = world([listing("a"), listing("b", version=9)], [ScriptedStream([])])
    it.go_on(4200)
    assert it.names() == {"b"}
    assert it.transport.asked().count("list") == 2


def test_relist_ends_the_watch() -> None:
    """Asked to, it lists at once, also out of a watch that is well."""
    stream = ScriptedStream([])
    it = world([listing("a"), listing("b", version=9)], [stream, ScriptedStream([])])
    it.steps(3)
    it.reflector.relist()
    assert stream.closed
    it.go_on(2)
    assert it.names() == {"b"}


@pytest.mark.compat("operator.refused-watch")
@pytest.mark.defect("D30")
def test_a_refusal_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """403 for an hour is one line of log, and shown as what is in the way."""
    it = world([status_reply(403, "Forbidden")])
    it.go_on(3600)
    lines = [r for r in caplog.records if r.message == "list or watch refused"]
    assert [line.levelno for line in lines] == [logging.ERROR]
    assert it.refusal() is Forbidden
    assert not it.store.has_listed("Pod")
    it.transport.answers = [listing()]
    it.go_on(60)
    assert it.refusal() is type(None)
    assert it.store.has_listed("Pod")


def test_a_busy_server_is_given_the_time_that_it_asks_for() -> None:
    """Retry-After counts, for lists as for everything else."""
    it = world([status_reply(429, "TooManyRequests", retry_after=20)])
    it.steps(1)
    asked = len(it.transport.calls)
    it.go_on(19)
    assert len(it.transport.calls) == asked
    it.transport.answers = [listing()]
    it.go_on(30)
    assert it.store.has_listed("Pod")


def test_an_optional_kind_may_be_refused() -> None:
    """Without the component that grants it, a kind counts as empty, asked seldom."""
    it = world([status_reply(403, "Forbidden")], kind="Role")
    it.steps(1)
    assert it.store.has_listed("Role")
    assert it.store.has_reached("Role", Key("default", "x"), 10**12)
    it.go_on(3600)
    assert len(it.transport.calls) < 20


def test_close_is_for_good() -> None:
    """Closed while it opens a watch, it does not wait on that watch."""
    stream = ScriptedStream([])
    it = world([listing()], [stream])
    it.steps(1)
    it.reflector.close()
    assert it.reflector.state == Listed("1")
    it.steps(1)
    assert stream.closed


def test_it_begins_empty() -> None:
    """Nothing is known before the first list."""
    it = world([listing()])
    assert it.reflector.state == Empty()
    assert not it.store.has_listed("Pod")


LINES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from("abc"), st.booleans()),
        st.sampled_from([410, 500]),
        st.just("close"),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(lines=LINES)
def test_any_stream_leads_to_the_truth(lines: list[Any]) -> None:
    """Whatever interrupts the watch, the cache shows what the server has."""
    server = Truth()
    time, store = FakeTime(), Store()
    api = Api(server, time.clock)
    reflector = Reflector("Pod", api, store, time.clock, lambda _key: None)
    for line in lines:
        server.happen(line)
        time.seconds += reflector.step()
    for _ in range(20):
        time.seconds += min(reflector.step(), 60.0)
    children = store.children("default", "job")
    assert {one.name for one in children} == set(server.pods)


@attrs.define
class Truth(OneByOne):
    """A server with Pods, whose watches break as told."""

    pods: dict[str, int] = attrs.field(factory=dict)
    version: int = 1
    log: list[tuple[int, bytes]] = attrs.field(factory=list)
    stream: ScriptedStream | None = None
    compacted: int = 0

    def happen(self, what: object) -> None:
        if isinstance(what, tuple):
            name, there = what
            self.version += 1
            kind = "DELETED"
            if there:
                kind = "MODIFIED" if name in self.pods else "ADDED"
                self.pods[name] = self.version
            elif self.pods.pop(name, None) is None:
                return
            self._send(self.version, event(kind, name, self.version))
        elif what == "close":
            self._end()
        elif isinstance(what, int):
            if what == 410:
                self.compacted = self.version
            self._send(0, failure(what, "Expired" if what == 410 else ""))
            self._end()

    def request(self, _call: Call) -> Reply:
        items = [pod(name, version) for name, version in self.pods.items()]
        meta = {"resourceVersion": str(self.version)}
        return Reply(200, orjson.dumps({"metadata": meta, "items": items}))

    def watch(self, call: Call, silence: float) -> ScriptedStream | Reply:
        assert silence > 0
        since = int(dict(call.query)["resourceVersion"])
        if since < self.compacted:
            return status_reply(410, "Expired")
        old = [line for version, line in self.log if version > since]
        self.stream = ScriptedStream([old] if old else [])
        return self.stream

    def close(self) -> None:
        """Nothing is kept open."""

    def _send(self, version: int, line: bytes) -> None:
        if version:
            self.log.append((version, line))
        if self.stream is not None:
            self.stream.batches.append([line])

    def _end(self) -> None:
        if self.stream is not None:
            self.stream.ends = True
            self.stream = None
