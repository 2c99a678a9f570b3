"""One action, one call: order, concurrency, live reads and what refusals become."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import orjson
import pytest

from mpiop.k8s import events
from mpiop.k8s.api import Api
from mpiop.k8s.errors import Conflict, Fenced, NotFound
from mpiop.k8s.executor import Executor, Report
from mpiop.k8s.fence import Fence
from mpiop.k8s.freshness import Freshness
from mpiop.k8s.lessons import Lesson, Lessons
from mpiop.k8s.looks import answers
from mpiop.k8s.ownership import labelling
from mpiop.k8s.store import Store
from mpiop.k8s.subject import Subject
from mpiop.k8s.transport import Call, Reply, Sent
from mpiop.reconcile.actions import (
    Action,
    Adopt,
    Count,
    Create,
    CreateLauncher,
    CreateSSHSecret,
    Delete,
    EmitEvent,
    KindName,
    LookEvents,
    LookInherited,
    LookKilled,
    LookLog,
    Patch,
    PatchStatus,
    Ref,
)
from mpiop.reconcile.snapshot import FindingKind
from tests.support.timing import FakeTime
from tests.support.transport import OneByOne, status_reply

JOB = Subject("default", "pi", "uid", 3)
MPIJOB = Ref("MPIJob", "default", "pi")
LAUNCHER = Ref("Job", "default", "pi-launcher")


@attrs.define
class Server(OneByOne):
    """Says yes to everything, but for the calls that it has another answer to."""

    replies: dict[tuple[str, str], Reply] = attrs.field(factory=dict)
    once: dict[tuple[str, str], Reply] = attrs.field(factory=dict)
    calls: list[Call] = attrs.field(factory=list)
    together: list[int] = attrs.field(factory=list)
    at_once: int = 1

    def request_all(self, calls: Iterator[Call]) -> Iterator[Sent]:
        """Answer so many at once; note how many came."""
        self.together.append(0)
        while taken := [*itertools.islice(calls, self.at_once)]:
            for call in taken:
                index = self.together[-1]
                self.together[-1] += 1
                yield Sent(index, call, self.request(call))

    def request(self, call: Call) -> Reply:
        self.calls.append(call)
        name = (
            orjson.loads(call.body).get("metadata", {}).get("name")
            if (call.method == "POST")
            else call.path.rpartition("/")[2]
        )
        place = call.method, name
        found = self.once.pop(place, None) or self.replies.get(place)
        return found or Reply(200, b'{"metadata":{"resourceVersion":"9"}}')

    def watch(self, call: Call, silence: float) -> Reply:
        raise NotImplementedError(call, silence)

    def close(self) -> None:
        """Nothing is kept open."""

    def sent(self) -> list[tuple[str, str]]:
        return [(call.method, call.path.rpartition("/")[2]) for call in self.calls]

    def bodies(self) -> list[Any]:
        return [orjson.loads(call.body) for call in self.calls if call.body]


@attrs.define
class World:
    server: Server
    executor: Executor
    counted: list[tuple[str, Mapping[str, str]]]

    def run(self, *actions: Action) -> Report:
        return self.executor.execute(JOB, actions)

    def findings(self) -> list[FindingKind]:
        found = self.executor.lessons.findings(JOB.uid, JOB.generation)
        return [finding.kind for finding in found]


@pytest.fixture
def world() -> World:
    return make()


def make(*, leader: bool = True) -> World:
    time, server = FakeTime(), Server()
    counted: list[tuple[str, Mapping[str, str]]] = []
    executor = Executor(
        Api(Fence(server, lambda: leader), time.clock),
        time.clock,
        Freshness(Store(), time.clock, lambda _kind, _namespace: None),
        Lessons(time.clock),
        lambda action, _namespace: counted.append((action.metric, action.labels)),
        lambda: {"ssh-privatekey": "a2V5"},
    )
    return World(server, executor, counted)


def create(name: str, kind: KindName = "Pod") -> Create:
    return Create(Ref(kind, "default", name), {"metadata": {"name": name}})


def told(status: str = "Running") -> PatchStatus:
    return PatchStatus(MPIJOB, {"status": {"phase": status}}, "7")


def live(owner: Mapping[str, object], **meta: object) -> Reply:
    reference = {"controller": True, **owner}
    found = {"uid": "x", "resourceVersion": "8", "ownerReferences": [reference]}
    return Reply(200, orjson.dumps({"metadata": {**found, **meta}}))


TAKEN = status_reply(409, "AlreadyExists")


def test_order_is_kept_and_everything_done(world: World) -> None:
    """Actions go out in their order; the report counts them."""
    report = world.run(
        told(),
        create("a"),
        Patch(Ref("ConfigMap", "default", "c"), {"data": {"x": "y"}}, "4"),
        Delete(Ref("Pod", "default", "b"), "uid-b", grace_seconds=3),
        EmitEvent("Normal", "Running", "it runs"),
        Count("jobs_created"),
    )
    assert report == Report(acted=6)
    assert [method for method, _ in world.server.sent()] == [
        "PATCH",
        "POST",
        "PATCH",
        "DELETE",
        "POST",
    ]
    assert world.counted == [("jobs_created", {})]


@pytest.mark.defect("D14", "E8")
def test_writes_carry_identity(world: World) -> None:
    """Patches carry the resourceVersion, deletions the uid."""
    world.run(
        told(),
        Patch(Ref("Role", "default", "r"), {"rules": []}, "4"),
        Delete(Ref("Pod", "default", "b"), "uid-b", "6", 0),
    )
    status, patch, delete = world.server.bodies()
    assert status["metadata"] == {"resourceVersion": "7"}
    assert patch == {"rules": [], "metadata": {"resourceVersion": "4"}}
    assert delete["preconditions"] == {"uid": "uid-b", "resourceVersion": "6"}
    assert delete["gracePeriodSeconds"] == 0
    assert [call.path for call in world.server.calls] == [
        "/apis/kubeflow.org/v2beta1/namespaces/default/mpijobs/pi/status",
        "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles/r",
        "/api/v1/namespaces/default/pods/b",
    ]


def test_the_first_failure_stops_the_rest(world: World) -> None:
    """Nothing after it is sent, but what follows a status that was written."""
    world.server.replies["PATCH", "c"] = status_reply(409, "Conflict")
    report = world.run(
        told(),
        Patch(Ref("ConfigMap", "default", "c"), {}, "1"),
        create("a"),
        EmitEvent("Normal", "Running", "it runs"),
        Count("jobs_created"),
    )
    assert isinstance(report.error, Conflict)
    assert world.server.sent()[2:] == [("POST", "events")]
    assert world.counted == [("jobs_created", {})]


@pytest.mark.defect("D15")
def test_nothing_is_told_without_the_status(world: World) -> None:
    """Where the status is not written, no Event and no count follow; then, once."""
    world.server.once["PATCH", "status"] = status_reply(409, "Conflict")
    running = EmitEvent("Normal", "Running", "it runs")
    world.run(told(), running, Count("jobs_created"))
    assert len(world.server.calls) == 1
    assert world.counted == []
    world.run(told(), running, Count("jobs_created"))
    assert world.server.sent()[1:] == [("PATCH", "status"), ("POST", "events")]
    assert world.counted == [("jobs_created", {})]


def test_only_neighbours_of_a_kind_go_together(world: World) -> None:
    """A RoleBinding waits for its Role, Pods for their ConfigMap."""
    world.run(create("r", "Role"), create("r", "RoleBinding"), *map(create, "abc"))
    assert world.server.together == [1, 1, 3]


def test_what_was_sent_beside_a_failure_counts(world: World) -> None:
    """Nothing is begun after it; what was on its way is dealt with all the same."""
    world.server.at_once = 3
    world.server.replies["POST", "b"] = status_reply(403, "Forbidden")
    report = world.run(*map(create, "abcdef"))
    assert world.server.together == [3]
    assert report.finding is not None
    assert report.acted == 2
    assert world.executor.freshness.wait(JOB.uid) > 0  # both Pods are waited for


def test_what_may_be_tried_again_is(world: World) -> None:
    """A server that asks to wait is waited for; others go on after that."""
    world.server.once["POST", "b"] = status_reply(429, "TooManyRequests", 3.0)
    assert world.run(*map(create, "abc")) == Report(acted=3)
    names = [body["metadata"]["name"] for body in world.server.bodies()]
    assert names == ["a", "b", "b", "c"]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (status_reply(422, "Invalid"), FindingKind.REJECTED),
        (status_reply(400, "BadRequest"), FindingKind.REJECTED),
        (status_reply(413, "RequestEntityTooLarge"), FindingKind.REJECTED),
        (status_reply(403, "Forbidden"), FindingKind.DENIED),
    ],
    ids=lambda value: getattr(value, "status", None),
)
def test_refusals_become_findings(
    world: World, reply: Reply, kind: FindingKind
) -> None:
    """What the API server refuses of a child is the next plan's to know."""
    world.server.replies["POST", "a"] = reply
    report = world.run(create("a"))
    assert report.finding is not None
    assert (report.finding.kind, report.news) == (kind, True)
    assert world.findings() == [kind]
    assert not world.run(create("a")).news
    del world.server.replies["POST", "a"]
    world.run(create("a"))
    assert world.findings() == []


def test_a_refused_status_is_an_error(world: World) -> None:
    """What is refused of the MPIJob itself is no finding: the plan cannot mend it."""
    for code, reason in ((422, "Invalid"), (403, "Forbidden")):
        world.server.replies["PATCH", "status"] = status_reply(code, reason)
        assert world.run(told()).error is not None
        world.server.replies["DELETE", "pi"] = status_reply(code, reason)
        assert world.run(Delete(MPIJOB, "uid")).error is not None
    assert world.findings() == []


def test_a_namespace_that_goes_is_no_failure(world: World) -> None:
    """Neither a missing nor a terminating namespace is anybody's fault."""
    missing = {
        "kind": "Status",
        "reason": "NotFound",
        "details": {"kind": "namespaces"},
    }
    world.server.replies["POST", "a"] = Reply(404, orjson.dumps(missing))
    causes = [{"reason": "NamespaceTerminating"}]
    going = {"kind": "Status", "reason": "Forbidden", "details": {"causes": causes}}
    world.server.replies["POST", "b"] = Reply(403, orjson.dumps(going))
    assert world.run(create("a"), create("b")) == Report(acted=2)
    world.server.replies["POST", "a"] = status_reply(404, "NotFound")
    assert isinstance(world.run(create("a")).error, NotFound)


@pytest.mark.parametrize(
    ("owner", "kind"),
    [
        ({}, FindingKind.FOREIGN),
        ({"kind": "ReplicaSet", "name": "pi", "uid": "z"}, FindingKind.FOREIGN),
        ({"kind": "MPIJob", "name": "other", "uid": "z"}, FindingKind.FOREIGN),
        ({"kind": "MPIJob", "name": "pi", "uid": "older"}, FindingKind.TAKEN),
    ],
)
def test_a_taken_name(
    world: World, owner: Mapping[str, object], kind: FindingKind
) -> None:
    """An object of another owner is left alone and named."""
    world.server.replies["POST", "a"] = TAKEN
    world.server.replies["GET", "a"] = live(owner)
    report = world.run(create("a"))
    assert report.finding is not None
    assert report.finding.kind is kind
    assert '"a"' in report.finding.message
    assert world.server.sent() == [("POST", "pods"), ("GET", "a")]


def test_a_foreign_object_on_its_way_out_is_waited_for(world: World) -> None:
    """Whoever owned it, a name that is about to be free is no lasting block."""
    world.server.replies["POST", "a"] = TAKEN
    world.server.replies["GET", "a"] = live(
        {}, deletionTimestamp="2026-01-01T00:00:00Z"
    )
    world.run(create("a"))
    assert world.findings() == [FindingKind.TAKEN]


def test_our_own_object_is_labelled_safely(world: World) -> None:
    """Labels are added to exactly the object that was read; else it is read anew."""
    manifest = {"metadata": {"name": "a", "labels": {"mpiop/job-uid": "uid", "b": "c"}}}
    action = Create(Ref("Pod", "default", "a"), manifest)
    world.server.replies["POST", "a"] = TAKEN
    world.server.replies["GET", "a"] = live({"uid": "uid"}, labels={"b": "c"})
    assert world.run(action) == Report(acted=1)
    tests = [
        {"op": "test", "path": "/metadata/uid", "value": "x"},
        {"op": "test", "path": "/metadata/resourceVersion", "value": "8"},
    ]
    label = {"op": "add", "path": "/metadata/labels/mpiop~1job-uid", "value": "uid"}
    assert world.server.bodies()[-1] == [*tests, label]
    world.server.replies["PATCH", "a"] = status_reply(422, "Invalid")
    assert isinstance(world.run(action).error, Conflict)
    world.server.replies["GET", "a"] = live(
        {"uid": "uid"}, labels={"mpiop/job-uid": "uid", "b": "c"}
    )
    assert world.run(action) == Report(acted=1)


def test_labels_are_made_where_there_are_none() -> None:
    """A JSON patch cannot add to a map that is not there."""
    wanted = {"metadata": {"labels": {"a": "b"}}}
    *_, last = labelling({"metadata": {"uid": "x"}}, wanted)
    assert last == {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}


def test_the_secret_is_ours_by_its_name(world: World) -> None:
    """The key is sent with the Secret; that it exists already is success."""
    ref = Ref("Secret", "default", "s")
    action = CreateSSHSecret(ref, {"metadata": {"name": "s"}})
    assert world.run(action) == Report(acted=1)
    assert world.server.bodies()[0]["data"] == {"ssh-privatekey": "a2V5"}
    world.server.replies["POST", "s"] = TAKEN
    assert world.run(action) == Report(acted=1)
    assert world.server.sent()[-1] == ("POST", "secrets")


def test_a_deleted_pod_that_is_gone_is_done(world: World) -> None:
    """NotFound is what a deletion wants."""
    world.server.replies["DELETE", "a"] = status_reply(404, "NotFound")
    assert world.run(Delete(Ref("Pod", "default", "a"), "x")) == Report(acted=1)


def test_nothing_is_sent_without_the_lease() -> None:
    """A fenced operator writes nothing."""
    world = make(leader=False)
    assert isinstance(world.run(create("a")).error, Fenced)
    assert world.server.calls == []


def launch(*, suspended: bool = False) -> CreateLauncher:
    manifest = {"metadata": {"name": "pi-launcher"}}
    return CreateLauncher(LAUNCHER, "uid", 1, suspended=suspended, manifest=manifest)


def mpijob(
    *, uid: str = "uid", suspend: bool = False, recorded: object = None, **meta: object
) -> Reply:
    found = {
        "metadata": {"uid": uid, **meta},
        "spec": {"runPolicy": {"suspend": suspend}},
        "status": {"recorded": recorded or {"attempt": 1}},
    }
    return Reply(200, orjson.dumps(found))


def pods(*phases: str) -> Reply:
    items = [{"metadata": {"name": "p"}, "status": {"phase": one}} for one in phases]
    return Reply(200, orjson.dumps({"metadata": {}, "items": items}))


def test_a_launcher_is_made_after_two_live_reads(world: World) -> None:
    """The MPIJob and the launcher Pods are read before the Job is sent."""
    world.server.replies["GET", "pi"] = mpijob()
    world.server.replies["GET", "pods"] = pods("Failed", "Succeeded")
    assert world.run(launch()) == Report(acted=1)
    assert world.server.sent() == [("GET", "pi"), ("GET", "pods"), ("POST", "jobs")]
    selector = dict(world.server.calls[1].query)["labelSelector"]
    assert selector == "mpiop/job-uid=uid,training.kubeflow.org/job-role=launcher"


@pytest.mark.parametrize(
    "reply",
    [
        mpijob(uid="later"),
        mpijob(suspend=True),
        mpijob(deletionTimestamp="2026-01-01T00:00:00Z"),
        mpijob(recorded={"attempt": 1, "verdict": {"succeeded": False}}),
        mpijob(recorded={"attempt": 2}),
    ],
    ids=["uid", "suspended", "deleted", "verdict", "attempt"],
)
def test_a_job_that_has_moved_on_gets_no_launcher(world: World, reply: Reply) -> None:
    """Whatever differs from what was planned on, nothing is sent."""
    world.server.replies["GET", "pi"] = reply
    world.server.replies["GET", "pods"] = pods()
    assert isinstance(world.run(launch()).error, Conflict)
    assert ("POST", "jobs") not in world.server.sent()


@pytest.mark.parametrize("phase", ["Pending", "Running", "Unknown", ""])
def test_a_launcher_pod_that_may_run_blocks_another(world: World, phase: str) -> None:
    """Only a terminal Pod is known to be over; one that is going is not."""
    world.server.replies["GET", "pi"] = mpijob()
    world.server.replies["GET", "pods"] = pods("Succeeded", phase)
    assert isinstance(world.run(launch()).error, Conflict)


def test_a_suspended_launcher_may_be_made_for_a_suspended_job(world: World) -> None:
    """Suspended Jobs are made while the MPIJob is suspended, and resumed by a patch."""
    world.server.replies["GET", "pi"] = mpijob(suspend=True)
    world.server.replies["GET", "pods"] = pods()
    assert world.run(launch(suspended=True)) == Report(acted=1)
    world.server.replies["GET", "pi"] = mpijob()
    resume = {"spec": {"suspend": False}}
    action = launch()
    action = attrs.evolve(action, manifest=None, resume=resume, resource_version="12")
    assert world.run(action) == Report(acted=1)
    body = world.server.bodies()[-1]
    assert body == {**resume, "metadata": {"resourceVersion": "12"}}


@pytest.mark.compat("edits.launcher-template")
@pytest.mark.checklist("7.1.ResumeMPIJobClearsStartTime")
@pytest.mark.defect("D2")
def test_a_job_that_had_started_is_reset_before_it_is_resumed(world: World) -> None:
    """Its startTime goes first, by the status; the resume builds on that version."""
    world.server.replies["GET", "pi"] = mpijob()
    world.server.replies["GET", "pods"] = pods()
    resume = {"spec": {"suspend": False}}
    action = attrs.evolve(
        launch(), manifest=None, resume=resume, resource_version="12", reset=True
    )
    assert world.run(action) == Report(acted=1)
    assert world.server.sent()[-2:] == [("PATCH", "status"), ("PATCH", "pi-launcher")]
    assert world.server.bodies() == [
        {"status": {"startTime": None}, "metadata": {"resourceVersion": "12"}},
        {**resume, "metadata": {"resourceVersion": "9"}},
    ]


def test_a_long_message_is_cut_between_characters() -> None:
    """An Event's message has at most 1024 bytes and stays readable."""
    assert events.cut("short") == "short"
    assert events.cut("é" * 600) == "é" * 512
    assert events.cut("a" + "é" * 600) == "a" + "é" * 511


def test_an_event_that_is_there_is_told(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Said in this very second already: no failure, and nothing to log."""
    world.server.replies["POST", "events"] = TAKEN
    assert world.run(EmitEvent("Normal", "Running", "it runs")) == Report(acted=1)
    assert caplog.records == []


def test_a_lost_event_fails_nothing(world: World) -> None:
    """That an Event cannot be written is logged and forgotten."""
    world.executor.api = Api(Fence(Server(), lambda: False), FakeTime().clock)
    assert world.run(EmitEvent("Normal", "Running", "it runs")) == Report(acted=1)


LOG = LookLog("p", "main", 5)
EVENTS = LookEvents(LAUNCHER, "uid-j")


def test_looks_are_answered(world: World) -> None:
    """A look gives the last lines, or the newest Warning about an object."""
    server = world.server
    server.replies["GET", "log"] = Reply(200, b"one\ntwo\n")
    items = [
        {"type": "Warning", "message": "old", "lastTimestamp": "2026-01-01T00:00:00Z"},
        {"type": "Warning", "message": "new", "eventTime": "2026-01-01T00:00:09Z"},
        {"type": "Normal", "message": "no", "lastTimestamp": "2026-02-01T00:00:00Z"},
    ]
    listed = {"metadata": {}, "items": items}
    server.replies["GET", "events"] = Reply(200, orjson.dumps(listed))
    found = answers(world.executor.api, "default", (LOG, EVENTS))
    assert found == {LOG: "one\ntwo", EVENTS: "new"}
    query = dict(server.calls[-1].query)
    assert query == {"fieldSelector": "involvedObject.uid=uid-j"}


def stopped(name: str, uid: str, seconds: int, **more: object) -> dict[str, object]:
    """Write an Event of a kubelet that stops a Pod's container."""
    about = {"involvedObject": {"name": name, "uid": uid}, "source": {"host": "n1"}}
    return {**about, "firstTimestamp": f"2026-01-01T00:00:{seconds:02}Z", **more}


def test_who_was_told_to_stop(world: World) -> None:
    """By name, uid, time and node; a container that is stopped twice by its first."""
    items = [
        stopped("pi-worker-1", "b", 7),
        stopped("pi-worker-0", "new", 9, source={}),
        stopped("pi-worker-0", "old", 2),
        stopped("pi-worker-1", "b", 5),
        stopped("pi-worker-2", "c", 5, firstTimestamp=None),
        stopped("po-worker-0", "d", 5),
    ]
    listed = {"metadata": {}, "items": items}
    world.server.replies["GET", "events"] = Reply(200, orjson.dumps(listed))
    look = LookKilled("default", "pi-worker-", "main")
    answer = answers(world.executor.api, "default", (look,))[look]
    assert (answer or "").splitlines() == [
        "pi-worker-0 old 2026-01-01T00:00:02Z n1",
        "pi-worker-1 b 2026-01-01T00:00:05Z n1",
        "pi-worker-0 new 2026-01-01T00:00:09Z ",
    ]
    query = dict(world.server.calls[-1].query)["fieldSelector"]
    about = "involvedObject.kind=Pod,involvedObject.fieldPath=spec.containers{main}"
    assert query == f"{about},reason=Killing"


def test_a_look_without_the_right_is_no_failure(world: World) -> None:
    """Where a look is refused, the plan is made without it."""
    world.server.replies["GET", "log"] = status_reply(403, "Forbidden")
    empty: dict[str, object] = {"metadata": {}, "items": []}
    world.server.replies["GET", "events"] = Reply(200, orjson.dumps(empty))
    found = answers(world.executor.api, "default", (LOG, EVENTS))
    assert found == {LOG: None, EVENTS: ""}


@pytest.mark.parametrize(
    ("reply", "free"),
    [
        (Reply(201, b"{}"), True),
        (TAKEN, True),
        (status_reply(400, "BadRequest"), True),
        (status_reply(403, "Forbidden"), False),
    ],
    ids=["free", "exists", "no dry run", "denied"],
)
def test_a_probe_is_a_dry_run(world: World, reply: Reply, *, free: bool) -> None:
    """A denied Secret is probed without being written or read."""
    action = CreateSSHSecret(Ref("Secret", "default", "s"), {"metadata": {"name": "s"}})
    world.server.replies["POST", "s"] = status_reply(403, "Forbidden")
    report = world.run(action)
    assert report.finding is not None
    world.server.replies["POST", "s"] = reply
    lesson = Lesson(report.finding, action, due=0.0)
    assert world.executor.probe(JOB, lesson) is free
    assert dict(world.server.calls[-1].query)["dryRun"] == "All"


def test_what_is_no_creation_is_simply_tried_again(world: World) -> None:
    """There is no dry run of a patch: the plan may send it again when it is due."""
    action = Patch(Ref("Role", "default", "r"), {"rules": []}, "4")
    world.server.replies["PATCH", "r"] = status_reply(403, "Forbidden")
    report = world.run(action)
    assert report.finding is not None
    assert world.executor.probe(JOB, Lesson(report.finding, action, due=0.0))


def owned(name: str, uid: str) -> dict[str, Any]:
    """Write a Pod that a controller has, beside another owner."""
    owners = [{"uid": "somebody"}, {"uid": uid, "controller": True}]
    return {"metadata": {"name": name, "uid": name, "ownerReferences": owners}}


@pytest.mark.parametrize(("owner", "verbs"), [("uid", 2), ("another", 1)])
def test_only_what_is_still_the_jobs_is_adopted(
    world: World, owner: str, verbs: int
) -> None:
    """Between the look and the write it may have got another controller."""
    live = orjson.dumps(owned("pi-launcher", owner))
    world.server.replies["GET", "pi-launcher"] = Reply(200, live)
    report = world.run(Adopt(Ref("Pod", "default", "pi-launcher"), "uid", {"a": "b"}))
    assert report.error is None
    assert [method for method, _ in world.server.sent()] == ["GET", "PATCH"][:verbs]


class Paged(Server):
    """Has a Pod on each page of a list, and three pages; no launcher Job."""

    def request(self, call: Call) -> Reply:
        super().request(call)
        if call.path.endswith("/jobs/pi-launcher"):
            return status_reply(404, "NotFound")
        if len(self.calls) > 4:  # the other label's list
            return Reply(200, b'{"items": []}')
        number = len(self.calls) - 1
        more = {"continue": f"page {number + 1}"} if number < 3 else {}
        items = [owned(f"pod-{number}", "uid")]
        return Reply(200, orjson.dumps({"metadata": more, "items": items}))


def test_all_pages_are_searched_for_what_was_inherited() -> None:
    """A namespace may have more Pods of a name than fit a page."""
    server = Paged()
    look = LookInherited("default", "pi", "uid")
    found = answers(Api(server, FakeTime().clock), "default", (look,))
    assert found == {look: "Pod pod-1 uid\nPod pod-2 uid\nPod pod-3 uid"}
    tokens = [dict(call.query).get("continue") for call in server.calls[1:]]
    assert tokens == [None, "page 2", "page 3", None]
