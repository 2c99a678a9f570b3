"""Which rights the code needs, and whether we have them: asked once at the start.

A right that is missing is named, by verb and resource, before a job runs into it. It is
asked by SelfSubjectAccessReview, which every account may do and which stores nothing.
"""

import logging
from collections.abc import Iterator
from itertools import product
from typing import Any, Final

import attrs
import orjson

from mpiop.k8s.api import Observer, unobserved
from mpiop.k8s.clock import Clock
from mpiop.k8s.errors import ApiError, from_reply
from mpiop.k8s.kinds import ACCESS_REVIEWS, EVENTS, LEASES, PRIORITIES, RESOURCES
from mpiop.k8s.settings import Settings
from mpiop.k8s.transport import Call, Transport
from mpiop.reconcile.actions import KindName
from mpiop.reconcile.gang import gang
from mpiop.reconcile.reading import dig

MISSING_SECONDS: Final = 30.0  # asked again after so long
DEGRADED_SECONDS: Final = 600.0
UNREACHABLE_SECONDS: Final = 5.0
GRANTED_SECONDS: Final = 86400.0
_CREATED: Final = 201
_OURS: Final[tuple[KindName, ...]] = ("Pod", "Job", "Service", "ConfigMap")
_ACCESS: Final[tuple[KindName, ...]] = ("ServiceAccount", "Role", "RoleBinding")
_CHILD: Final = ("list", "watch", "get", "create", "patch")

KUBECTL_EXEC: Final = "KubectlExec"
LOGS: Final = "logs"
EVENTS_OF: Final = "events"
GANG: Final = "gang scheduling"
CLASSES: Final = "priority classes"  # which no Role can grant
OWNERS: Final = "owner references"
RESUME: Final = "resume"
WITHOUT: Final = {
    KUBECTL_EXEC: "jobs with remoteShell KubectlExec, v1's default, cannot start",
    LOGS: "a failed launcher's last lines may be missing in the status",
    EVENTS_OF: "why a Pod does not come may be missing in the status",
    GANG: "jobs wait for a PodGroup that is not made",
    CLASSES: "a gang below its job's size may ask for the wrong Pods' resources",
    OWNERS: "where OwnerReferencesPermissionEnforcement is on, no child is made",
    RESUME: "a job that was suspended while it ran may not be resumed",
}

log = logging.getLogger(__name__)


@attrs.frozen
class Right:
    """One verb on one resource.

    Attributes:
        resource: plural, with `/subresource` where it is one.
        component: of the install, which brings it; "" where nothing goes without.
        namespace: "" for the whole cluster.
        name: of the only object that is meant, "" for any.
    """

    verb: str
    resource: str
    group: str = ""
    component: str = ""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        """Read as `create pods`, `patch leases.coordination.k8s.io in mpi-operator`."""
        group = f".{self.group}" if self.group else ""
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.verb} {self.resource}{group}{where}"


def needed(settings: Settings) -> tuple[Right, ...]:
    """List every right that the code may use under these settings."""
    found = [
        attrs.evolve(right, namespace=namespace)
        for right, namespace in product(_everywhere(settings), settings.namespaces)
    ]
    return (*found, *_cluster(settings), *_lease(settings))


def _everywhere(settings: Settings) -> Iterator[Right]:
    for verb in ("list", "watch", "get", "delete"):
        yield _right(verb, "MPIJob")
    yield _right("patch", "MPIJob", "/status")
    yield _right("update", "MPIJob", "/finalizers", OWNERS)
    for kind in _OURS:
        yield from (_right(verb, kind) for verb in _CHILD)
    yield _right("patch", "Job", "/status", RESUME)
    yield _right("delete", "Pod")
    yield _right("create", "Secret")
    yield Right("create", EVENTS.plural)
    yield Right("list", EVENTS.plural, component=EVENTS_OF)
    yield Right("get", "pods/log", component=LOGS)
    for kind in _ACCESS:
        yield from (_right(verb, kind, component=KUBECTL_EXEC) for verb in _CHILD)
    for verb in ("get", "create"):  # granting a right means holding it
        yield Right(verb, "pods/exec", component=KUBECTL_EXEC)
    scheduler = gang(settings.gang_scheduling)
    if scheduler is not None:
        for verb in (*_CHILD, "delete"):
            yield _right(verb, scheduler.object_kind, component=GANG)


def _cluster(settings: Settings) -> Iterator[Right]:
    if gang(settings.gang_scheduling) is not None:
        group, _, _ = PRIORITIES.group_version.rpartition("/")
        yield Right("get", PRIORITIES.plural, group, CLASSES)


def _lease(settings: Settings) -> Iterator[Right]:
    if not settings.leader_elect:
        return
    group, _, _ = LEASES.group_version.rpartition("/")
    where = settings.lock_namespace
    for verb in ("get", "patch"):
        yield Right(
            verb, LEASES.plural, group, namespace=where, name=settings.lock_name
        )
    yield Right("create", LEASES.plural, group, namespace=where)


def _right(
    verb: str, kind: KindName, subresource: str = "", component: str = ""
) -> Right:
    resource = RESOURCES[kind]
    group, _, _ = resource.group_version.rpartition("/")
    return Right(verb, resource.plural + subresource, group, component)


class Rights:
    """What of that is granted. One thread calls `step`; any may read.

    Attributes:
        missing: the rights that are not granted.
        asked: whether all have been asked for.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        settings: Settings,
        observe: Observer = unobserved,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._needed = needed(settings)
        self._observe = observe
        self._told: tuple[Right, ...] = ()
        self._due = 0.0
        self.missing: tuple[Right, ...] = ()
        self.asked = False

    @property
    def blocking(self) -> tuple[Right, ...]:
        """Those without which nothing goes."""
        return tuple(right for right in self.missing if not right.component)

    @property
    def degraded(self) -> dict[str, tuple[Right, ...]]:
        """Those without which a component does not go, by component."""
        names = dict.fromkeys(right.component for right in self.missing)
        return {
            name: tuple(right for right in self.missing if right.component == name)
            for name in names
            if name
        }

    def step(self) -> float:
        """Ask for all rights, if that is due.

        Returns:
            Seconds until it is due again.
        """
        now = self._clock.monotonic()
        if now < self._due:
            return self._due - now
        wait = self._ask()
        self._due = self._clock.monotonic() + wait
        return wait

    def _ask(self) -> float:
        try:
            missing = tuple(one for one in self._needed if not self._granted(one))
        except ApiError as error:
            log.info("rights cannot be asked for", extra={"error": str(error)})
            return UNREACHABLE_SECONDS
        self.missing, self.asked = missing, True
        self._tell()
        if self.blocking:
            return MISSING_SECONDS
        return DEGRADED_SECONDS if missing else GRANTED_SECONDS

    def _granted(self, right: Right) -> bool:
        resource, _, subresource = right.resource.partition("/")
        attributes = {
            "verb": right.verb,
            "group": right.group,
            "resource": resource,
            "subresource": subresource,
            "namespace": right.namespace,
            "name": right.name,
        }
        told: dict[str, Any] = {
            "apiVersion": ACCESS_REVIEWS.group_version,
            "kind": "SelfSubjectAccessReview",
            "spec": {
                "resourceAttributes": {k: v for k, v in attributes.items() if v},
            },
        }
        call = Call("POST", ACCESS_REVIEWS.path(), body=orjson.dumps(told))
        try:
            reply = self._transport.request(call)
        except ApiError:
            self._observe("create", "SelfSubjectAccessReview", 0)
            raise
        self._observe("create", "SelfSubjectAccessReview", reply.status)
        if reply.status != _CREATED:
            raise from_reply(reply)
        return dig(orjson.loads(reply.body), "status", "allowed") is True

    def _tell(self) -> None:
        """Log what is missing, once until that changes."""
        if self.missing == self._told:
            return
        self._told = self.missing
        for right in self.blocking:
            log.error("a right is missing", extra={"right": str(right)})
        for component, rights in self.degraded.items():
            context = {"component": component, "without": WITHOUT[component]}
            text = ", ".join(map(str, rights))
            log.warning("a component is not granted", extra={**context, "rights": text})
        if not self.missing:
            log.info("every right is granted")
