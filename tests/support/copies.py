"""What an operator has left of a finished job, as often as a test wants it.

The original ran; its copies are written through the API, status included, on a server
without controllers, which would make something else of a Job that has just appeared.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import orjson

from mpiop.local.client import (
    CONFIG_MAPS,
    JOBS,
    PODS,
    SERVICES,
    Json,
    Resource,
)
from mpiop.reconcile import names
from tests.support.cluster import MPIJOBS, Cluster
from tests.support.scene import Scene

SECRETS: Final = Resource("v1", "secrets")
KINDS: Final = (MPIJOBS, SERVICES, CONFIG_MAPS, SECRETS, JOBS, PODS)  # owners first
_SERVERS: Final = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "generation",
    "managedFields",
)
_BY_THE_SERVER: Final = ("controller-uid", "job-name")
_AT_ONCE: Final = 4
Left = Sequence[tuple[Resource, Json]]


def left(found: Scene) -> Left:
    """Read all that is there of a namespace's jobs."""
    selected = {"labelSelector": names.JOB_UID}
    return [
        (kind, item)
        for kind in KINDS
        for item in found.cluster.client.list(
            kind, found.namespace, **(selected if kind is not MPIJOBS else {})
        )["items"]
    ]


def copy(
    cluster: Cluster, namespace: str, original: Left, copied: Sequence[str]
) -> None:
    """Write copies of the one job among these objects, under these names."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        tasks = [pool.submit(_copy, cluster, namespace, original, n) for n in copied]
        for task in tasks:
            task.result()


def _copy(cluster: Cluster, namespace: str, original: Left, name: str) -> None:
    _, job = original[0]
    changes = {job["metadata"]["namespace"]: namespace, job["metadata"]["name"]: name}
    for kind, obj in original:
        renamed = _renamed(obj, changes)
        status = renamed.pop("status", None)
        made = cluster.client.create(kind, renamed)
        if status:
            cluster.client.patch(kind, made, {"status": status}, "status")
        changes[obj["metadata"]["uid"]] = made["metadata"]["uid"]


def _renamed(obj: Json, changes: Mapping[str, str]) -> dict[str, Any]:
    text = orjson.dumps(obj).decode()
    for old, new in changes.items():
        text = text.replace(old, new)
    found: dict[str, Any] = orjson.loads(text)
    for key in _SERVERS:
        found["metadata"].pop(key, None)
    if obj["metadata"].get("labels", {}).get(names.JOB_UID) and "selector" in obj.get(
        "spec", {}
    ):
        _without_selector(found)
    return found


def _without_selector(job: dict[str, Any]) -> None:
    """Take off what the server writes into a Job by its new uid."""
    if "template" not in job["spec"]:
        return  # a Service
    del job["spec"]["selector"]
    labels = job["spec"]["template"]["metadata"]["labels"]
    for key in _BY_THE_SERVER:
        labels.pop(key, None)
        labels.pop(f"batch.kubernetes.io/{key}", None)
