"""Lets one replica at a time write: the one that holds a Lease.

    standby ──the Lease is free, or its time is over──▶ leader
    leader  ──another holds it, or no renewal for `renew` seconds──▶ standby

Guarantees: no two replicas think at the same moment that they may write, whatever their
wall clocks say. A leader's right is counted by its own monotonic clock from the moment
before it sent its last renewal that was confirmed, and ends after `renew` seconds. A
standby counts `lease` seconds, which are more, from the moment after it first saw what
the Lease says now. A Lease that is not there counts as one that somebody holds: whoever
held it before it was deleted may still write. Who makes it anew may write only once it
was there for longer than two looks may be apart: else it could come and go, and leave a
leader, between two looks of a standby that finds nothing at either.

It speaks to the API server by itself, without the operator's retries and limits: a
renewal that waits its turn is late.
"""

import logging
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import attrs
import orjson

from mpiop.k8s.api import MERGE, Observer, unobserved
from mpiop.k8s.clock import Clock
from mpiop.k8s.decoding import whole
from mpiop.k8s.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    NotFound,
    ServerError,
    TooManyRequests,
    Unreachable,
    from_reply,
)
from mpiop.k8s.kinds import LEASES
from mpiop.k8s.transport import Call, Method, Transport
from mpiop.reconcile.mpijob import Json
from mpiop.reconcile.reading import dig, integer, text

NEVER: Final = -math.inf
LONGEST_CALL_SECONDS: Final = 5.0
PASSING: Final = (Conflict, ServerError, TooManyRequests, Unreachable)
_VERBS: Final[dict[Method, str]] = {"GET": "get", "POST": "create", "PATCH": "patch"}
_SUCCESS: Final = range(200, 300)

log = logging.getLogger(__name__)


@attrs.frozen
class Lock:
    """Which Lease, for whom, and how long it lasts; seconds.

    Attributes:
        identity: who holds it, unlike any other process.
        lease: a standby takes over after so long without a renewal.
        renew: the leader stops writing after so long without one.
        retry: how often it is renewed, or looked at.
    """

    namespace: str
    name: str
    identity: str
    lease: float = 15.0
    renew: float = 10.0
    retry: float = 2.0

    @property
    def unseen(self) -> float:
        """Seconds for which a Lease may be there between two looks that count."""
        return 2 * self.retry


@attrs.frozen
class _Seen:
    """What the Lease said, None for nothing, and until when that is respected."""

    spec: Json | None
    until: float


class Elector:
    """One replica's part in the election. One thread calls `step` and `release`.

    Attributes:
        on_change: told True on becoming the leader, False on being it no more.
        trouble: what stands in the way and does not pass by itself, "" for nothing.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        lock: Lock,
        observe: Observer = unobserved,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._lock = lock
        self._observe = observe
        self._valid_until = NEVER
        self._version = ""
        self._seen: _Seen | None = None
        self._missed = NEVER  # when the last look began that found no Lease
        self._right_from = NEVER  # until then the Lease is held without a right
        self._due = NEVER
        self._told = False
        self._failing = False
        self.on_change: Callable[[bool], None] = lambda _leading: None
        self.trouble = ""

    @property
    def leading(self) -> bool:
        """Whether a write may be sent now; any thread may ask."""
        return self._clock.monotonic() < self._valid_until

    def step(self) -> float:
        """Renew the Lease, or look whether it is free, if that is due.

        Returns:
            Seconds until something is due, 0 for at once.
        """
        now = self._clock.monotonic()
        if now < self._due:
            return self._due - now
        wait = self._try()
        self._tell()
        now = self._clock.monotonic()
        self._due = now + wait
        if self.leading:  # its end is told in time
            self._due = min(self._due, self._valid_until)
        return max(0.0, self._due - now)

    def release(self) -> None:
        """Give the Lease back, so that nobody has to wait for its time to be over.

        Assumptions: none of this replica's writes is on its way any more.
        """
        held = self.leading
        self._valid_until = NEVER
        self._tell()
        if not held:
            return
        stamp = micro_time(self._clock.now())
        spec = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": stamp}
        try:
            self._write("PATCH", spec, self._version)
        except ApiError as error:
            log.warning("the lease was not released", extra={"error": str(error)})

    def _try(self) -> float:
        try:
            wait = self._renew() if self.leading else self._look()
        except ApiError as error:
            self._fail(error)
            return self._lock.retry
        self._failing, self.trouble = False, ""
        return wait

    def _renew(self) -> float:
        try:
            self._hold(self._version, {})
        except (Conflict, NotFound):
            return self._look()
        return self._lock.retry

    def _look(self) -> float:
        begin = self._clock.monotonic()
        try:
            lease = self._send("GET")
        except NotFound:
            return self._create(begin)
        spec = dig(lease, "spec")
        found: Json = spec if isinstance(spec, dict) else {}
        holder = text(found, "holderIdentity")
        if holder != self._lock.identity:
            self._right_from = NEVER
        if holder not in {"", self._lock.identity}:
            self._valid_until = NEVER
            left = self._respected(found)
            if left > 0:
                return min(left, self._clock.jitter(self._lock.retry))
        self._hold(text(lease, "metadata", "resourceVersion"), self._taking(found))
        return self._until_right()

    def _create(self, begin: float) -> float:
        """Make the Lease anew: at once as its holder, else by a lease's time."""
        anew = self._clock.monotonic() - self._missed > self._lock.unseen
        self._missed = begin
        if not self.leading:
            left = self._respected(None, anew=anew) - self._lock.unseen
            if left > 0:
                return min(left, self._clock.jitter(self._lock.retry))
            self._right_from = math.inf
        try:
            self._hold("", self._taking({}))
        except AlreadyExists:
            return 0.0  # look at once whose it is
        return self._until_right()

    def _until_right(self) -> float:
        """Seconds until the Lease is to be renewed, or gives a right by that."""
        left = self._right_from - self._clock.monotonic()
        return min(left, self._lock.retry) if left > 0 else self._lock.retry

    def _respected(self, spec: Json | None, *, anew: bool = False) -> float:
        """Seconds for which what was just seen keeps us from taking over."""
        now = self._clock.monotonic()
        if self._seen is None or self._seen.spec != spec or anew:
            seconds = integer(spec or {}, "leaseDurationSeconds")
            until = now + max(seconds, self._lock.lease if not seconds else 0.0)
            if spec is None and self._seen is not None:
                until = max(until, self._seen.until)
            self._seen = _Seen(spec, until)
            holder = text(spec or {}, "holderIdentity")
            log.info("standing by", extra={"holder": holder or "unknown"})
        return self._seen.until - now

    def _taking(self, found: Json) -> dict[str, Any]:
        """What the Lease says of a change of holder."""
        if text(found, "holderIdentity") == self._lock.identity:
            return {}
        stamp = micro_time(self._clock.now())
        transitions = integer(found, "leaseTransitions") + 1
        return {"acquireTime": stamp, "leaseTransitions": transitions}

    def _hold(self, version: str, more: Json) -> None:
        """Write that we hold it from now on; the right counts from before that."""
        begin = self._clock.monotonic()
        spec = {
            "holderIdentity": self._lock.identity,
            "leaseDurationSeconds": math.ceil(self._lock.lease),
            "renewTime": micro_time(self._clock.now()),
            **more,
        }
        lease = self._write("PATCH" if version else "POST", spec, version)
        self._version = text(lease, "metadata", "resourceVersion")
        if self._right_from == math.inf:  # made by us, now or when we were not told
            until = self._seen.until if self._seen else NEVER
            self._right_from = max(until, self._clock.monotonic() + self._lock.unseen)
        if begin >= self._right_from:
            self._valid_until = begin + self._lock.renew
        self._seen = None

    def _write(self, method: Method, spec: Json, version: str) -> Json:
        meta = {"name": self._lock.name, "namespace": self._lock.namespace}
        body: dict[str, Any] = {"metadata": {"resourceVersion": version}, "spec": spec}
        if method == "POST":
            kind = {"apiVersion": LEASES.group_version, "kind": "Lease"}
            body = {**kind, "metadata": meta, "spec": spec}
        return self._send(method, body)

    def _send(self, method: Method, body: Json | None = None) -> Json:
        lock = self._lock
        call = Call(
            method,
            LEASES.path(lock.namespace, "" if method == "POST" else lock.name),
            body=b"" if body is None else orjson.dumps(body),
            content_type=MERGE if method == "PATCH" else "application/json",
            patience=min(LONGEST_CALL_SECONDS, lock.renew / 2),
        )
        try:
            reply = self._transport.request(call)
        except ApiError:
            self._observe(_VERBS[method], "Lease", 0)
            raise
        self._observe(_VERBS[method], "Lease", reply.status)
        if reply.status not in _SUCCESS:
            raise from_reply(reply)
        return whole(reply.body)

    def _tell(self) -> None:
        leading = self.leading
        if leading == self._told:
            return
        self._told = leading
        said = "leading" if leading else "leading no more"
        log.info(said, extra={"identity": self._lock.identity})
        self.on_change(leading)

    def _fail(self, error: ApiError) -> None:
        """Log a failure once, until the Lease is reached again."""
        if not isinstance(error, PASSING):
            self.trouble = str(error)
        if not self._failing:
            context = {"lease": f"{self._lock.namespace}/{self._lock.name}"}
            log.warning("no lease", extra={**context, "error": str(error)})
        self._failing = True


def micro_time(when: datetime) -> str:
    """Write a time as a Lease holds it, with microseconds."""
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
