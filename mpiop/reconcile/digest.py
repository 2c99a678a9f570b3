"""Fingerprints of JSON values: a cache that keeps them keeps no object."""

import hashlib
from collections.abc import Mapping


def digest(value: object) -> str:
    """Fingerprint a JSON value: equal values, equal digests; 16 hex digits."""
    return hashlib.sha256(_canonical(value).encode()).hexdigest()[:16]


def _canonical(value: object) -> str:
    if isinstance(value, Mapping):
        pairs = (f"{k!r}:{_canonical(value[k])}" for k in sorted(value))
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_canonical, value)) + "]"
    return repr(value)
