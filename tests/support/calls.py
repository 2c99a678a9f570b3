"""Which rights the operator's calls take, seen by what it really sends."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import attrs
import orjson

from mpiop.k8s.api import Api
from mpiop.k8s.clock import Clock
from mpiop.k8s.executor import Executor
from mpiop.k8s.freshness import Freshness
from mpiop.k8s.leader import Elector, Lock
from mpiop.k8s.lessons import Lessons
from mpiop.k8s.ownership import controller
from mpiop.k8s.rights import Right
from mpiop.k8s.settings import Settings
from mpiop.k8s.store import Store
from mpiop.k8s.subject import Subject
from mpiop.k8s.transport import Call, Reply
from mpiop.local.client import (
    CONFIG_MAPS,
    JOBS,
    PODS,
    SERVICE_ACCOUNTS,
    SERVICES,
    Client,
    Json,
    Resource,
)
from mpiop.reconcile import names
from mpiop.reconcile.actions import Action
from mpiop.reconcile.plan import plan
from tests.property.test_histories import job
from tests.reconcile.test_gang_world import World
from tests.support.gangs import POD_GROUPS
from tests.support.harness import MPIJOBS, Harness
from tests.support.timing import FakeTime
from tests.support.transport import VERBS, OneByOne, status_reply

RBAC: Final = "rbac.authorization.k8s.io/v1"
LEASES: Final = Resource("coordination.k8s.io/v1", "leases")
PRIORITIES: Final = Resource("scheduling.k8s.io/v1", "priorityclasses")
CHILDREN: Final = (
    SERVICES,
    CONFIG_MAPS,
    SERVICE_ACCOUNTS,
    Resource(RBAC, "roles"),
    Resource(RBAC, "rolebindings"),
    PODS,
)
FOREVER: Final = 1e6
# Kubernetes lets everybody ask what they may do.
_EVERYBODYS: Final = "authorization.k8s.io"


def rights_of(calls: Iterable[Call]) -> frozenset[Right]:
    """Give the rights that calls take, also those that admission asks for."""
    return frozenset(
        right for call in calls for right in _rights(call) if right.group != _EVERYBODYS
    )


def life_calls(scheduler: str = "") -> list[Call]:
    """Send whatever the operator sends in lives that have all it can do in them."""
    settings = Settings(gang_scheduling=scheduler)
    return [
        *_run_and_fail(_world(settings), settings),
        *_mended(_world(settings), settings),
        *_suspended(_world(settings)),
        *_silent(_world(settings)),
        *([] if scheduler else _elected()),
    ]


@attrs.define
class Obliging(OneByOne):
    """A server that does what it is asked; or one where each name is ours already."""

    uid: str
    attempt: int
    taken: bool
    calls: list[Call] = attrs.field(factory=list)

    def request(self, call: Call) -> Reply:
        self.calls.append(call)
        if call.method == "POST" and self.taken:
            return status_reply(409, "AlreadyExists")
        owner = {"controller": True, "uid": self.uid}
        meta = {"uid": self.uid, "resourceVersion": "9", "ownerReferences": [owner]}
        recorded = {"recorded": {"attempt": self.attempt}}
        return Reply(200, orjson.dumps({"metadata": meta, "status": recorded}))

    def watch(self, call: Call, silence: float) -> Reply:
        raise NotImplementedError(call, silence)

    def close(self) -> None:
        """Nothing is kept open."""


def calls_of(job: Subject, action: Action, *, taken: bool) -> list[Call]:
    """Send what one action sends, where everything or no name is free."""
    server = Obliging(job.uid, getattr(action, "attempt", 0), taken)
    time = FakeTime()
    executor = Executor(
        Api(server, time.clock),
        time.clock,
        Freshness(Store(), time.clock, lambda _kind, _namespace: None),
        Lessons(time.clock),
        count=lambda *_: None,
        make_keys=lambda: {"ssh-privatekey": "a2V5"},
    )
    executor.execute(job, (action,))
    return server.calls


def _world(settings: Settings) -> Harness:
    scheduler = settings.gang_scheduling
    return World(scheduler) if scheduler else Harness(plan, settings=settings)


def _run_and_fail(world: Harness, settings: Settings) -> list[Call]:
    """A job fails, is cleaned up and deleted by its ttl."""
    policy: dict[str, object] = {"ttlSecondsAfterFinished": 60, "backoffLimit": 0}
    manifest = job(2, "SSH", policy)
    if settings.gang_scheduling:
        _with_priorities(world.client, manifest)
    world.node.exits = [1]
    world.create(manifest)
    world.run_until(lambda: world.find(MPIJOBS, "pi") is None)
    return world.transport.calls


def _mended(world: Harness, settings: Settings) -> list[Call]:
    """Each child loses its label and is found again; then the job grows."""
    policy: dict[str, object] = {"workerFailurePolicy": "KeepLauncher"}
    world.node.launcher_seconds = FOREVER
    world.node.workers_ready = False
    world.create(job(1, "KubectlExec", policy))
    world.advance(10)
    groups = [POD_GROUPS[settings.gang_scheduling]] if settings.gang_scheduling else []
    for resource in (*CHILDREN, *groups):
        _unlabel(world, resource)
    world.node.workers_ready = True
    world.run_until(lambda: world.phase() == "LauncherRunning")
    service = world.client.get(SERVICES, "default", "pi")
    world.client.patch(SERVICES, service, {"spec": {"selector": {"stray": "yes"}}})
    more = {"spec": {"mpiReplicaSpecs": {"Worker": {"replicas": 2}}}}
    world.client.patch(MPIJOBS, world.job(), more)
    world.advance(30)
    return world.transport.calls


def _suspended(world: Harness) -> list[Call]:
    """A job is suspended, also in mid-run, and resumed on a server of some time ago."""
    world.node.launcher_seconds = FOREVER
    world.create(job(1, "SSH", {"suspend": True}))
    world.advance(10)
    _unlabel(world, JOBS)
    _suspend(world, suspend=False)
    world.run_until(lambda: world.phase() == "LauncherRunning")
    _suspend(world, suspend=True)
    world.run_until(lambda: world.phase() == "Suspended")
    world.advance(60)
    (launcher,) = world.client.list(JOBS, "default")["items"]
    kept = {"status": {"startTime": launcher["metadata"]["creationTimestamp"]}}
    world.client.patch(JOBS, launcher, kept, "status")  # as they did until 1.34
    _suspend(world, suspend=False)
    world.run_until(lambda: world.phase() == "LauncherRunning")
    return world.transport.calls


def _unlabel(world: Harness, resource: Resource) -> None:
    """Take from the job's children the label by which they are watched."""
    for child in world.client.list(resource, "default")["items"]:
        if controller(child) == world.job()["metadata"]["uid"]:
            patch = {"metadata": {"labels": {names.JOB_UID: None}}}
            world.client.patch(resource, child, patch)
    world.advance(10)


def _suspend(world: Harness, *, suspend: bool) -> None:
    patch = {"spec": {"runPolicy": {"suspend": suspend}}}
    world.client.patch(MPIJOBS, world.job(), patch)


def _silent(world: Harness) -> list[Call]:
    """A worker does not start, and nothing says why but Events."""
    world.node.held = {"pi-worker-0"}
    world.create(job(1, "SSH", {}))
    world.advance(900)
    return world.transport.calls


def _with_priorities(client: Client, manifest: dict[str, Any]) -> None:
    for name, value in (("low", 1), ("high", 1000)):
        client.create(PRIORITIES, {"metadata": {"name": name}, "value": value})
    spec = manifest["spec"]
    spec["runPolicy"]["schedulingPolicy"] = {"minAvailable": 2}
    for role, cpu, name in (("Launcher", "1", "low"), ("Worker", "4", "high")):
        pod = spec["mpiReplicaSpecs"][role]["template"]["spec"]
        requests = {"resources": {"requests": {"cpu": cpu}}}
        pod["priorityClassName"] = name
        pod["containers"] = [{**pod["containers"][0], **requests}]


def _elected() -> list[Call]:
    """A replica finds no Lease, makes it, renews it, gives it back."""
    world = Harness(plan)
    told = Settings()
    world.client.create(
        Resource("v1", "namespaces"), {"metadata": {"name": told.lock_namespace}}
    )
    lock = Lock(told.lock_namespace, told.lock_name, "me")
    clock: Clock = world.clock
    elector = Elector(world.transport, clock, lock)
    while not elector.leading:
        world.advance(max(elector.step(), 0.1))
    world.advance(elector.step())
    elector.step()
    elector.release()
    return world.transport.calls


def _rights(call: Call) -> Iterator[Right]:
    group, resource, name, subresource = _place(call.path)
    if call.method == "GET" and not name:
        verb = "watch" if ("watch", "true") in call.query else "list"
    else:
        verb = VERBS.get(call.method, "get")
    whole = f"{resource}/{subresource}" if subresource else resource
    yield Right(verb, whole, group, name=name if resource == "leases" else "")
    if call.method == "POST":
        yield from _admitted(orjson.loads(call.body))


def _admitted(created: Json) -> Iterator[Right]:
    """Give what one must be allowed beside creating such an object."""
    for owner in created["metadata"].get("ownerReferences") or ():
        if owner.get("blockOwnerDeletion"):
            group, _, _ = owner["apiVersion"].rpartition("/")
            yield Right("update", f"{owner['kind'].lower()}s/finalizers", group)
    if created.get("kind") == "Role":  # who grants a right must hold it
        for rule in created["rules"]:
            yield from _granted(rule)


def _granted(rule: Mapping[str, list[str]]) -> Iterator[Right]:
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                yield Right(verb, resource, group)


def _place(path: str) -> tuple[str, str, str, str]:
    """Take a path apart: group, resource, name, subresource."""
    parts = path.strip("/").split("/")
    group, rest = ("", parts[2:]) if parts[0] == "api" else (parts[1], parts[3:])
    if rest[0] == "namespaces" and len(rest) > 2:
        rest = rest[2:]
    resource, name, subresource = (*rest, "", "")[:3]
    return group, resource, name, subresource


def without_component(rights: Iterable[Right]) -> frozenset[Right]:
    """Leave aside which component a right belongs to, and where it is wanted."""
    return frozenset(attrs.evolve(one, component="", namespace="") for one in rights)
