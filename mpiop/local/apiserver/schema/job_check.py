"""Validation of Jobs."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .defaults import own_labels
from .errors import (
    FieldError,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
)
from .meta_check import check_labels
from .names import dns_subdomain
from .pod_check import at_least, check_template

Json = Mapping[str, Any]
_COUNTS: Final = (
    "parallelism",
    "completions",
    "backoffLimit",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
    "activeDeadlineSeconds",
    "ttlSecondsAfterFinished",
)
_ACTIONS: Final = ("Count", "FailIndex", "FailJob", "Ignore")
_STATUSES: Final = ("False", "True", "Unknown")
_REPLACEMENTS: Final = ("Failed", "TerminatingOrFailed")
_MAX_RULES: Final = 20
_MAX_MANAGER: Final = 63


def check_job(job: Json) -> Iterator[FieldError]:
    """Judge a Job's spec, its selector already generated."""
    spec = job["spec"]
    template = spec.get("template", {})
    yield from at_least(spec, _COUNTS, "spec")
    labels = template.get("metadata", {}).get("labels", {})
    yield from _selector(spec, labels)
    yield from check_template(template, "spec.template")
    yield from _manager(spec.get("managedBy"))
    mode = spec["completionMode"]
    if mode not in {"Indexed", "NonIndexed"}:
        yield not_supported("spec.completionMode", mode, ("Indexed", "NonIndexed"))
    elif mode == "Indexed" and "completions" not in spec:
        text = "when completion mode is Indexed"
        yield required("spec.completions", text)
    yield from _restart_policy(spec, template.get("spec", {}).get("restartPolicy"))
    if "podFailurePolicy" in spec:
        yield from _failure_policy(spec)
    allowed = ("Failed",) if "podFailurePolicy" in spec else _REPLACEMENTS
    if spec["podReplacementPolicy"] not in allowed:
        yield not_supported(
            "spec.podReplacementPolicy", spec["podReplacementPolicy"], allowed
        )


def check_new_job(job: Json) -> Iterator[FieldError]:
    """Refuse a Job that is to be created with the labels of another Job's Pods."""
    spec = job["spec"]
    if spec["manualSelector"]:
        return
    labels = spec["template"]["metadata"]["labels"]
    for key, value in own_labels(job["metadata"]).items():
        if labels.get(key) != value:
            where = f"spec.template.metadata.labels[{key}]"
            yield invalid(where, dict(labels), f"must be '{value}'")


def _selector(spec: Json, labels: Json) -> Iterator[FieldError]:
    wanted = spec.get("selector", {}).get("matchLabels", {})
    if "selector" not in spec:
        yield required("spec.selector")
    yield from check_labels(wanted, "spec.selector.matchLabels")
    matches = all(labels.get(key) == value for key, value in wanted.items())
    if "selector" not in spec or not matches:
        text = "`selector` does not match template `labels`"
        yield invalid("spec.template.metadata.labels", dict(labels), text)


def _manager(name: str | None) -> Iterator[FieldError]:
    if name is None:
        return
    path = "spec.managedBy"
    if not name:
        yield required(path)
        return
    prefix, _, rest = name.partition("/")
    if not prefix or not rest:
        text = 'must be a domain-prefixed path (such as "acme.io/foo")'
        yield invalid(path, name, text)
    elif problem := dns_subdomain(prefix):
        yield invalid(path, prefix, problem)
    if len(name) > _MAX_MANAGER:
        yield too_long(path, _MAX_MANAGER)


def _restart_policy(spec: Json, policy: object) -> Iterator[FieldError]:
    path = "spec.template.spec.restartPolicy"
    if policy == "Always":
        yield required(path, 'valid values: "OnFailure", "Never"')
    elif policy not in {"OnFailure", "Never"}:
        yield not_supported(path, policy, ("Never", "OnFailure"))
    elif policy != "Never" and "podFailurePolicy" in spec:
        text = 'only "Never" is supported when podFailurePolicy is specified'
        yield invalid(path, policy, text)


def _failure_policy(spec: Json) -> Iterator[FieldError]:
    rules = spec["podFailurePolicy"].get("rules", [])
    path = "spec.podFailurePolicy.rules"
    pod = spec.get("template", {}).get("spec", {})
    names = {
        container.get("name")
        for field in ("containers", "initContainers")
        for container in pod.get(field, ())
    }
    if len(rules) > _MAX_RULES:
        yield too_many(path, len(rules), _MAX_RULES)
    for index, rule in enumerate(rules):
        where = f"{path}[{index}]"
        yield from _action(rule, where, spec)
        exits, conditions = rule.get("onExitCodes"), rule.get("onPodConditions")
        if (exits is None) == (not conditions):
            both = "specifying both OnExitCodes and OnPodConditions is not supported"
            none = "specifying one of OnExitCodes and OnPodConditions is required"
            yield invalid(where, dict(rule), both if conditions else none)
        if exits is not None:
            yield from _exit_codes(exits, f"{where}.onExitCodes", names)
        for at, one in enumerate(conditions or ()):
            if not one.get("type"):
                yield required(f"{where}.onPodConditions[{at}].type")
            if one.get("status") not in _STATUSES:
                there = f"{where}.onPodConditions[{at}].status"
                yield not_supported(there, one.get("status", ""), _STATUSES)


def _action(rule: Json, path: str, spec: Json) -> Iterator[FieldError]:
    action = rule.get("action", "")
    if not action:
        yield required(f"{path}.action", f"valid values: {list(_ACTIONS)}")
    elif action not in _ACTIONS:
        yield not_supported(f"{path}.action", action, _ACTIONS)
    elif action == "FailIndex" and "backoffLimitPerIndex" not in spec:
        text = "requires the backoffLimitPerIndex to be set"
        yield invalid(f"{path}.action", action, text)


def _exit_codes(codes: Json, path: str, names: set[Any]) -> Iterator[FieldError]:
    operator, values = codes.get("operator", ""), codes.get("values", [])
    if operator not in {"In", "NotIn"}:
        yield not_supported(f"{path}.operator", operator, ("In", "NotIn"))
    if codes.get("containerName") and codes["containerName"] not in names:
        text = "must be one of the container or initContainer names in the pod template"
        yield invalid(f"{path}.containerName", codes["containerName"], text)
    if not values:
        yield invalid(f"{path}.values", values, "at least one value is required")
    if operator == "In" and 0 in values:
        where = f"{path}.values[{values.index(0)}]"
        yield invalid(where, 0, "must not be 0 for the In operator")
    if values != sorted(set(values)):
        yield invalid(f"{path}.values", values, "must be ordered, without duplicates")
