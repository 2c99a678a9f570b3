"""In which form objects are answered: whole, as rows of a Table, or metadata only."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, Literal

import attrs
import orjson

from . import schema
from .errors import StatusError, bad_request
from .registry import Resource
from .store import Record
from .wire import Request

Form = Literal["", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"]
Include = Literal["Metadata", "Object", "None"]
_META: Final = "meta.k8s.io/v1"
_MEDIA: Final = frozenset({"application/json", "application/*", "*/*"})
_FORMS: Final = frozenset(
    {"Table", "PartialObjectMetadata", "PartialObjectMetadataList"}
)
_INCLUDES: Final = frozenset({"Metadata", "Object", "None"})


def accepted(request: Request) -> list[dict[str, str]]:
    """Read the Accept header: one map of parameters for each JSON alternative."""
    alternatives = []
    for part in request.headers.get("accept", "*/*").split(","):
        media, *parameters = (one.strip() for one in part.split(";"))
        if media in _MEDIA:
            alternatives.append(
                dict(
                    re.split(r"\s*=\s*", one, maxsplit=1)
                    for one in parameters
                    if "=" in one
                )
            )
    return alternatives


def _form(request: Request) -> Form:
    alternatives = accepted(request)
    for parameters in alternatives:
        form = parameters.get("as", "")
        if not form:
            return ""
        if (
            form in _FORMS
            and parameters.get("g") == "meta.k8s.io"
            and (parameters.get("v") == "v1")
        ):
            return form  # type: ignore[return-value]
    message = "only the following media types are accepted: application/json"
    raise StatusError(406, "NotAcceptable", message)


@attrs.frozen
class Presentation:
    """The form that a client asked for, for objects of one resource."""

    resource: Resource
    form: Form
    include: Include
    clock: Callable[[], datetime]

    @classmethod
    def of(
        cls, request: Request, resource: Resource, clock: Callable[[], datetime]
    ) -> "Presentation":
        """Read it from a request.

        Raises:
            StatusError: 400 or 406.
        """
        include = request.param("includeObject", "Metadata")
        if include not in _INCLUDES:
            raise bad_request(f"invalid includeObject value: {include}")
        return cls(resource, _form(request), include, clock)  # type: ignore[arg-type]

    def one(self, record: Record) -> dict[str, Any]:
        """Give the answer to a GET of one object."""
        return self.shown(record.copy(self.resource))

    def shown(self, obj: dict[str, Any]) -> dict[str, Any]:
        """Give what answers a read or a write of an object; a Status stays one."""
        if obj.get("kind") == "Status":
            return obj
        match self.form:
            case "Table":
                revision = obj["metadata"]["resourceVersion"]
                return self._table([obj], {"resourceVersion": revision})
            case "PartialObjectMetadata":
                return _partial(obj)
            case _:
                return obj

    def many(self, records: Sequence[Record], meta: dict[str, Any]) -> dict[str, Any]:
        """Give the answer to a list; `meta` is the list's own metadata."""
        objects = [record.copy(self.resource) for record in records]
        match self.form:
            case "Table":
                return self._table(objects, meta)
            case "PartialObjectMetadata" | "PartialObjectMetadataList":
                items = [_partial(one) for one in objects]
                kind, version = "PartialObjectMetadataList", _META
            case _:
                items = objects if self.resource.custom else [_bare(o) for o in objects]
                kind = self.resource.kind.list_kind
                version = self.resource.group_version
        return {"kind": kind, "apiVersion": version, "metadata": meta, "items": items}

    def for_watch(self) -> Callable[[Record], bytes]:
        """Give the function that encodes the objects of a watch, in their order."""
        if not self.form:
            return lambda record: record.encoded(self.resource)
        if self.form != "Table":
            return lambda record: orjson.dumps(_partial(record.copy(self.resource)))
        first = True

        def row(record: Record) -> bytes:
            nonlocal first
            body = self.one(record)
            if not first:
                body["columnDefinitions"] = None
            first = False
            return orjson.dumps(body)

        return row

    def _table(
        self, objects: list[dict[str, Any]], meta: dict[str, Any]
    ) -> dict[str, Any]:
        kind = self.resource.schema
        table = schema.table(kind, objects, self.clock(), self.include)
        return {**table, "metadata": meta}


def _partial(obj: dict[str, Any]) -> dict[str, Any]:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": _META,
        "metadata": obj["metadata"],
    }


def _bare(obj: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in obj.items() if k not in {"kind", "apiVersion"}}
