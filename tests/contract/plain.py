"""Answers without what must differ: times, uids, revisions, and names made up."""

import re
from collections.abc import Mapping
from typing import Any, Final

_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_UID: Final = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
)
_VOLUME: Final = re.compile(r"kube-api-access-[a-z0-9]{5}")
_DROPPED: Final = frozenset({"managedFields", "selfLink"})


class Plain:
    """Rewrites values; equal things are called the same in the order they appear.

    Args:
        namespace: the namespace in which all happens.
        versions: keep which objects' resourceVersions are equal, else drop them.
    """

    def __init__(self, namespace: str, *, versions: bool = False) -> None:
        self._names = {namespace: "NAMESPACE"}
        self._versions: dict[str, str] | None = {} if versions else None
        self._uids: dict[str, str] = {}

    def learn(self, obj: Mapping[str, Any]) -> None:
        """Take note of a name that the server has made up."""
        meta = obj.get("metadata") or {}
        prefix, name = meta.get("generateName"), meta.get("name")
        if prefix and name and name not in self._names:
            count = sum(known.startswith(prefix) for known in self._names)
            self._names[name] = f"{prefix}{count + 1}"

    def __call__(self, value: Any) -> Any:  # noqa: ANN401 (JSON)
        """Rewrite a JSON value."""
        if isinstance(value, Mapping):
            self.learn(value)
            kept = {
                self._text(key): self(each)
                for key, each in sorted(value.items())
                if key not in _DROPPED
            }
            # Older versions write null in templates, which is the same as absent.
            if kept.get("creationTimestamp", "") is None:
                del kept["creationTimestamp"]
            version = kept.pop("resourceVersion", None)
            if version and "uid" in value and self._versions is not None:
                known = f"VERSION-{len(self._versions) + 1}"
                kept["resourceVersion"] = self._versions.setdefault(version, known)
            return kept
        if isinstance(value, list | tuple):
            return [self(each) for each in value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        text = _TIME.sub("TIME", text)
        text = _VOLUME.sub("kube-api-access-RANDOM", text)
        text = _UID.sub(self._uid, text)
        for name in sorted(self._names, key=len, reverse=True):
            text = text.replace(name, self._names[name])
        return text

    def _uid(self, found: "re.Match[str]") -> str:
        return self._uids.setdefault(found[0], f"UID-{len(self._uids) + 1}")


def difference(own: Any, other: Any, path: str = "") -> str:  # noqa: ANN401 (JSON)
    """Say where two values differ."""
    if isinstance(own, Mapping) and isinstance(other, Mapping):
        return "\n".join(
            difference(own.get(key), other.get(key), f"{path}.{key}")
            for key in sorted({*own, *other})
            if own.get(key) != other.get(key)
        )
    if isinstance(own, list) and isinstance(other, list) and len(own) == len(other):
        return "\n".join(
            difference(one, two, f"{path}[{index}]")
            for index, (one, two) in enumerate(zip(own, other, strict=True))
            if one != two
        )
    return f"{path}: embedded {own!r}, real {other!r}"
