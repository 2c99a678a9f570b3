"""Label and field selectors."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from .errors import bad_request
from .registry import Resource, StorageKey

Match = Callable[[Mapping[str, Any]], bool]

_OPERAND: Final = r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?"
_KEY: Final = rf"(?P<key>({_OPERAND}/)?{_OPERAND})"
_SET: Final = re.compile(rf"{_KEY}\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)")
_EQUAL: Final = re.compile(rf"{_KEY}\s*(?P<op>==|=|!=)\s*(?P<value>({_OPERAND})?)")
_EXISTS: Final = re.compile(rf"(?P<op>!?)\s*{_KEY}")
_ANYWHERE: Final = {"metadata.name": "", "metadata.namespace": ""}
_INVOLVED: Final = (
    "kind",
    "namespace",
    "name",
    "uid",
    "apiVersion",
    "resourceVersion",
    "fieldPath",
)
_FIELDS: Final[Mapping[StorageKey, Mapping[str, str]]] = {
    ("", "pods"): {
        "spec.nodeName": "",
        "spec.restartPolicy": "",
        "spec.schedulerName": "",
        "spec.serviceAccountName": "",
        "spec.hostNetwork": "false",
        "status.phase": "",
        "status.podIP": "",
        "status.nominatedNodeName": "",
    },
    ("", "events"): {
        **{f"involvedObject.{name}": "" for name in _INVOLVED},
        "reason": "",
        "reportingComponent": "",
        "source": "",
        "type": "",
    },
    ("", "namespaces"): {"status.phase": ""},
    ("", "nodes"): {"spec.unschedulable": "false"},
    ("", "secrets"): {"type": ""},
    ("", "services"): {"spec.clusterIP": "", "spec.type": ""},
    ("batch", "jobs"): {"status.successful": "0"},
}
"""Fields that may be selected by, and what an absent one counts as."""
_FIELD_ALIASES: Final = {
    "status.successful": "status.succeeded",
    "source": "source.component",
}


def label_selector(text: str) -> Match:
    """Compile a label selector.

    Raises:
        StatusError: 400, it does not parse.
    """
    tests = [_requirement(part.strip(), text) for part in _split(text)]
    return lambda obj: all(test(obj["metadata"].get("labels") or {}) for test in tests)


def _split(text: str) -> list[str]:
    if not text.strip():
        return []
    return re.split(r",(?![^(]*\))", text)


def _requirement(part: str, text: str) -> Callable[[Mapping[str, str]], bool]:
    if match := _SET.fullmatch(part):
        key, values = match["key"], {one.strip() for one in match["values"].split(",")}
        if match["op"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if match := _EQUAL.fullmatch(part):
        key, value = match["key"], match["value"]
        if match["op"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := _EXISTS.fullmatch(part):
        key, present = match["key"], not match["op"]
        return lambda labels: (key in labels) is present
    raise bad_request(f'unable to parse requirement: found "{part}" in "{text}"')


def field_selector(text: str, resource: Resource) -> Match:
    """Compile a field selector over objects as they are stored.

    Raises:
        StatusError: 400, it does not parse, or the kind has no such field to select by.
    """
    known = _ANYWHERE | dict(_FIELDS.get(resource.storage, {}))
    tests = []
    for part in filter(None, text.split(",")):
        match = re.fullmatch(r"(?P<field>[^=!]+)(?P<op>==|=|!=)(?P<value>.*)", part)
        if match is None:
            raise bad_request(f"invalid selector: '{text}'; can't understand '{part}'")
        field = match["field"].replace("regarding.", "involvedObject.")
        if field not in known:
            raise bad_request(f"field label not supported: {field}")
        tests.append((field, match["op"] != "!=", match["value"]))
    return lambda obj: all(
        (_field(obj, field, known[field]) == value) is equal
        for field, equal, value in tests
    )


def _field(obj: Mapping[str, Any], path: str, absent: str) -> str:
    value: Any = obj
    for key in _FIELD_ALIASES.get(path, path).split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    if value is None:
        return absent
    return str(value).lower() if isinstance(value, bool) else str(value)
