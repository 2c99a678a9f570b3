"""Getting, listing and watching objects."""

import base64
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import attrs

from .context import Backend, Call
from .errors import StatusError, bad_request, expired, not_found
from .negotiation import Presentation
from .selectors import field_selector, label_selector
from .store import Record
from .watch import Feed, Selection, WatchOptions
from .wire import Response

_PAGES_KEPT: Final = 64


@attrs.define
class Pages:
    """The rest of lists that were answered in part: each is one consistent state."""

    _rest: OrderedDict[str, tuple[Sequence[Record], int]] = attrs.field(
        factory=OrderedDict
    )
    _count: int = 0

    def keep(self, records: Sequence[Record], revision: int) -> str:
        """Remember the rest of a list; the token finds it again."""
        self._count += 1
        token = base64.urlsafe_b64encode(f"{revision}:{self._count}".encode()).decode()
        self._rest[token] = (records, revision)
        if len(self._rest) > _PAGES_KEPT:
            self._rest.popitem(last=False)
        return token

    def find(self, token: str) -> tuple[Sequence[Record], int]:
        """Give the rest of a list and its revision.

        Raises:
            StatusError: 410, the list is too old.
        """
        if token not in self._rest:
            raise expired(
                "The provided continue parameter is too old to display a consistent "
                "list result. You must start a new list without the continue parameter."
            )
        return self._rest[token]


def get(backend: Backend, call: Call) -> Response:
    """Answer with one object.

    Raises:
        StatusError: 404 or 406.
    """
    presentation = Presentation.of(call.request, call.resource, backend.clock)
    record = call.record(backend)
    if record is None:
        raise not_found(call.resource, call.name)
    return Response(200, presentation.one(record))


def selection(call: Call) -> Selection:
    """Compile what a list, watch or deletecollection is about.

    Raises:
        StatusError: 400.
    """
    by_label = label_selector(call.request.param("labelSelector"))
    by_field = field_selector(call.request.param("fieldSelector"), call.resource)
    name = call.name
    return Selection(
        call.resource,
        call.namespace,
        lambda obj: (
            (not name or obj["metadata"]["name"] == name)
            and by_label(obj)
            and by_field(obj)
        ),
    )


def selected(backend: Backend, call: Call) -> list[Record]:
    """Give the records that a list or deletecollection is about.

    Raises:
        StatusError: 400.
    """
    chosen = selection(call)
    records = backend.store.select(call.resource.storage, call.namespace)
    return [record for record in records if chosen.covers(record)]


def list_objects(backend: Backend, pages: Pages, call: Call) -> Response:
    """Answer with a list, or a part of it if `limit` says so.

    Raises:
        StatusError: 400, 406, 410, 500 or 504.
    """
    param = call.request.param
    presentation = Presentation.of(call.request, call.resource, backend.clock)
    _revision(call)
    if token := param("continue"):
        records, revision = pages.find(token)
    else:
        revision = backend.store.revision
        if _revision(call) > revision:
            raise _too_new(_revision(call), revision)
        if param("resourceVersionMatch") == "Exact" and _revision(call) != revision:
            raise expired(f"revision {_revision(call)} is not kept as a list")
        records = selected(backend, call)
    meta: dict[str, Any] = {"resourceVersion": str(revision)}
    if call.resource.custom:
        meta["continue"] = ""  # real servers say so of custom resources alone
    limit = _integer(call, "limit")
    if limit and limit < len(records):
        meta["continue"] = pages.keep(records[limit:], revision)
        if not param("labelSelector") and not param("fieldSelector"):
            meta["remainingItemCount"] = len(records) - limit
        records = records[:limit]
    return Response(200, presentation.many(records, meta))


def watch(backend: Backend, call: Call) -> Feed:
    """Begin a watch.

    Raises:
        StatusError: 400, 406 or 500.
    """
    param = call.request.param
    timeout = _integer(call, "timeoutSeconds")
    revision = _revision(call)
    streaming = param("sendInitialEvents") in {"true", "1"}
    bookmarks = param("allowWatchBookmarks") in {"true", "1"}
    if streaming and param("resourceVersionMatch") != "NotOlderThan":
        raise StatusError(
            422,
            "Invalid",
            'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: '
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        )
    options = WatchOptions(
        until=backend.clock() + timedelta(seconds=timeout) if timeout else None,
        bookmarks=bookmarks,
        initial=streaming or (revision == 0 and not param("sendInitialEvents")),
        end_mark=streaming and bookmarks,
    )
    presentation = Presentation.of(call.request, call.resource, backend.clock)
    start = revision or backend.store.revision
    return Feed(backend.store, selection(call), presentation, options, start)


def _integer(call: Call, name: str) -> int:
    text = call.request.param(name, "0") or "0"
    try:
        return int(text)
    except ValueError as error:
        raise bad_request(f'{name}: Invalid value: "{text}": not a number') from error


def _revision(call: Call) -> int:
    text = call.request.param("resourceVersion", "0") or "0"
    try:
        return int(text)
    except ValueError as error:
        why = f'strconv.ParseUint: parsing "{text}": invalid syntax'
        message = f'resourceVersion: Invalid value: "{text}": {why}'
        raise StatusError(500, "", message) from error


def _too_new(asked: int, known: int) -> StatusError:
    message = f"Too large resource version: {asked}, current: {known}"
    cause = {"reason": "ResourceVersionTooLarge", "message": message}
    details = {"causes": [cause], "retryAfterSeconds": 1}
    return StatusError(504, "Timeout", f"Timeout: {message}", details)
