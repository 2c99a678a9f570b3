"""What a user sees when the cluster says no, goes away, or tells another time."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest

from mpiop.k8s.errors import Unsent
from mpiop.k8s.transport import Call, Reply
from mpiop.local.client import (
    CONFIG_MAPS,
    CRDS,
    EVENTS,
    JOBS,
    NAMESPACES,
    PODS,
    SERVICES,
    Deletion,
    Json,
    Resource,
)
from mpiop.reconcile.plan import plan
from tests.reconcile.build import template
from tests.support.deployed import definition
from tests.support.harness import MPIJOBS, Harness
from tests.support.transport import VERBS, Faults, resource, status_reply
from tests.support.upstream import mpijob

CRD = definition()
ACCOUNTS = Resource("v1", "serviceaccounts")
SECRETS = Resource("v1", "secrets")
ROLES = Resource("rbac.authorization.k8s.io/v1", "roles")
BINDINGS = Resource("rbac.authorization.k8s.io/v1", "rolebindings")
Obj = dict[str, Any]


def harness(**more: Any) -> Harness:  # noqa: ANN401
    """Give a cluster with the definition as shipped."""
    return Harness(plan, crd=CRD, **more)


def status(world: Harness) -> Obj:
    """Read the status."""
    found: Obj = world.job().get("status", {})
    return found


def condition(world: Harness, name: str) -> Obj:
    """Find a condition."""
    found = status(world).get("conditions", [])
    return next((dict(one) for one in found if one["type"] == name), {})


def said(world: Harness) -> list[tuple[str, str]]:
    """Give type and reason of the Events about the job, in the order of letters."""
    events = world.client.list(EVENTS)["items"]
    return sorted(
        (one["type"], one["reason"])
        for one in events
        if one["involvedObject"]["kind"] == "MPIJob"
    )


def edit(world: Harness, patch: Obj) -> None:
    """Change the job's spec as a user does."""
    world.client.patch(MPIJOBS, world.job(), {"spec": patch})


def ends_well(world: Harness, limit: float = 300) -> None:
    """Let the job come to its end, by one launcher."""
    world.run_until(lambda: bool(status(world).get("result")), limit=limit)
    assert status(world)["result"] in {"Succeeded", "Unverified"}
    assert len(world.client.list(JOBS)["items"]) == 1


def launcher(job: Obj) -> Obj:
    """Give the launcher's Pod template."""
    found: Obj = job["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]
    return found


def refusing(verb: str, kind: str, reply: Reply) -> Callable[[Call], Reply | None]:
    """Answer every such write with a refusal."""

    def answer(call: Call) -> Reply | None:
        if call.method == "GET" or VERBS[call.method] != verb:
            return None
        return reply if resource(call.path) == kind else None

    return answer


def forbidden(message: str, code: int = 403, reason: str = "Forbidden") -> Reply:
    """Give a refusal with a message."""
    body = {"kind": "Status", "code": code, "reason": reason, "message": message}
    return Reply(code, json.dumps(body).encode())


LONG = mpijob(workers=100)
LONG["metadata"] = {"name": "a" * 54}
ODD: dict[str, tuple[Obj, str]] = {
    "quantity": (
        {
            "containers": [
                {"name": "main", "image": "i", "resources": {"limits": {"cpu": "1Gb"}}}
            ]
        },
        "resources.limits.cpu",
    ),
    "image": ({"containers": [{"name": "main"}]}, "containers[0].image"),
    "command": (
        {"containers": [{"name": "main", "image": "i", "command": "mpirun"}]},
        "containers[0].command",
    ),
}


@pytest.mark.compat("validation.report", "conditions.own", "status.observedGeneration")
@pytest.mark.checklist("7.1.Invalid")
@pytest.mark.defect("D22", "E19")
@pytest.mark.parametrize("case", ODD)
def test_what_the_schema_lets_through_is_told(case: str) -> None:
    """Phase Invalid with the field, one Event, nothing made, no retry; then mended."""
    spec, field = ODD[case]
    world = harness()
    job = mpijob()
    good = launcher(job)["spec"]
    job["spec"]["mpiReplicaSpecs"]["Launcher"]["template"] = {"spec": spec}
    world.create(job)
    world.advance(30)

    assert world.phase() == "Invalid"
    assert field in status(world)["message"]
    assert condition(world, "Valid")["status"] == "False"
    assert status(world)["observedGeneration"] == 1
    assert said(world) == [("Normal", "MPIJobCreated"), ("Warning", "ValidationError")]
    assert world.client.list(PODS)["items"] == []
    before = world.transport.writes
    world.advance(7200)
    assert world.transport.writes == before
    edit(world, {"mpiReplicaSpecs": {"Launcher": {"template": {"spec": good}}}})
    ends_well(world)
    assert condition(world, "Valid")["status"] == "True"


@pytest.mark.compat("validation.name", "validation.report")
@pytest.mark.defect("D22")
def test_a_name_too_long_with_its_index_is_told() -> None:
    """The API server takes it; its last worker could not have a host name."""
    world = harness()
    world.create(LONG)
    world.advance(10)
    live = world.job(LONG["metadata"]["name"])
    assert live["status"]["phase"] == "Invalid"
    assert "metadata.name" in live["status"]["message"]
    assert "at most 53 characters" in live["status"]["message"]


@pytest.mark.compat("validation.template-refused", "validation.reserved-names")
@pytest.mark.defect("D40")
@pytest.mark.parametrize(
    ("spec", "word"),
    [
        ({"volumes": [{"name": "ssh-auth", "emptyDir": {}}]}, "ssh-auth"),
        ({"volumes": [{"name": "v"}], "priority": "high"}, "priority"),
        (
            {
                "containers": [
                    {
                        "name": "main",
                        "image": "i",
                        "volumeMounts": [{"name": "none", "mountPath": "/x"}],
                    }
                ]
            },
            "none",
        ),
    ],
)
def test_a_template_that_the_server_refuses_is_told(spec: Obj, word: str) -> None:
    """422: Invalid, the Pods are gone, no retry until the spec changes."""
    world = harness()
    job = mpijob()
    worker = job["spec"]["mpiReplicaSpecs"]["Worker"]["template"]["spec"]
    good = dict(worker)
    worker.update(spec)
    world.create(job)
    world.advance(30)

    assert world.phase() == "Invalid"
    assert word in status(world)["message"]
    assert world.client.list(PODS)["items"] == []
    before = world.transport.writes
    world.advance(7200)
    assert world.transport.writes == before
    nothing = dict.fromkeys(spec)
    edit(world, {"mpiReplicaSpecs": {"Worker": {"template": {"spec": nothing | good}}}})
    ends_well(world)


QUOTA = 'pods "pi-worker-1" is forbidden: exceeded quota: team, requested: pods=1'
WEBHOOK = 'admission webhook "image.policy" denied the request: unsigned image'
POLICY = 'ValidatingAdmissionPolicy "p" with binding "b" denied request: no root'
BROKEN = 'Internal error occurred: failed calling webhook "image.policy": refused'


@pytest.mark.parametrize(
    ("message", "code", "reason"),
    [
        (QUOTA, 403, "Forbidden"),
        (WEBHOOK, 403, "Forbidden"),
        (WEBHOOK, 400, ""),
        (POLICY, 422, "Invalid"),
        (BROKEN, 500, "InternalError"),
    ],
    ids=["quota", "webhook", "webhook-400", "policy", "webhook-down"],
)
def test_a_refused_worker_is_retried_and_shown(
    message: str, code: int, reason: str
) -> None:
    """Quota or admission: not Failed, not Invalid, the words within 15 s; then on."""
    world = harness()
    reply = forbidden(message, code, reason)
    world.transport.faults.answer = refusing("create", "pods", reply)
    world.create(mpijob())
    world.advance(15)

    assert world.phase() == "Created"
    assert status(world)["reason"] == "Denied"
    assert message in status(world)["message"]
    writes = world.transport.writes
    world.advance(3600)
    assert world.transport.writes - writes <= 3600 / 30
    assert world.phase() == "Created"
    blocked = condition(world, "Blocked")
    assert (blocked["status"], blocked["reason"]) == ("True", "Denied")
    world.transport.faults.answer = lambda _call: None
    ends_well(world)
    assert condition(world, "Blocked")["status"] == "False"
    assert said(world).count(("Warning", "Denied")) == 1


def test_room_that_others_take_is_told_of_once() -> None:
    """Jobs that share a quota each see room, and lose it: one Event, hardly a write."""
    world = harness()
    refused = refusing("create", "pods", forbidden(QUOTA))

    def answer(call: Call) -> Reply | None:
        tried = ("dryRun", "All") in call.query
        return None if tried else refused(call)

    world.transport.faults.answer = answer
    world.create(mpijob())
    world.advance(15)
    before = world.transport.counts["PATCH", "mpijobs"]
    world.advance(3600)
    assert said(world).count(("Warning", "Denied")) == 1
    assert world.transport.counts["PATCH", "mpijobs"] == before
    assert status(world)["reason"] == "Denied"


def test_a_launcher_without_a_pod_shows_why() -> None:
    """A missing ServiceAccount is told by the Job's Events only: within 15 s."""
    world = harness()
    job = mpijob()
    launcher(job)["spec"]["serviceAccountName"] = "nobody"
    world.create(job)
    world.advance(15)

    assert status(world)["reason"] == "LauncherHasNoPod"
    assert "nobody" in status(world)["message"]
    assert world.phase() != "Failed"
    world.cluster.create(ACCOUNTS, {"name": "nobody"})
    ends_well(world, limit=900)


def test_a_late_launcher_without_a_pod_shows_why_as_soon() -> None:
    """Within 15 s of its Job's creation, however long the job has waited before."""
    world = harness()
    world.node.workers_ready = False
    job = mpijob()
    job["spec"]["launcherCreationPolicy"] = "WaitForWorkersReady"
    launcher(job)["spec"]["serviceAccountName"] = "nobody"
    world.create(job)
    world.advance(120)
    assert not world.client.list(JOBS)["items"]
    world.node.workers_ready = True
    world.run_until(lambda: bool(world.client.list(JOBS)["items"]))
    world.advance(15)

    assert status(world)["reason"] == "LauncherHasNoPod"
    assert "nobody" in status(world)["message"]


def test_a_late_worker_that_is_silent_is_looked_at_as_soon() -> None:
    """One that took another's place is asked why it is not ready, after ten seconds."""
    world = harness()
    world.node.held = {"pi-worker-0"}
    job = mpijob(workers=1)
    job["spec"]["launcherCreationPolicy"] = "WaitForWorkersReady"
    world.create(job)
    world.advance(120)
    old = world.client.get(PODS, "default", "pi-worker-0")
    world.client.delete(PODS, old, Deletion(grace_seconds=0))
    world.advance(14)
    assert events_asked(world, "pi-worker-0")


def events_asked(world: Harness, name: str) -> list[Call]:
    """Give the questions for the Events of a Pod as it is now."""
    uid = world.client.get(PODS, "default", name)["metadata"]["uid"]
    return [
        call
        for call in world.transport.calls
        if resource(call.path) == "events" and uid in str(call.query)
    ]


@pytest.mark.parametrize("when", [0.0, 8.0])
def test_a_namespace_that_goes_takes_the_job_with_it(when: float) -> None:
    """Nothing is made in it any more, nothing is left, nobody tries for ever."""
    world = harness()
    world.client.create(NAMESPACES, {"metadata": {"name": "team"}})
    world.advance(1)
    world.node.launcher_seconds = 1e6
    job = mpijob()
    world.create({**job, "metadata": {"name": "pi", "namespace": "team"}})
    world.advance(when)
    world.client.delete(NAMESPACES, world.client.get(NAMESPACES, "", "team"))
    world.advance(120)

    assert world.client.list(PODS, "team")["items"] == []
    assert world.operator.store.keys() == ()
    before = world.transport.writes
    world.advance(3600)
    assert world.transport.writes == before


FOREIGN: list[tuple[Resource, str, str, Obj]] = [
    (SERVICES, "pi", "SSH", {"spec": {"clusterIP": "None"}}),
    (CONFIG_MAPS, "pi-config", "SSH", {"data": {"theirs": "1"}}),
    (PODS, "pi-worker-1", "SSH", {"spec": template()["spec"]}),
    (
        JOBS,
        "pi-launcher",
        "SSH",
        {
            "spec": {
                "suspend": True,
                "template": {"spec": {**template()["spec"], "restartPolicy": "Never"}},
            }
        },
    ),
    (ACCOUNTS, "pi-launcher", "KubectlExec", {}),
    (ROLES, "pi-launcher", "KubectlExec", {"rules": []}),
    (
        BINDINGS,
        "pi-launcher",
        "KubectlExec",
        {
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "Role",
                "name": "theirs",
            }
        },
    ),
]


@pytest.mark.compat("objects.foreign", "events.warning", "conditions.own")
@pytest.mark.checklist(
    "7.1.NotControlledByUs",
    "7.1.LauncherNotControlledByUs",
    "7.6.NotControlledByUs",
    "7.7.foreign",
)
@pytest.mark.parametrize(
    ("kind", "name", "shell", "more"), FOREIGN, ids=lambda v: getattr(v, "plural", None)
)
def test_a_foreign_object_is_left_alone(
    kind: Resource, name: str, shell: str, more: Obj
) -> None:
    """Blocked names it, one Event says so, its bytes stay; once it is gone, on."""
    world = harness()
    world.cluster.create(kind, {"name": name}, **more)
    world.settle()
    theirs = world.client.get(kind, "default", name)
    job = mpijob()
    job["spec"]["remoteShell"] = shell
    world.create(job)
    world.advance(60)

    assert condition(world, "Blocked")["status"] == "True"
    assert name in condition(world, "Blocked")["message"]
    assert status(world)["reason"] == "Blocked"
    assert said(world).count(("Warning", "ErrResourceExists")) == 1
    live = world.client.get(kind, "default", name)
    assert live["metadata"]["uid"] == theirs["metadata"]["uid"]
    kept = [key for key in live if key not in {"metadata", "status"}]
    assert {key: live[key] for key in kept} == {key: theirs[key] for key in kept}
    assert not (live["metadata"].get("labels") or {}).keys() & {"mpiop/job-uid"}
    before = world.transport.counts.copy()
    world.advance(600)
    assert world.transport.counts == before
    world.client.delete(kind, live)
    ends_well(world)
    assert condition(world, "Blocked")["status"] == "False"


@pytest.mark.compat("objects.Secret")
@pytest.mark.checklist("7.1.NotControlledByUs")
def test_a_foreign_secret_is_in_nobodys_way() -> None:
    """The job's own carries its uid: upstream's name may be anybody's."""
    world = harness()
    theirs = {"ssh-privatekey": "dGhlaXJz"}
    world.cluster.create(SECRETS, {"name": "pi-ssh"}, data=theirs)
    before = world.client.get(SECRETS, "default", "pi-ssh")
    world.create(mpijob())
    ends_well(world)

    assert world.client.get(SECRETS, "default", "pi-ssh") == before
    ours = f"pi-ssh-{world.job()['metadata']['uid']}"
    pods = world.client.list(PODS)["items"]
    assert len(pods) == 3
    for pod in pods:
        assert f"'{ours}'" in str(pod["spec"]["volumes"])
        assert "'pi-ssh'" not in str(pod["spec"]["volumes"])


@pytest.mark.compat("operator.definition")
def test_a_definition_that_comes_late_is_waited_for() -> None:
    """The operator may be there before the CRD: it writes nothing, and then works."""
    world = harness()
    definition = world.client.get(CRDS, "", "mpijobs.kubeflow.org")
    world.client.delete(CRDS, definition)
    world.restart_operator()
    world.advance(120)
    assert not world.operator.has_synced
    assert world.transport.writes == 0
    calls = len(world.transport.calls)
    world.advance(600)
    assert len(world.transport.calls) - calls < 600
    world.client.create(CRDS, CRD)
    world.create(mpijob())
    ends_well(world)


RIGHTS = [
    ("create", "services"),
    ("create", "configmaps"),
    ("create", "secrets"),
    ("create", "pods"),
    ("create", "jobs"),
]


@pytest.mark.parametrize(("verb", "kind"), RIGHTS)
def test_a_missing_right_is_told(verb: str, kind: str) -> None:
    """The API server's words reach the status; once granted, the job goes on."""
    world = harness()
    words = f'{kind} is forbidden: User "mpiop" cannot {verb} resource "{kind}"'
    world.transport.faults.answer = refusing(verb, kind, forbidden(words))
    world.create(mpijob())
    world.advance(15)

    assert status(world)["reason"] == "Denied"
    assert words in status(world)["message"]
    assert world.phase() in {"Created", "WorkersReady"}
    world.advance(600)
    assert world.phase() in {"Created", "WorkersReady"}
    world.transport.faults.answer = lambda _call: None
    ends_well(world)


def test_a_right_that_a_component_brings_is_told_with_it() -> None:
    """What to install is named where a right is missing, not where a quota says no."""
    world = harness()
    words = 'serviceaccounts is forbidden: User "mpiop" cannot create resource "x"'
    refused = refusing("create", "serviceaccounts", forbidden(words))
    world.transport.faults.answer = refused
    job = mpijob()
    job["spec"]["remoteShell"] = "KubectlExec"
    world.create(job)
    world.advance(15)
    assert "component kubectl-exec" in status(world)["message"]
    quota = forbidden("serviceaccounts is forbidden: exceeded quota: team")
    world.transport.faults.answer = refusing("create", "serviceaccounts", quota)
    world.advance(600)
    assert "exceeded quota" in status(world)["message"]
    assert "component" not in status(world)["message"]
    world.transport.faults.answer = lambda _call: None
    ends_well(world)


@pytest.mark.parametrize(
    ("verb", "kind"), [("patch", "mpijobs/status"), ("delete", "pods")]
)
def test_without_a_right_to_tell_nothing_runs_away(verb: str, kind: str) -> None:
    """Where even the status is refused: a request now and then, and no second one."""
    world = harness()
    world.transport.faults.answer = refusing(verb, kind, forbidden("no such right"))
    job = mpijob(cleanPodPolicy="Running")
    world.create(job)
    world.advance(3600)
    assert world.transport.writes < 200
    assert len(world.client.list(JOBS)["items"]) <= 1
    world.transport.faults.answer = lambda _call: None
    ends_well(world, limit=1200)
    world.run_until(lambda: world.phase() == "Cleaned", limit=1200)


@pytest.mark.parametrize("after", [0.5, 3.0, 12.0, 21.0])
def test_an_api_server_that_restarts_costs_nothing(after: float) -> None:
    """Down for 30 s at any time of a job's life: no attempt, no second object."""
    world = harness()
    world.node.launcher_seconds = 20.0
    world.create(mpijob(cleanPodPolicy="Running", backoffLimit=0))
    world.advance(after)

    def down(_call: Call) -> Reply | None:
        raise Unsent(0, "Unsent", "connection refused")

    world.transport.faults.answer = down
    world.transport.cut()
    world.advance(30)
    world.transport.faults.answer = lambda _call: None
    world.run_until(lambda: world.phase() == "Cleaned", limit=300)

    assert status(world)["restarts"] == 0
    assert world.transport.counts["create", "jobs"] == 1
    assert world.transport.counts["create", "pods"] == 2
    assert world.transport.counts["patch", "mpijobs/status"] <= 6


def test_a_watch_that_has_expired_costs_nothing() -> None:
    """410 on every watch, again and again: lists follow, nothing is made twice."""
    world = harness()
    world.node.launcher_seconds = 60.0
    gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    event = json.dumps({"type": "ERROR", "object": gone}).encode()
    number = 0

    def expire(_path: str, lines: list[bytes]) -> list[bytes]:
        nonlocal number
        number += 1
        return [event] if number % 7 == 0 else lines

    world.transport.faults.disturb = expire
    world.create(mpijob(cleanPodPolicy="Running"))
    world.run_until(lambda: world.phase() == "Cleaned", limit=900)

    assert number > 7
    assert world.transport.counts["create", "jobs"] == 1
    assert world.transport.counts["create", "pods"] == 2
    assert status(world)["restarts"] == 0


@pytest.mark.parametrize("minutes", [-60, -5, 5, 60])
def test_an_operator_whose_clock_is_wrong_decides_the_same(minutes: int) -> None:
    """Deadline and ttl count its own seconds; verdict and writes are the same."""
    world = harness()
    skew = timedelta(minutes=minutes)
    world.clock = attrs.evolve(world.clock, now=lambda: world.cluster.clock() + skew)
    world.restart_operator()
    policy: Obj = {"activeDeadlineSeconds": 600, "ttlSecondsAfterFinished": 100}
    world.create(mpijob(cleanPodPolicy="Running", **policy))
    spent = world.run_until(lambda: world.phase() == "Cleaned", limit=120)

    assert spent < 60
    assert status(world)["result"] == "Unverified"
    assert status(world)["restarts"] == 0
    assert world.transport.counts["patch", "mpijobs/status"] <= 6
    world.advance(90)
    assert world.find(MPIJOBS, "pi") is not None
    world.advance(20)
    assert world.find(MPIJOBS, "pi") is None


@pytest.mark.parametrize("minutes", [-60, 60])
def test_a_wrong_clock_believes_no_success_without_its_workers(minutes: int) -> None:
    """A worker that ended under the launcher is never a plain success."""
    world = harness()
    skew = timedelta(minutes=minutes)
    world.clock = attrs.evolve(world.clock, now=lambda: world.cluster.clock() + skew)
    world.restart_operator()
    world.node.launcher_seconds = 30.0
    world.create(mpijob(backoffLimit=0))
    world.run_until(lambda: world.phase() == "LauncherRunning", limit=60)
    world.advance(5)
    worker: Json = world.client.get(PODS, "default", "pi-worker-0")
    world.cluster.kubelet.fail(worker, 137)
    world.run_until(lambda: bool(status(world).get("result")), limit=120)
    assert status(world)["result"] == "Failed"
    assert status(world)["reason"] == "WorkerLost"


def test_a_single_refusal_is_no_news() -> None:
    """A quota that is free again at once delays the job and leaves no trace."""
    faults = Faults(refuse={5: status_reply(403, "Forbidden")})
    world = harness(faults=faults)
    world.create(mpijob())
    ends_well(world)
    assert status(world)["reason"] != "Denied"
