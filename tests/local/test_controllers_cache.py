"""The controllers' view of one kind, and the queue of keys."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import orjson

from mpiop.local.apiserver.wire import Forward, Request, Response, Watch
from mpiop.local.client import PODS, Client, Json
from mpiop.local.controllers.cache import Cache
from mpiop.local.controllers.queue import Queue

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def pod(name: str, uid: str, version: str) -> Json:
    meta = {"namespace": "ns", "name": name, "uid": uid, "resourceVersion": version}
    return {"metadata": meta}


class Stream(Watch):
    """A watch that gives what the test puts in."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.ended = False

    @property
    def closed(self) -> bool:
        return self.ended

    def put(self, kind: str, obj: object) -> None:
        self.lines.append(orjson.dumps({"type": kind, "object": obj}) + b"\n")

    def drain(self) -> list[bytes]:
        lines, self.lines = self.lines, []
        return lines

    def on_ready(self, callback: Callable[[], None]) -> None:
        pass

    def close(self) -> None:
        self.ended = True


class Server:
    """Lists what the test says, and gives a new stream to each watch."""

    def __init__(self, version: str, *items: Json) -> None:
        self.version, self.items = version, items
        self.streams: list[Stream] = []
        self.starts: list[str] = []

    def handle(self, request: Request) -> Response | Watch | Forward:
        if request.param("watch"):
            self.streams.append(Stream())
            self.starts.append(request.param("resourceVersion"))
            return self.streams[-1]
        meta = {"resourceVersion": self.version}
        return Response(200, {"metadata": meta, "items": list(self.items)})


def version_of(obj: Json | None) -> str | None:
    return None if obj is None else str(obj["metadata"]["resourceVersion"])


def follow(cache: Cache) -> list[tuple[str | None, str | None]]:
    """The versions of each changed object before and after."""
    return [(version_of(c.old), version_of(c.new)) for c in cache.update()]


def test_a_list_is_followed_by_a_watch_from_its_version() -> None:
    """What is listed and what is watched come out as changes, once each."""
    server = Server("7", pod("a", "1", "5"))
    cache = Cache(Client(server.handle), PODS, lambda: None)
    assert follow(cache) == [(None, "5")]
    server.streams[0].put("MODIFIED", pod("a", "1", "8"))
    server.streams[0].put("BOOKMARK", pod("", "", "9"))
    server.streams[0].put("DELETED", pod("a", "1", "10"))
    assert follow(cache) == [("5", "8"), ("10", None)]
    assert follow(cache) == []
    assert server.starts == ["7"]


def test_a_closed_watch_goes_on_where_it_ended() -> None:
    """The next watch starts after the last event or bookmark, without a list."""
    server = Server("7")
    cache = Cache(Client(server.handle), PODS, lambda: None)
    follow(cache)
    server.streams[0].put("ADDED", pod("a", "1", "8"))
    server.streams[0].put("BOOKMARK", pod("", "", "9"))
    server.streams[0].close()
    assert follow(cache) == [(None, "8")]
    assert server.starts == ["7", "9"]


def test_an_expired_watch_leads_to_a_new_list() -> None:
    """After 410 what is gone, changed or replaced under its name is noticed."""
    gone, changed, replaced = pod("a", "1", "1"), pod("b", "2", "2"), pod("c", "3", "3")
    server = Server("7", gone, changed, replaced)
    cache = Cache(Client(server.handle), PODS, lambda: None)
    follow(cache)
    server.version = "20"
    server.items = (pod("b", "2", "12"), pod("c", "4", "13"))
    server.streams[0].put("ERROR", {"code": 410, "message": "too old"})
    assert follow(cache) == [("1", None), ("2", "12"), ("3", None), (None, "13")]
    assert server.starts == ["7", "20"]


def test_the_earlier_time_wins() -> None:
    """A key with two timers is due at the first, once."""
    queue = Queue()
    queue.add_at("key", NOW + timedelta(seconds=5))
    queue.add_at("key", NOW + timedelta(seconds=9))
    queue.add_at("key", NOW + timedelta(seconds=3))
    assert queue.next() == NOW + timedelta(seconds=3)
    assert queue.take(NOW) == []
    assert queue.take(NOW + timedelta(seconds=3)) == ["key"]
    assert queue.next() is None


def test_conflicts_are_retried_at_once_a_few_times() -> None:
    """A stale cache costs a round; what keeps failing waits, up to a minute."""
    queue, waits = Queue(), []
    for _ in range(12):
        queue.retry("key", NOW, stale=True)
        at = queue.next()
        waits.append((at - NOW).total_seconds() if at else 0)
        queue.take(NOW + timedelta(hours=1))
    assert waits == [0, 0, 0, 8, 16, 32, *[60] * 6]
    queue.settle("key")
    queue.retry("key", NOW, stale=False)
    assert queue.next() == NOW + timedelta(seconds=1)
