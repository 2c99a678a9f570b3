"""Ends Pods that no kubelet will end: deleted before they had a node.

Without this a Pod that a finalizer keeps would stay Pending for ever, and a Job that
waits for the end of its Pods with it.
"""

from collections.abc import Hashable, Iterator
from datetime import datetime
from typing import cast

from mpiop.local.client import PODS, Client, Deletion

from .cache import Caches, Change
from .objects import deleting, key_of, phase


class PodGarbageCollector:
    """Marks a deleted Pod without a node Failed and ends its grace period."""

    def __init__(self, client: Client, caches: Caches) -> None:
        self._client = client
        self._caches = caches

    def keys(self, change: Change) -> Iterator[Hashable]:
        """Deleted Pods without a node that have not ended."""
        pod = change.new
        if change.resource != PODS or pod is None or not deleting(pod):
            return
        if not pod["spec"].get("nodeName") and phase(pod) in {"Pending", "Running"}:
            yield key_of(pod)

    def sync(self, key: Hashable, now: datetime) -> None:
        """Mark it Failed, then delete it at once."""
        del now
        namespace, name = cast(tuple[str, str], key)
        pod = self._caches.get(PODS, namespace, name)
        if pod is None or not deleting(pod) or pod["spec"].get("nodeName"):
            return
        if phase(pod) not in {"Succeeded", "Failed"}:
            self._client.patch(PODS, pod, {"status": {"phase": "Failed"}}, "status")
        self._client.delete(PODS, pod, Deletion(grace_seconds=0))
