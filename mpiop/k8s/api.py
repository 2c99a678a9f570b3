"""The verbs that mpiop uses, on plain JSON.

Every write carries the identity of what it changes. Kubernetes' own models never see
a manifest: they would drop the fields that they do not know.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, cast

import attrs
import orjson

from mpiop.k8s.clock import Clock
from mpiop.k8s.decoding import whole, written
from mpiop.k8s.errors import ApiError, Fenced, from_reply
from mpiop.k8s.kinds import EVENTS, PRIORITIES, RESOURCES
from mpiop.k8s.retry import retried
from mpiop.k8s.transport import Call, Reply, Sent, Stream, Transport
from mpiop.reconcile import names
from mpiop.reconcile.actions import Create, Delete, KindName, Ref
from mpiop.reconcile.mpijob import Json
from mpiop.reconcile.reading import integer, items, text

# Of what was written only the metadata is read: an answer with all of it is several
# times as long, and reading it costs as much as the rest of a create.
METADATA: Final = (
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
)
MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
CREATED_WITH_CARE: Final = frozenset({"Pod", "Job"})
LOG_BYTES: Final = 1 << 18  # of a log at most: a line may have any length
_OK: Final = range(200, 300)

Query = tuple[tuple[str, str], ...]
SideBySide = Create | Delete
Observer = Callable[[str, str, int], None]


@attrs.frozen
class Page:
    """One page of a list; `more` continues it, "" on the last one."""

    items: Sequence[dict[str, Any]]
    resource_version: str
    more: str


@attrs.frozen
class Written:
    """What a write is answered by.

    Attributes:
        manifest: what is read of the object's metadata as the server has it now; none
            where the answer was a bare Status.
        warnings: what the server warned about.
    """

    manifest: Json
    warnings: tuple[str, ...] = ()

    @property
    def resource_version(self) -> str:
        """The object's resourceVersion; "" where the answer was a bare Status."""
        return text(self.manifest, "metadata", "resourceVersion")


def unobserved(_verb: str, _kind: str, _code: int) -> None:
    """Count nothing."""


class Api:
    """Calls an API server; every method raises leaves of `ApiError`.

    Args:
        transport: the way there.
        clock: waits between tries of one call.
        observe: told verb, kind and code of every answer, 0 for none.
    """

    def __init__(
        self,
        transport: Transport,
        clock: Clock,
        observe: Observer = unobserved,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._observe = observe

    def get(self, ref: Ref) -> Json:
        """Read one object as the server has it now."""
        call = Call("GET", RESOURCES[ref.kind].path(ref.namespace, ref.name))
        return whole(self._send("get", ref.kind, call).body)

    def list_page(
        self, kind: KindName, namespace: str, query: Query = (), more: str = ""
    ) -> Page:
        """Read one page of a collection."""
        if more:
            query = (*query, ("continue", more))
        call = Call("GET", RESOURCES[kind].path(namespace), query)
        return _page(self._send("list", kind, call))

    def watch(
        self, kind: KindName, namespace: str, query: Query, silence: float
    ) -> Stream:
        """Open a watch; `silence` seconds without a byte end it."""
        call = Call("GET", RESOURCES[kind].path(namespace), (*query, ("watch", "true")))
        try:
            answer = self._transport.watch(call, silence)
        except ApiError:
            self._observe("watch", kind, 0)
            raise
        if isinstance(answer, Reply):
            self._observe("watch", kind, answer.status)
            raise from_reply(answer)
        self._observe("watch", kind, _OK.start)
        return answer

    def create(
        self,
        ref: Ref,
        manifest: Json,
        *,
        dry_run: bool = False,
        sent: Sent | None = None,
    ) -> Written:
        """Create an object; for Pods and Jobs the answer warns of odd fields.

        Where it was one of several, `sent` is what came of its first try.
        """
        call = sent.call if sent else self._creation(ref, manifest, dry_run=dry_run)
        return self._write("create", ref.kind, call, sent, idempotent=False)

    def patch(
        self, ref: Ref, patch: Json, resource_version: str, subresource: str = ""
    ) -> Written:
        """Merge-patch an object at exactly this resourceVersion."""
        meta = cast("Json", patch.get("metadata") or {})
        meta = {**meta, "resourceVersion": resource_version}
        body = orjson.dumps({**patch, "metadata": meta})
        return self._patch(ref, MERGE, body, subresource)

    def patch_json(self, ref: Ref, operations: Sequence[Json]) -> Written:
        """Apply a JSON patch; its tests are what makes it safe."""
        return self._patch(ref, JSON_PATCH, orjson.dumps(operations))

    def delete(self, action: Delete, sent: Sent | None = None) -> Written:
        """Delete the object with this uid, in the background.

        Where it was one of several, `sent` is what came of its first try.
        """
        call = sent.call if sent else self._deletion(action)
        return self._write("delete", action.ref.kind, call, sent, idempotent=True)

    def send_all(self, actions: Iterable[SideBySide]) -> Iterator[Sent]:
        """Send creates and deletes, several at once; `create` and `delete` go on.

        The first goes alone, each answer lets two more go, and an action is only taken
        once whoever takes the answers has dealt with all that came.
        """
        calls = (
            self._creation(one.ref, one.manifest)
            if isinstance(one, Create)
            else self._deletion(one)
            for one in actions
        )
        return self._transport.request_all(calls)

    def create_event(self, namespace: str, manifest: Json) -> None:
        """Record an Event."""
        body = orjson.dumps(manifest)
        call = Call("POST", EVENTS.path(namespace), body=body, accept=METADATA)
        self._write("create", "Event", call, idempotent=False)

    def events(self, namespace: str, fields: str) -> Sequence[Json]:
        """List the Events that a field selector chooses."""
        query = (("fieldSelector", fields),)
        call = Call("GET", EVENTS.path(namespace), query)
        return _page(self._send("list", "Event", call)).items

    def priority(self, name: str) -> int:
        """Read the value of a PriorityClass."""
        call = Call("GET", PRIORITIES.path(name=name))
        return integer(whole(self._send("get", "PriorityClass", call).body), "value")

    def log(self, namespace: str, pod: str, container: str, lines: int) -> str:
        """Read the last lines of a container's log."""
        query = (
            ("container", container),
            ("tailLines", str(lines)),
            ("limitBytes", str(LOG_BYTES)),
        )
        path = f"{RESOURCES['Pod'].path(namespace, pod)}/log"
        reply = self._send("get", "Pod/log", Call("GET", path, query))
        return reply.body.decode(errors="replace")

    def _creation(self, ref: Ref, manifest: Json, *, dry_run: bool = False) -> Call:
        query: Query = (("fieldManager", names.FIELD_MANAGER),)
        if ref.kind in CREATED_WITH_CARE:
            query = (*query, ("fieldValidation", "Warn"))
        if dry_run:
            query = (*query, ("dryRun", "All"))
        path = RESOURCES[ref.kind].path(ref.namespace)
        return Call("POST", path, query, orjson.dumps(manifest), accept=METADATA)

    def _deletion(self, action: Delete) -> Call:
        ref, preconditions = action.ref, {"uid": action.uid}
        if action.resource_version:
            preconditions["resourceVersion"] = action.resource_version
        options: dict[str, object] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": preconditions,
        }
        if action.grace_seconds is not None:
            options["gracePeriodSeconds"] = action.grace_seconds
        path = RESOURCES[ref.kind].path(ref.namespace, ref.name)
        return Call("DELETE", path, body=orjson.dumps(options), accept=METADATA)

    def _patch(
        self, ref: Ref, content_type: str, body: bytes, subresource: str = ""
    ) -> Written:
        path = RESOURCES[ref.kind].path(ref.namespace, ref.name)
        path = f"{path}/{subresource}" if subresource else path
        query = (("fieldManager", names.FIELD_MANAGER),)
        call = Call("PATCH", path, query, body, content_type, METADATA)
        kind = f"{ref.kind}/{subresource}" if subresource else ref.kind
        return self._write("patch", kind, call, idempotent=True)

    def _write(
        self,
        verb: str,
        kind: str,
        call: Call,
        sent: Sent | None = None,
        *,
        idempotent: bool,
    ) -> Written:
        reply = self._send(verb, kind, call, sent, idempotent=idempotent)
        return Written(written(reply.body), reply.warnings)

    def _send(
        self,
        verb: str,
        kind: str,
        call: Call,
        sent: Sent | None = None,
        *,
        idempotent: bool = True,
    ) -> Reply:
        def once() -> Reply:
            nonlocal sent
            first, sent = sent, None
            try:
                reply = first.reply() if first else self._transport.request(call)
            except Fenced:
                raise
            except ApiError:
                self._observe(verb, kind, 0)
                raise
            self._observe(verb, kind, reply.status)
            if reply.status not in _OK:
                raise from_reply(reply)
            return reply

        return retried(once, self._clock, idempotent=idempotent)


def _page(reply: Reply) -> Page:
    body = whole(reply.body)
    return Page(
        cast("Sequence[dict[str, Any]]", items(body, "items")),
        text(body, "metadata", "resourceVersion"),
        text(body, "metadata", "continue"),
    )
