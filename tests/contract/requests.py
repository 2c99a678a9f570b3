"""Generated requests: written once, sent to each server with its own identities."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal

import attrs
from hypothesis import strategies as st

from tests.contract.servers import JSON, JSON_PATCH, MERGE, STRATEGIC, Api, Ask, Reply

Identity = Literal["none", "right", "stale", "wrong"]
NAMES: Final = ("a", "b")
NAMESPACE: Final = "NAMESPACE"  # stands in a body for that of the sequence
MANY: Final = 12


@attrs.frozen
class Kind:
    """A kind with the parts of which its objects and changes are put together."""

    path: str  # with {} for the namespace
    parts: Mapping[str, Sequence[Any]]  # a path, with bars, to values that it may take
    base: Mapping[str, Any] = attrs.field(factory=dict)
    kind: str = ""
    version: str = "v1"
    statuses: Sequence[Any] = ({"phase": "Running"}, {"phase": "Failed"})
    define: Callable[[Api], None] = lambda _: None  # where a server does not know it

    def bodies(self) -> st.SearchStrategy[dict[str, Any]]:
        """Objects, most of them valid."""
        chosen = {key: st.sampled_from(values) for key, values in self.parts.items()}
        changes = st.fixed_dictionaries({}, optional=chosen)
        return changes.map(lambda found: _set(self.base, found))

    def changes(self) -> st.SearchStrategy[dict[str, Any]]:
        """Merge patches; null takes a part away."""
        chosen = {
            key: st.sampled_from([*values, None]) for key, values in self.parts.items()
        }
        some = st.fixed_dictionaries({}, optional=chosen)
        return some.map(lambda found: _set({}, found))


@attrs.frozen
class Step:
    """One request about the object of a name, in terms that hold on every server."""

    kind: Kind
    method: str
    name: str = ""
    body: Any = None
    version: Identity = "none"
    uid: Identity = "none"
    content: str = JSON
    query: Mapping[str, str] = attrs.field(factory=dict)
    subresource: str = ""
    options: Mapping[str, Any] = attrs.field(factory=dict)


@attrs.define
class Player:
    """Sends steps to one server, and remembers what that server called things."""

    api: Api
    namespace: str
    _known: dict[tuple[str, str], list[Mapping[str, Any]]] = attrs.field(factory=dict)

    def play(self, step: Step) -> Reply:
        """Send a step."""
        reply = self.api.ask(self._ask(step))
        meta = reply.body.get("metadata") or {}
        if reply.status < 300 and "uid" in meta and not step.query.get("dryRun"):
            known = self._known.setdefault((step.kind.path, meta["name"]), [])
            known.append(meta)
        return reply

    def collection(self, kind: Kind) -> str:
        """Say where the kind's objects are."""
        return kind.path.format(self.namespace)

    def _ask(self, step: Step) -> Ask:
        path = self.collection(step.kind)
        if step.name and step.method != "POST":
            path = f"{path}/{step.name}"
        if step.subresource:
            path = f"{path}/{step.subresource}"
        written = json.dumps(self._body(step))
        body = json.loads(written.replace(NAMESPACE, self.namespace))
        return Ask(step.method, path, body, step.query, content=step.content)

    def _body(self, step: Step) -> Any:  # noqa: ANN401 (JSON)
        identity = {
            key: value
            for key, value in (
                ("uid", self._uid(step)),
                ("resourceVersion", self._version(step)),
            )
            if value
        }
        if step.method == "DELETE":
            preconditions = {"preconditions": identity} if identity else {}
            return {**step.options, **preconditions} or None
        if not isinstance(step.body, Mapping):
            return step.body
        body = dict(step.body)
        meta = {**(body.get("metadata") or {}), **identity}
        if step.method in {"POST", "PUT"}:
            meta["name"] = step.name
            body |= {"apiVersion": step.kind.version, "kind": step.kind.kind}
        return {**body, "metadata": meta} if meta else body

    def _uid(self, step: Step) -> str:
        known = self._known.get((step.kind.path, step.name), [])
        if step.uid == "wrong":
            return "00000000-1111-4111-8111-000000000000"
        return str(known[-1]["uid"]) if step.uid == "right" and known else ""

    def _version(self, step: Step) -> str:
        known = self._known.get((step.kind.path, step.name), [])
        if step.version == "wrong":
            return "1"
        if not known or step.version == "none":
            return ""
        return str(known[-1 if step.version == "right" else 0]["resourceVersion"])


def _set(base: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """Put values at their paths into a copy of an object."""
    result: dict[str, Any] = dict(base)
    for path, value in parts.items():
        *above, last = path.split("|")
        place = result
        for key in above:
            place[key] = dict(place.get(key) or {})
            place = place[key]
        place[last] = value
    return result


def steps(kinds: Sequence[Kind]) -> st.SearchStrategy[list[Step]]:
    """Sequences of requests about few objects, so that they meet one another."""
    some = st.lists(st.one_of(*map(_step, kinds)), min_size=3, max_size=MANY)
    begun = st.builds(lambda one, rest: [one, *rest], _begin(kinds[0]), some)
    return st.one_of(begun, begun, some)


def _begin(kind: Kind) -> st.SearchStrategy[Step]:
    """Make an object that later requests are about."""
    bodies = st.one_of(st.just(dict(kind.base)), kind.bodies())
    return st.builds(
        Step, st.just(kind), st.just("POST"), st.sampled_from(NAMES), bodies
    )


def _step(kind: Kind) -> st.SearchStrategy[Step]:
    identity: st.SearchStrategy[Identity] = st.sampled_from(
        ["none", "none", "right", "right", "stale", "wrong"]
    )
    common = {
        "kind": st.just(kind),
        "name": st.sampled_from(NAMES),
        "version": identity,
        "uid": identity,
    }
    query = st.sampled_from(
        [{}, {}, {}, {"dryRun": "All"}, {"fieldValidation": "Strict"}]
    )
    create = st.builds(
        Step,
        **{**common, "version": st.just("none"), "uid": st.just("none")},
        method=st.just("POST"),
        body=kind.bodies(),
        query=query,
    )
    update = st.builds(
        Step, **common, method=st.just("PUT"), body=kind.bodies(), query=query
    )
    merge = st.builds(
        Step,
        **common,
        method=st.just("PATCH"),
        body=kind.changes(),
        content=st.sampled_from([MERGE, STRATEGIC]),
        query=query,
    )
    return st.one_of(
        create,
        create,
        update,
        merge,
        st.builds(Step, **common, method=st.just("PATCH"), **_json_patches()),
        st.builds(Step, **common, method=st.just("PATCH"), **_status(kind)),
        st.builds(Step, **common, method=st.just("DELETE"), options=_options()),
        st.builds(
            Step, kind=st.just(kind), name=st.sampled_from(NAMES), method=st.just("GET")
        ),
        st.builds(
            Step,
            kind=st.just(kind),
            method=st.just("GET"),
            query=st.sampled_from(
                [
                    {},
                    {"labelSelector": "app=x"},
                    {"labelSelector": "app notin (x),!other"},
                    {"fieldSelector": "metadata.name=a"},
                ]
            ),
        ),
    )


def _json_patches() -> dict[str, st.SearchStrategy[Any]]:
    operations = st.sampled_from(
        [
            {"op": "test", "path": "/metadata/labels/app", "value": "x"},
            {"op": "add", "path": "/metadata/labels", "value": {"app": "z"}},
            {"op": "remove", "path": "/metadata/labels/app"},
            {"op": "replace", "path": "/metadata/labels/app", "value": "y"},
            {"op": "remove", "path": "/metadata/finalizers"},
            {"op": "add", "path": "/metadata/annotations", "value": {"n": "1"}},
        ]
    )
    return {
        "body": st.lists(operations, min_size=1, max_size=2),
        "content": st.just(JSON_PATCH),
    }


def _status(kind: Kind) -> dict[str, st.SearchStrategy[Any]]:
    statuses = st.sampled_from(kind.statuses)
    meta = st.sampled_from([{}, {"labels": {"app": "s"}}])
    return {
        "body": st.fixed_dictionaries({"status": statuses, "metadata": meta}),
        "content": st.just(MERGE),
        "subresource": st.just("status"),
    }


def _options() -> st.SearchStrategy[dict[str, Any]]:
    policies = st.sampled_from(["Background", "Foreground", "Orphan"])
    return st.fixed_dictionaries(
        {},
        optional={
            "propagationPolicy": policies,
            "gracePeriodSeconds": st.sampled_from([0, 1, 30]),
        },
    )
