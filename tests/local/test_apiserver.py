"""The embedded API server's own promises: clock, history, tokens, counts, forwards."""

from collections import Counter
from typing import Any

import attrs
import pytest

from mpiop.local.apiserver.server import Handled
from mpiop.local.apiserver.wire import Forward, Request, Response
from tests.local.apiserver_world import ACCOUNT, MAPS, PODS, World, events


@pytest.fixture
def world() -> World:
    return World()


def test_deterministic() -> None:
    """The same requests give the same answers and events, names and uids included."""

    def history() -> tuple[list[object], list[bytes]]:
        world = World()
        watch = world.watch(MAPS)
        body = {"metadata": {"generateName": "a-"}}
        bodies = [world.ask("POST", MAPS, body).body for _ in range(3)]
        return bodies, watch.drain()

    assert history() == history()


def test_bodies_are_the_receivers(world: World) -> None:
    """What a receiver does to an answer does not reach the store."""
    made = world.make_map("one").body
    made["metadata"]["labels"] = {"a": "b"}
    listed = world.ask("GET", MAPS).body
    listed["items"][0]["metadata"]["name"] = "other"
    meta = world.ask("GET", f"{MAPS}/one").body["metadata"]
    assert meta["name"] == "one"
    assert "labels" not in meta


def test_watch_wakes(world: World) -> None:
    """A watcher is told of changes of its kind, and of none after it closed."""
    watch, told = world.watch(MAPS), Counter[str]()
    watch.on_ready(lambda: told.update(["news"]))
    world.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})
    before = told.total()
    world.make_map("one")
    watch.close()
    assert told.total() == before + 2
    world.make_map("two")
    assert told.total() == before + 2
    assert watch.closed


def test_watch_times_out(world: World) -> None:
    """A watch with timeoutSeconds gives all until then, and ends."""
    watch = world.watch(MAPS, timeoutSeconds="10")
    world.later(seconds=9)
    closed = [watch.closed]
    world.make_map("one")
    world.later(seconds=1)
    closed.append(watch.closed)
    assert closed == [False, True]
    assert [event["type"] for event in events(watch)] == ["ADDED"]
    world.make_map("two")
    assert not events(watch)


def test_bookmarks(world: World) -> None:
    """A watcher that wants bookmarks learns the revision every minute."""
    watch, without = world.watch(MAPS, allowWatchBookmarks="true"), world.watch(MAPS)
    world.later(seconds=1)
    assert not events(watch)
    world.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "n"}})
    world.later(minutes=1)
    (mark,) = events(watch)
    revision = world.ask("GET", MAPS).body["metadata"]["resourceVersion"]
    assert (mark["type"], mark["object"]["kind"]) == ("BOOKMARK", "ConfigMap")
    assert mark["object"]["metadata"]["resourceVersion"] == revision
    assert not events(without)


def test_gone(world: World) -> None:
    """A watch from before the compaction gets an ERROR of 410 and ends."""
    start = world.make_map("one").body["metadata"]["resourceVersion"]
    behind = world.watch(MAPS, resourceVersion=start)
    world.make_map("two")
    world.server.compact()
    for watch in (behind, world.watch(MAPS, resourceVersion=start)):
        (event,) = events(watch)
        assert event["type"] == "ERROR"
        assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
        assert watch.closed
    current = world.ask("GET", MAPS).body["metadata"]["resourceVersion"]
    fresh = world.watch(MAPS, resourceVersion=current)
    world.make_map("three")
    assert [event["type"] for event in events(fresh)] == ["ADDED"]


def test_history_is_bounded() -> None:
    """The server forgets changes by itself, but not the newest of them."""
    world = World(history=4)
    start = world.ask("GET", MAPS).body["metadata"]["resourceVersion"]
    made = [world.make_map(f"m{index}").body for index in range(20)]
    assert events(world.watch(MAPS, resourceVersion=start))[0]["type"] == "ERROR"
    recent = made[-5]
    watch = world.watch(MAPS, resourceVersion=recent["metadata"]["resourceVersion"])
    assert [event["type"] for event in events(watch)] == ["ADDED"] * 4


def test_close(world: World) -> None:
    """Closing the server ends every watch and tells the watchers."""
    watch, told = world.watch(MAPS), []
    watch.on_ready(lambda: told.append(watch.closed))
    world.server.close()
    assert told[-1] is True


def test_too_new(world: World) -> None:
    """A list from a revision that is yet to come is refused as too early."""
    answer = world.ask("GET", MAPS, resourceVersion="1000000")
    assert (answer.status, answer.body["reason"]) == (504, "Timeout")
    cause = answer.body["details"]["causes"][0]
    assert cause["reason"] == "ResourceVersionTooLarge"


def test_requests_are_counted(world: World) -> None:
    """Every request counts by sender, verb, resource, subresource and code."""
    world.make_map("one")
    world.make_map("one")
    world.ask("PATCH", f"{PODS}/none/status", {})
    counted = {
        key: count
        for key, count in world.server.requests.items()
        if key.user_agent == "test/1"
    }
    assert counted == {
        Handled("test/1", "create", "configmaps", "", 201): 1,
        Handled("test/1", "create", "configmaps", "", 409): 1,
        Handled("test/1", "patch", "pods", "status", 404): 1,
    }


def test_tokens(world: World) -> None:
    """A token is its account's until it expires or the account is another."""
    answer = world.ask("POST", f"{ACCOUNT}/token", {"spec": {}})
    token = answer.body["status"]["token"]
    user = "system:serviceaccount:default:default"
    assert world.server.authenticate(token) == user
    assert world.server.authenticate("other") is None
    world.later(hours=1)
    assert world.server.authenticate(token) is None
    token = world.ask("POST", f"{ACCOUNT}/token", {"spec": {}}).body["status"]["token"]
    world.ask("DELETE", ACCOUNT)
    path, _, name = ACCOUNT.rpartition("/")
    world.ask("POST", path, {"metadata": {"name": name}})
    assert world.server.authenticate(token) is None


def test_token_of_a_pod(world: World) -> None:
    """A token that is bound to a Pod ends with it."""
    world.make_pod("", "c")
    spec = {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p"}}
    answer = world.ask("POST", f"{ACCOUNT}/token", {"spec": spec})
    token = answer.body["status"]["token"]
    assert world.server.authenticate(token)
    world.ask("DELETE", f"{PODS}/p")
    assert world.server.authenticate(token) is None


def test_exec_needs_create_as_well(world: World) -> None:
    """An exec by GET, as WebSockets do, needs both rights."""
    user = "system:serviceaccount:default:default"
    world.make_pod("n1", "c")
    rbac = "/apis/rbac.authorization.k8s.io/v1/namespaces/default"
    rule = {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get"]}
    role = {"metadata": {"name": "r"}, "rules": [rule]}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": "default"}
    reference = {"kind": "Role", "name": "r", "apiGroup": "rbac.authorization.k8s.io"}
    binding = {"metadata": {"name": "r"}, "subjects": [subject], "roleRef": reference}
    assert world.ask("POST", f"{rbac}/roles", role).status == 201
    assert world.ask("POST", f"{rbac}/rolebindings", binding).status == 201
    request = Request("GET", f"{PODS}/p/exec", (("command", "true"),), user=user)
    refused = world.server.handle(request)
    assert isinstance(refused, Response)
    assert refused.status == 403
    rule["verbs"] = ["get", "create"]
    assert world.ask("PUT", f"{rbac}/roles/r", role).status == 200
    assert isinstance(world.server.handle(request), Forward)


def test_forwards(world: World) -> None:
    """Logs and exec are for the kubelet, with the container made out."""
    world.make_pod("n1", "c")
    log = world.forward(f"{PODS}/p/log", follow="true")
    assert (log.kind, log.container) == ("log", "c")
    assert log.query == (("follow", "true"),)
    command = world.forward(f"{PODS}/p/exec", command="true")
    assert command.kind == "exec"


def test_no_node_no_log(world: World) -> None:
    """A Pod without a node has an empty log, and nothing to execute in."""
    world.make_pod("", "c")
    log = world.ask("GET", f"{PODS}/p/log")
    assert (log.status, log.body) == (200, b"")
    refused = world.ask("GET", f"{PODS}/p/exec")
    assert refused.body["message"] == "pod p does not have a host assigned"


def test_impersonation_is_the_administrators(world: World) -> None:
    """Only the administrator may speak for others."""
    user = "system:serviceaccount:default:default"
    request = Request("GET", MAPS, headers={"impersonate-user": user})
    answer = world.server.handle(request)
    assert isinstance(answer, Response)
    assert f'User "{user}" cannot list' in str(answer.body)
    answer = world.server.handle(attrs.evolve(request, user="somebody"))
    assert isinstance(answer, Response)
    assert "cannot impersonate" in str(answer.body)


def definition() -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object"}}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    names = {"plural": "toys", "kind": "Toy"}
    spec = {
        "group": "t.test",
        "scope": "Namespaced",
        "names": names,
        "versions": [version],
    }
    return {"metadata": {"name": "toys.t.test"}, "spec": spec}


def test_definition_goes_with_its_objects(world: World) -> None:
    """A deleted definition takes its objects along and waits for the last of them."""
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    toys = "/apis/t.test/v1/namespaces/default/toys"
    assert world.ask("POST", crds, definition()).status == 201
    held = {"metadata": {"name": "held", "finalizers": ["test/hold"]}}
    assert world.ask("POST", toys, held).status == 201
    assert world.ask("POST", toys, {"metadata": {"name": "free"}}).status == 201
    world.ask("DELETE", f"{crds}/toys.t.test")
    (left,) = world.ask("GET", toys).body["items"]
    assert left["metadata"]["name"] == "held"
    assert world.ask("GET", f"{crds}/toys.t.test").status == 200
    world.ask("PATCH", f"{toys}/held", {"metadata": {"finalizers": None}})
    assert world.ask("GET", f"{crds}/toys.t.test").status == 404
    assert world.ask("GET", toys).status == 404
    assert world.ask("POST", crds, definition()).status == 201
    assert world.ask("GET", toys).body["items"] == []


def test_unserved(world: World) -> None:
    """What real servers have and this one lacks answers 501, never a guess."""
    world.make_pod("n1", "c")
    for subresource in ("attach", "portforward", "proxy"):
        answer = world.ask("GET", f"{PODS}/p/{subresource}")
        assert (answer.status, answer.body["reason"]) == (501, "NotImplemented")
    apply = Request(
        "PATCH", f"{PODS}/p", headers={"content-type": "application/apply-patch+yaml"}
    )
    refused = world.server.handle(attrs.evolve(apply, body=b"{}"))
    assert isinstance(refused, Response)
    assert refused.status == 415
