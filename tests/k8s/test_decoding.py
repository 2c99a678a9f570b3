"""What is read of answers and events, and that nothing that is looked at is lost."""

from typing import Any, Final

import attrs
import orjson
import pytest

from mpiop.k8s.decoding import event, written
from mpiop.k8s.errors import from_status
from mpiop.k8s.store import entry
from mpiop.reconcile import names
from mpiop.reconcile.gang import COSCHEDULING_GROUP, VOLCANO_GROUP, GangKind
from mpiop.reconcile.views import PodView

TIME: Final = "2026-01-01T00:00:00Z"
TERMINATED: Final = {
    "exitCode": 9,
    "signal": 9,
    "reason": "Error",
    "message": "last words",
    "startedAt": TIME,
    "finishedAt": TIME,
}


def pod() -> dict[str, Any]:
    """Write a Pod in which everything that a view repeats is set."""
    labels = {
        names.JOB_UID: "u1",
        names.JOB_ROLE: "worker",
        names.INDEX: "3",
        names.ATTEMPT: "2",
        names.INHERITED: "true",
    }
    main = {"name": "main", "restartCount": 4, "state": {"terminated": TERMINATED}}
    init = {"name": "first", "state": {"terminated": TERMINATED}}
    stuck = {"name": "second", "state": {"waiting": {"reason": "ImagePullBackOff"}}}
    tries = {"name": names.WAIT_CONTAINER, "state": {"running": {"startedAt": TIME}}}
    return {
        "kind": "Pod",
        "metadata": {
            "name": "w-3",
            "namespace": "ns",
            "uid": "u2",
            "resourceVersion": "17",
            "creationTimestamp": TIME,
            "deletionTimestamp": TIME,
            "deletionGracePeriodSeconds": 30,
            "labels": labels,
            "ownerReferences": [{"controller": True, "uid": "u1"}],
            "managedFields": [{"manager": "mpiop", "fieldsV1": {"f:spec": {}}}],
        },
        "spec": {
            "nodeName": "n1",
            "restartPolicy": "Never",
            "schedulingGroup": {"podGroupName": "g"},
            "containers": [{"name": "main", "image": "i", "env": [{"name": "A"}]}],
        },
        "status": {
            "phase": "Failed",
            "reason": "Evicted",
            "message": "why",
            "containerStatuses": [main],
            "initContainerStatuses": [init, stuck, tries],
            "conditions": [
                {"type": "Ready", "status": "True"},
                {
                    "type": "DisruptionTarget",
                    "status": "True",
                    "reason": "a",
                    "lastTransitionTime": TIME,
                },
                {"type": "PodScheduled", "status": "False", "reason": "b"},
                {
                    "type": "ContainersReady",
                    "status": "False",
                    "lastTransitionTime": TIME,
                },
            ],
        },
    }


def seen(pod: dict[str, Any]) -> PodView:
    """Give the view of a Pod as an event tells it; as all of its JSON does."""
    line = orjson.dumps({"type": "ADDED", "object": pod})
    told: Any = event("Pod", line)["object"]
    found = entry("Pod", told)
    assert found == entry("Pod", pod)
    assert isinstance(found.content, PodView)
    return found.content


def test_a_view_loses_nothing() -> None:
    """All of its fields come from what is decoded; none is what it is by default."""
    told = pod()
    view = seen(told)
    empty = seen({"metadata": {"name": "w-3"}})
    same = {
        one.name
        for one in attrs.fields(PodView)
        if getattr(view, one.name) == getattr(empty, one.name)
    }
    assert same == {"name", "over"}  # a container waits
    assert view.gang is GangKind.KUBERNETES
    del told["status"]["initContainerStatuses"][1:]
    assert seen(told).over


@pytest.mark.parametrize(
    ("place", "mark", "kind"),
    [
        ("labels", COSCHEDULING_GROUP, GangKind.COSCHEDULING),
        ("annotations", VOLCANO_GROUP, GangKind.VOLCANO),
    ],
)
def test_every_mark_of_a_gang_is_read(place: str, mark: str, kind: GangKind) -> None:
    """Wherever it stands."""
    marked = {"metadata": {"name": "w", place: {mark: "g"}}}
    assert seen(marked).gang is kind


def test_the_bulk_is_left_out() -> None:
    """What nobody looks at is not even made."""
    told: Any = event("Pod", orjson.dumps({"type": "ADDED", "object": pod()}))
    assert "managedFields" not in told["object"]["metadata"]
    assert told["object"]["spec"]["containers"] == [{"name": "main"}]


def test_a_bookmark_names_no_containers() -> None:
    """A real API server gives null for them; that ended the operator once."""
    empty = {"metadata": {"resourceVersion": "9"}, "spec": {"containers": None}}
    told = event("Pod", orjson.dumps({"type": "BOOKMARK", "object": empty}))
    assert told == {"type": "BOOKMARK", "object": empty}


def test_an_error_is_told_whole() -> None:
    """The event of a watch that ends holds a Status and no Pod."""
    status = {
        "kind": "Status",
        "metadata": {},
        "status": "Failure",
        "code": 410,
        "reason": "Expired",
        "message": "too old",
        "details": {"retryAfterSeconds": 2},
    }
    told: Any = event("Pod", orjson.dumps({"type": "ERROR", "object": status}))
    assert repr(from_status(told["object"])) == repr(from_status(status))
    assert from_status(told["object"]).retry_after == 2


def test_other_kinds_are_read_whole() -> None:
    """An MPIJob is kept as it is."""
    told = {"type": "ADDED", "object": {"spec": {"anything": [1]}}}
    assert event("MPIJob", orjson.dumps(told)) == told


def test_of_an_answer_the_version_is_read() -> None:
    """And what says that a deleted object stays for a while."""
    answer = {**pod(), "metadata": {**pod()["metadata"], "finalizers": ["f"]}}
    found: Any = written(orjson.dumps(answer))
    assert found.keys() == {"metadata"}
    kept = {"resourceVersion", "finalizers", "deletionTimestamp"}
    assert found["metadata"].keys() == kept | {"deletionGracePeriodSeconds"}
    assert written(b'{"kind": "Status", "metadata": {}}') == {"metadata": {}}
    assert written(b'{"metadata": null}') == {"metadata": None}
    assert written(b"[]") == {}


@pytest.mark.parametrize("text", [b"", b"{", b"no JSON"])
def test_what_is_no_json_is_an_error(text: bytes) -> None:
    """As it is wherever JSON is read."""
    with pytest.raises(ValueError, match=r"JSON|truncated|malformed|empty|Input"):
        written(text)
    with pytest.raises(ValueError, match=r"JSON|truncated|malformed|empty|Input"):
        event("Pod", text)
