"""The in-process client: paths, bodies and errors."""

import orjson
import pytest

from mpiop.local.apiserver.wire import Forward, Request, Response, Watch
from mpiop.local.client import JOBS, PODS, ApiError, Client, Deletion, Resource

POD = {"metadata": {"name": "p", "namespace": "ns", "uid": "u"}}


class Server:
    """Answers every request alike and remembers it."""

    def __init__(self, answer: Response | Watch | Forward) -> None:
        self.answer = answer
        self.seen: list[Request] = []

    def handle(self, request: Request) -> Response | Watch | Forward:
        self.seen.append(request)
        return self.answer


@pytest.fixture
def server() -> Server:
    return Server(Response(200, {"kind": "Thing"}))


def test_core_and_group_paths() -> None:
    """Core kinds live under /api, others under /apis, namespaced or not."""
    assert PODS.path() == "/api/v1/pods"
    assert PODS.path("ns", "p", "status") == "/api/v1/namespaces/ns/pods/p/status"
    assert JOBS.path("ns") == "/apis/batch/v1/namespaces/ns/jobs"
    assert Resource("v1", "nodes").path("", "n") == "/api/v1/nodes/n"


def test_a_delete_is_of_exactly_this_object(server: Server) -> None:
    """The uid is a precondition even where nobody says so."""
    Client(server.handle).delete(PODS, POD, Deletion(policy="Orphan", grace_seconds=0))
    (request,) = server.seen
    assert request.method == "DELETE"
    assert orjson.loads(request.body) == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": "u"},
        "propagationPolicy": "Orphan",
        "gracePeriodSeconds": 0,
    }


@pytest.mark.parametrize(
    ("patch", "kind"),
    [({"a": 1}, "application/merge-patch+json"), ([], "application/json-patch+json")],
)
def test_the_patch_type_follows_its_shape(
    server: Server, patch: object, kind: str
) -> None:
    """A mapping is a merge patch, a list a JSON patch."""
    Client(server.handle).patch(PODS, POD, patch, "status")
    assert server.seen[0].headers["content-type"] == kind
    assert server.seen[0].path.endswith("/pods/p/status")


def test_a_refusal_is_raised_with_its_status() -> None:
    """ApiError carries code, reason and message of the Status."""
    body = {"kind": "Status", "reason": "NotFound", "message": "no such pod"}
    client = Client(Server(Response(404, body)).handle)
    with pytest.raises(ApiError, match="no such pod") as refused:
        client.get(PODS, "ns", "p")
    assert (refused.value.status, refused.value.reason) == (404, "NotFound")


def test_a_stream_is_no_answer_to_a_read() -> None:
    """What only a kubelet can answer is refused, not returned as an object."""
    client = Client(Server(Forward("log", POD, "c", ())).handle)
    with pytest.raises(ApiError) as refused:
        client.get(PODS, "ns", "p")
    assert refused.value.status == 501


def test_a_refused_watch_is_raised() -> None:
    """A watch from too old a version raises 410 at once."""
    client = Client(Server(Response(410, {"reason": "Expired"})).handle)
    with pytest.raises(ApiError) as refused:
        client.watch(PODS, resource_version="1")
    assert refused.value.status == 410
