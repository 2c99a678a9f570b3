"""The syntax of names, labels and environment variables: what is wrong, or nothing."""

import re
from collections.abc import Callable
from typing import Final

Syntax = Callable[[str], str]
"""Tells what is wrong with a text; empty: nothing."""

LABEL_LENGTH: Final = 63
SUBDOMAIN_LENGTH: Final = 253
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_LABEL_1035: Final = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_QUALIFIED: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_ENV: Final = re.compile(r"[ -<>-~]+")
_CONFIG_KEY: Final = re.compile(r"[-._a-zA-Z0-9]+")
_PORT: Final = re.compile(r"[-a-z0-9]+")
_PORT_LENGTH: Final = 15


def _described(what: str, example: str, pattern: re.Pattern[str]) -> str:
    return f"{what} (e.g. {example}, regex used for validation is '{pattern.pattern}')"


def _length(text: str, limit: int) -> str:
    return f"must be no more than {limit} bytes" if len(text) > limit else ""


def dns_label(text: str) -> str:
    """Judge a DNS-1123 label: lower case letters, digits and `-`, at most 63."""
    if _LABEL.fullmatch(text) is None:
        return _described(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric "
            "characters or '-', and must start and end with an alphanumeric character",
            "'my-name',  or '123-abc'",
            _LABEL,
        )
    return _length(text, LABEL_LENGTH)


def dns_subdomain(text: str) -> str:
    """Judge a DNS-1123 subdomain: labels joined by dots, at most 253."""
    if _SUBDOMAIN.fullmatch(text) is None:
        return _described(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
            "characters, '-' or '.', and must start and end with an alphanumeric "
            "character",
            "'example.com'",
            _SUBDOMAIN,
        )
    return _length(text, SUBDOMAIN_LENGTH)


def dns_label_1035(text: str) -> str:
    """Judge a DNS-1035 label: as a DNS-1123 label, beginning with a letter."""
    if _LABEL_1035.fullmatch(text) is None:
        return _described(
            "a DNS-1035 label must consist of lower case alphanumeric characters or "
            "'-', start with an alphabetic character, and end with an alphanumeric "
            "character",
            "'my-name',  or 'abc-123'",
            _LABEL_1035,
        )
    return _length(text, LABEL_LENGTH)


def path_segment(text: str) -> str:
    """Judge a name that only has to fit into a URL (RBAC)."""
    if text in {".", ".."}:
        return f"may not be '{text}'"
    for character in "/%":
        if character in text:
            return f"may not contain '{character}'"
    return ""


def qualified_name(text: str) -> str:
    """Judge a label or annotation key: an optional DNS prefix, `/`, and a name."""
    prefix, slash, name = text.rpartition("/")
    if slash and not prefix:
        return "prefix part must be non-empty"
    if prefix and (wrong := dns_subdomain(prefix)):
        return f"prefix part {wrong}"
    if not name:
        return "name part must be non-empty"
    if len(name) > LABEL_LENGTH:
        return f"name part must be no more than {LABEL_LENGTH} bytes"
    if _QUALIFIED.fullmatch(name) is None:
        return "name part " + _described(
            "must consist of alphanumeric characters, '-', '_' or '.', and must start "
            "and end with an alphanumeric character",
            "'MyName',  or 'my.name',  or '123-abc'",
            _QUALIFIED,
        )
    return ""


def label_value(text: str) -> str:
    """Judge a label's value: empty, or at most 63 plain characters."""
    if text and _QUALIFIED.fullmatch(text) is None:
        return _described(
            "a valid label must be an empty string or consist of alphanumeric "
            "characters, '-', '_' or '.', and must start and end with an alphanumeric "
            "character",
            "'MyValue',  or 'my_value',  or '12345'",
            _QUALIFIED,
        )
    return _length(text, LABEL_LENGTH)


def env_name(text: str) -> str:
    """Judge an environment variable's name: printable ASCII without `=`."""
    if _ENV.fullmatch(text) is None:
        return (
            "a valid environment variable name must consist only of printable ASCII "
            "characters other than '='"
        )
    return ""


def config_key(text: str) -> str:
    """Judge a key of a ConfigMap or Secret, which may become a file name."""
    if _CONFIG_KEY.fullmatch(text) is None:
        return _described(
            "a valid config key must consist of alphanumeric characters, '-', '_' or "
            "'.'",
            "'key.name',  or 'KEY_NAME',  or 'key-name'",
            _CONFIG_KEY,
        )
    if text in {".", ".."} or text.startswith(".."):
        return "must not be '.' or begin with '..'"
    return _length(text, SUBDOMAIN_LENGTH)


def port_name(text: str) -> str:
    """Judge the name of a container's port: at most 15, with a letter in it."""
    if len(text) > _PORT_LENGTH:
        return f"must be no more than {_PORT_LENGTH} characters"
    if _PORT.fullmatch(text) is None:
        return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    if not re.search(r"[a-z]", text):
        return "must contain at least one letter (a-z)"
    if "--" in text:
        return "must not contain consecutive hyphens"
    if text[0] == "-" or text[-1] == "-":
        return "must not begin or end with a hyphen"
    return ""
