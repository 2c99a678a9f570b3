"""The API server: one request in, one answer out."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Final, NamedTuple, cast

import attrs

from . import deletion, reads, writes
from .authz import Attributes, allowed, authorize
from .context import Backend, Call, Object
from .crds import STORAGE as DEFINITIONS
from .crds import settle_definition, settle_instance
from .discovery import discover
from .errors import StatusError, not_allowed
from .negotiation import Presentation
from .paths import resolve
from .reviews import review
from .store import Store
from .subresources import HANDLERS, Tokens, token
from .watch import Feed
from .wire import ADMIN, Forward, Request, Response

_HISTORY: Final = 4096
_NAMESPACES: Final = ("default", "kube-node-lease", "kube-public", "kube-system")
_CREATED: Final = 201
_OK: Final = 200
_RESOURCE_PARTS: Final = {"api": 3, "apis": 4}


class Handled(NamedTuple):
    """What is counted of a request; verb and resource are empty outside the API."""

    user_agent: str
    verb: str
    resource: str
    subresource: str
    code: int


class ApiServer:
    """A Kubernetes API server in memory; one thread may call it.

    Guarantees: the same requests, clock and uids give the same answers. Bodies of
    answers are the receiver's own. `history` is how many changes of each resource a
    watch can look back at, at least; older ones answer 410.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], datetime],
        uid: Callable[[], str],
        history: int = _HISTORY,
    ) -> None:
        self.requests: Counter[Handled] = Counter()
        self._backend = Backend(clock, uid, Store(history=history))
        self._pages = reads.Pages()
        self._tokens = Tokens()
        self._watches: list[Feed] = []
        self._seed()

    def handle(self, request: Request) -> Response | Feed | Forward:
        """Answer a request; every refusal is a Response with a Status."""
        call: Call | None = None
        try:
            request = self._impersonated(request)
            if not _is_resource(request.path):
                answer: Response | Feed | Forward = self._discover(request)
            else:
                call = resolve(request, self._backend.registry)
                authorize(self._backend, call)
                answer = self._perform(call)
        except StatusError as refusal:
            answer = Response(refusal.code, refusal.status())
        code = answer.status if isinstance(answer, Response) else _OK
        self._count(request, call, code)
        return answer

    def tick(self) -> None:
        """End watches whose time is over and bookmark the others."""
        now = self._backend.clock()
        for feed in self._watches:
            feed.tick(now)
        self._watches = [feed for feed in self._watches if not feed.closed]

    def close(self) -> None:
        """End every watch."""
        for feed in self._watches:
            feed.close()
        self._watches.clear()

    def compact(self) -> None:
        """Forget the history: watches that are behind, or start behind, get 410."""
        self._backend.store.compact()

    def authenticate(self, bearer: str) -> str | None:
        """Name the user of a service account's token; None: the token is no good."""
        return self._tokens.user(self._backend, bearer)

    def _seed(self) -> None:
        """Make what is there before anybody asks, as in a cluster that is up."""
        for name in _NAMESPACES:
            self._make("namespaces", _named(name))
        self._make("serviceaccounts", _named("default"), "default")

    def _make(self, plural: str, obj: Object, namespace: str = "") -> None:
        resource = self._backend.registry.find("v1", plural)
        assert resource is not None
        call = Call(Request("POST", ""), "create", resource, namespace)
        writes.create_object(self._backend, call, obj)

    def _impersonated(self, request: Request) -> Request:
        wanted = request.headers.get("impersonate-user")
        if wanted is None:
            return request
        if request.user != ADMIN:
            message = f'User "{request.user}" cannot impersonate resource "users"'
            raise StatusError(
                403, "Forbidden", f'users "{wanted}" is forbidden: {message}'
            )
        return attrs.evolve(request, user=wanted)

    def _discover(self, request: Request) -> Response:
        if request.method != "GET":
            raise not_allowed()
        path = request.path
        if not allowed(
            self._backend, request.user, Attributes("get", "", "", path=path)
        ):
            message = f'User "{request.user}" cannot get path "{path}"'
            raise StatusError(403, "Forbidden", f"forbidden: {message}")
        return discover(self._backend.registry, request)

    def _perform(self, call: Call) -> Response | Feed | Forward:
        backend = self._backend
        if not call.resource.kind.stored:
            return review(backend, call)
        if call.subresource == "token":
            return token(backend, self._tokens, call)
        if call.subresource in HANDLERS:
            return HANDLERS[call.subresource](backend, call)
        match call.verb:
            case "get":
                return reads.get(backend, call)
            case "list":
                return reads.list_objects(backend, self._pages, call)
            case "watch":
                feed = reads.watch(backend, call)
                self._watches = [one for one in self._watches if not one.closed]
                self._watches.append(feed)
                return feed
            case "create" | "update" | "patch":
                return self._write(call)
            case "delete":
                shown = self._presentation(call).shown
                answer = deletion.delete(backend, call)
                answer = attrs.evolve(answer, body=shown(cast("Object", answer.body)))
            case "deletecollection":
                answer = self._delete_collection(call)
        self._settle(call, call.name)
        return answer

    def _presentation(self, call: Call) -> Presentation:
        return Presentation.of(call.request, call.resource, self._backend.clock)

    def _write(self, call: Call) -> Response:
        presentation = self._presentation(call)  # refused before anything is written
        match call.verb:
            case "create":
                written = writes.create(self._backend, call)
            case "update":
                written = writes.update(self._backend, call)
            case _:
                written = writes.patch(self._backend, call)
        self._settle(call, written.obj["metadata"]["name"])
        status = _CREATED if written.created else _OK
        return Response(status, presentation.shown(written.obj), written.warnings)

    def _delete_collection(self, call: Call) -> Response:
        options = deletion.delete_options(call)
        records = reads.selected(self._backend, call)
        answer = reads.list_objects(self._backend, self._pages, call)
        for record in records:
            meta = record.obj["metadata"]
            one = attrs.evolve(
                call, namespace=meta.get("namespace", ""), name=meta["name"]
            )
            deletion.delete_record(self._backend, one, record, options)
            self._settle(one, one.name)
        return answer

    def _settle(self, call: Call, name: str) -> None:
        """Follow up on a write that concerns what is served."""
        if call.dry_run:
            return
        if call.resource.storage == DEFINITIONS:
            if name:
                settle_definition(self._backend, name)
        elif call.resource.custom:
            settle_instance(self._backend, call.resource)

    def _count(self, request: Request, call: Call | None, code: int) -> None:
        agent = request.headers.get("user-agent", "")
        verb = call.verb if call else ""
        plural = call.resource.plural if call else ""
        subresource = call.subresource if call else ""
        self.requests[Handled(agent, verb, plural, subresource, code)] += 1


def _named(name: str) -> Object:
    return {"metadata": {"name": name}}


def _is_resource(path: str) -> bool:
    parts = [part for part in path.split("/") if part]
    return bool(parts) and len(parts) >= _RESOURCE_PARTS.get(parts[0], len(parts) + 1)
