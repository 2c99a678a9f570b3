"""Validation of Jobs."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from .defaults import own_labels
from .errors import (
    FieldError,
    invalid,
    not_supported,
    required,
    too_many,
)
from .meta_check import check_labels
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


def check_job(job: Json) -> Iterator[FieldError]:
    """Judge a Job's spec, its selector already generated."""
    spec = job["spec"]
    template = spec.get("template", {})
    yield from at_least(spec, _COUNTS, "spec")
    labels = template.get("metadata", {}).get("labels", {})
    if not spec["manualSelector"]:
        yield from _own_labels(job["metadata"], labels)
    yield from _selector(spec, labels)
    yield from check_template(template, "spec.template")
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


def _own_labels(meta: Json, labels: Json) -> Iterator[FieldError]:
    for key, value in own_labels(meta).items():
        if labels.get(key) != value:
            where = f"spec.template.metadata.labels[{key}]"
            yield invalid(where, dict(labels), f"must be '{value}'")


def _selector(spec: Json, labels: Json) -> Iterator[FieldError]:
    if "selector" not in spec:
        yield required("spec.selector")
        return
    wanted = spec["selector"].get("matchLabels", {})
    yield from check_labels(wanted, "spec.selector.matchLabels")
    if any(labels.get(key) != value for key, value in wanted.items()):
        text = "`selector` does not match template `labels`"
        yield invalid("spec.template.metadata.labels", dict(labels), text)


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
