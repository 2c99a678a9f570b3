"""What an update must not change."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from .cloning import clone
from .errors import FieldError, forbidden, invalid

Json = Mapping[str, Any]
_IMMUTABLE: Final = "field is immutable"
_WHEN_SET: Final = "field is immutable when `immutable` is set"
_POD: Final = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` "
    "(only additions to existing tolerations),`spec.terminationGracePeriodSeconds` "
    "(allow it to be set to 1 if it was previously negative)"
)
_DIRECTIVES: Final = ("nodeSelector", "tolerations", "schedulingGates", "affinity")


def update_pod(old: Json, new: Json) -> Iterator[FieldError]:
    """Images, a shorter deadline, more tolerations and fewer gates are all there is."""
    before, after = old["spec"], clone(new["spec"])
    for field in ("containers", "initContainers"):
        olds, news = before.get(field, ()), after.get(field, ())
        if len(olds) != len(news):
            text = "pod updates may not add or remove containers"
            yield forbidden(f"spec.{field}", text)
            return
        for was, now in zip(olds, news, strict=True):
            _same(now, was, "image")
    deadline, shorter = (s.get("activeDeadlineSeconds") for s in (before, after))
    if deadline is not None and (shorter is None or shorter > deadline):
        text = f"must be less than or equal to previous value: {deadline}"
        yield invalid("spec.activeDeadlineSeconds", shorter, text)
    _same(after, before, "activeDeadlineSeconds")
    if before.get("terminationGracePeriodSeconds", 0) < 0:
        _same(after, before, "terminationGracePeriodSeconds")
    if all(
        one in after.get("tolerations", ()) for one in before.get("tolerations", ())
    ):
        _same(after, before, "tolerations")
    yield from _gates(before, after)
    if after != before:
        yield forbidden("spec", _POD)


def _same(after: dict[str, Any], before: Json, field: str) -> None:
    """Take a field out of the comparison."""
    after.pop(field, None)
    if field in before:
        after[field] = before[field]


def _gates(before: Json, after: dict[str, Any]) -> Iterator[FieldError]:
    gates = [gate["name"] for gate in before.get("schedulingGates", ())]
    for gate in after.get("schedulingGates", ()):
        if gate["name"] not in gates:
            text = "only deletion is allowed, but found new scheduling gate"
            where = "spec.schedulingGates"
            yield forbidden(where, f"{text} '{gate['name']}'")
    _same(after, before, "schedulingGates")
    if gates:
        selector = after.get("nodeSelector", {})
        kept = before.get("nodeSelector", {}).items() <= selector.items()
        if kept:
            _same(after, before, "nodeSelector")


def update_job(old: Json, new: Json) -> Iterator[FieldError]:
    """The template opens while the Job is suspended and has not started."""
    before, after = old["spec"], new["spec"]
    elastic = after.get("completionMode") == "Indexed" and (
        after.get("completions") == after.get("parallelism")
    )
    for field in (
        "completions",
        "selector",
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ):
        if field == "completions" and elastic:
            continue
        if before.get(field) != after.get(field):
            yield invalid(f"spec.{field}", after.get(field), _IMMUTABLE)
    template = clone(after.get("template", {}))
    started = "startTime" in old.get("status", {})
    if before.get("suspend") and not started:
        was = before.get("template", {})
        for field in _DIRECTIVES:
            _same(template.setdefault("spec", {}), was.get("spec", {}), field)
        meta = template.setdefault("metadata", {})
        for field in ("labels", "annotations"):
            _same(meta, was.get("metadata", {}), field)
        if not meta and "metadata" not in was:
            del template["metadata"]
    if template != before.get("template", {}):
        yield invalid("spec.template", after.get("template"), _IMMUTABLE)


def update_service(old: Json, new: Json) -> Iterator[FieldError]:
    """The cluster address stays while the Service has one."""
    before, after = old["spec"], new["spec"]
    if "ExternalName" in {before["type"], after["type"]}:
        return
    if before.get("clusterIP") and before["clusterIP"] != after.get("clusterIP"):
        text = "may not change once set"
        yield invalid("spec.clusterIPs[0]", after.get("clusterIPs", []), text)


def update_data(old: Json, new: Json) -> Iterator[FieldError]:
    """A ConfigMap or Secret that says `immutable` means it."""
    if "type" in old and old["type"] != new.get("type"):
        yield invalid("type", new.get("type", ""), _IMMUTABLE)
    if not old.get("immutable"):
        return
    for field in ("immutable", "data", "binaryData"):
        if old.get(field) != new.get(field):
            yield forbidden(field, _WHEN_SET)


def update_binding(old: Json, new: Json) -> Iterator[FieldError]:
    """A binding is to one role for good."""
    if old["roleRef"] != new["roleRef"]:
        yield invalid("roleRef", new["roleRef"], "cannot change roleRef")


def immutable(*fields: str) -> Callable[[Json, Json], Iterator[FieldError]]:
    """Make a check that fields at the top of an object stay."""

    def update(old: Json, new: Json) -> Iterator[FieldError]:
        for field in fields:
            if old.get(field) != new.get(field):
                yield invalid(field, new.get(field), _IMMUTABLE)

    return update


def update_crd(old: Json, new: Json) -> Iterator[FieldError]:
    """Group, scope and kind of a definition stay."""
    for path in ("group", "scope"):
        if old["spec"].get(path) != new["spec"].get(path):
            yield invalid(f"spec.{path}", new["spec"].get(path), _IMMUTABLE)
    for name in ("kind", "plural"):
        if old["spec"]["names"].get(name) != new["spec"]["names"].get(name):
            value = new["spec"]["names"].get(name)
            yield invalid(f"spec.names.{name}", value, _IMMUTABLE)
