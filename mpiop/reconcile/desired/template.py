"""Turn a user's Pod template into a child's, unknown fields kept.

A template is copied, the main container (the first) gets ours added behind what the
user wrote; a name that the user set is never set again.
"""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from mpiop.reconcile.mpijob import Json

DEFAULT_RECORD = "/dev/termination-log"


@attrs.define
class Pod:
    """A Pod template being filled in.

    Attributes:
        metadata: labels and annotations; the rest of a template's is dropped.
        spec: the Pod's spec.
        main: its first container.
    """

    metadata: dict[str, Any]
    spec: dict[str, Any]
    main: dict[str, Any]

    def environment(self, values: Mapping[str, str]) -> None:
        """Add variables behind the user's own."""
        entries = self.main.setdefault("env", [])
        known = {entry.get("name") for entry in entries}
        entries += [
            {"name": name, "value": value}
            for name, value in values.items()
            if name not in known
        ]

    def mount(self, volume: Json, mounts: Iterable[Json]) -> None:
        """Add a volume and its mounts in the main container."""
        self.spec.setdefault("volumes", []).append(volume)
        self.main.setdefault("volumeMounts", []).extend(mounts)

    def explain_failures(self) -> None:
        """Keep the last lines of a failed container where the user set nothing."""
        self.main.setdefault("terminationMessagePolicy", "FallbackToLogsOnError")

    def json(self) -> dict[str, Any]:
        """Give metadata and spec."""
        return {"metadata": self.metadata, "spec": self.spec}


def pod(template: Json, labels: Mapping[str, str]) -> Pod:
    """Copy a template and label it; ours win over the user's of the same key."""
    copied: dict[str, Any] = copy.deepcopy(dict(template))
    given: dict[str, Any] = copied.get("metadata") or {}
    metadata: dict[str, Any] = {
        "labels": {**(given.get("labels") or {}), **labels},
    }
    if given.get("annotations"):
        metadata["annotations"] = given["annotations"]
    spec: dict[str, Any] = copied["spec"]
    return Pod(metadata, spec, spec["containers"][0])


def has_command(template: Json) -> bool:
    """Whether the main container says what to run."""
    spec: Any = template["spec"]
    main = spec["containers"][0]
    return bool(main.get("command") or main.get("args"))


def join_network(found: Pod, hostname: str, subdomain: str) -> None:
    """Give a Pod its host name, and the DNS policy that host networking needs."""
    found.spec["hostname"] = hostname
    found.spec["subdomain"] = subdomain
    if found.spec.get("hostNetwork"):
        found.spec["dnsPolicy"] = "ClusterFirstWithHostNet"
