"""The kubelet: follows the API server, gives each Pod of this node a worker."""

import asyncio
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mpiop.local.kubelet import hosts
from mpiop.local.kubelet.api import Api, ApiError
from mpiop.local.kubelet.informer import Informer, Key
from mpiop.local.kubelet.objects import Json, terminating, timestamp
from mpiop.local.kubelet.pod import Node, PodWorker
from mpiop.local.kubelet.prepare import Settings
from mpiop.local.kubelet.runtime import Runtime

NAME: Final = "local"
_CONFLICT: Final = 409
_RETRY: Final = 0.2  # seconds


class Kubelet:
    """Runs the Pods of one node; `run` is its life."""

    def __init__(
        self, api: Api, runtime: Runtime, settings: Settings, folder: Path
    ) -> None:
        self._api = api
        self._node = Node(api, runtime, settings, folder, self._sandboxed)
        self._workers: dict[str, PodWorker] = {}  # by uid
        self._seen: set[str] = set()  # uids: a Pod is never carried twice
        self._tasks: set[asyncio.Task[None]] = set()
        self._records: list[hosts.Record] = []
        self._renewing: asyncio.TimerHandle | None = None
        mine = {"fieldSelector": f"spec.nodeName={NAME}"}
        self._pods = Informer(api, "/api/v1/pods", self._pod_changed, mine)
        self._slices = Informer(
            api, "/apis/discovery.k8s.io/v1/endpointslices", self._slice_changed
        )
        self._sources = [
            Informer(api, "/api/v1/configmaps", self._source_changed("configmap")),
            Informer(api, "/api/v1/secrets", self._source_changed("secret")),
        ]

    async def run(self) -> None:
        """Register the node, then follow the server until cancelled."""
        await self._register()
        async with asyncio.TaskGroup() as group:
            for informer in (self._pods, self._slices, *self._sources):
                group.create_task(informer.run())

    def worker(self, namespace: str, name: str) -> PodWorker | None:
        """Find the worker of a Pod, None where this node has no such Pod."""
        found = self._named(namespace, name)
        return found[-1] if found else None

    def _named(self, namespace: str, name: str) -> list[PodWorker]:
        """Find all Pods of a name, the latest last: those before it are ending."""
        wanted = {"namespace": namespace, "name": name}
        return [
            worker
            for worker in self._workers.values()
            if worker.pod["metadata"].items() >= wanted.items()
        ]

    def _pod_changed(self, name: Key, pod: Json | None) -> None:
        uid = pod["metadata"]["uid"] if pod else ""
        for worker in self._named(*name):
            if worker.uid != uid:
                worker.gone = True
                worker.stop(0)
        if pod is None:
            return
        if uid in self._workers:
            self._workers[uid].update(pod)
        elif uid not in self._seen:
            self._start(pod)
        if terminating(pod) and uid in self._workers:
            metadata = pod["metadata"]
            self._workers[uid].stop(metadata.get("deletionGracePeriodSeconds") or 0)

    def _start(self, pod: Json) -> None:
        worker = PodWorker(pod, self._node)
        self._workers[worker.uid] = worker
        self._seen.add(worker.uid)
        task = asyncio.create_task(self._carry(worker))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, worker: PodWorker) -> None:
        try:
            await worker.run()
            if not worker.gone:
                await self._delete(worker)
        except* (OSError, ArithmeticError, LookupError, TypeError, ValueError):
            # A fault of ours must be seen, and not end the other Pods.
            traceback.print_exc()
        finally:
            await worker.close()
            self._workers.pop(worker.uid, None)

    async def _delete(self, worker: PodWorker) -> None:
        """Tell the server that nothing of a deleted Pod is left."""
        metadata = worker.pod["metadata"]
        path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": 0,
            "preconditions": {"uid": worker.uid},
        }
        while True:
            try:
                await self._api.delete(path, options)
            except ApiError as error:
                if not error.status:
                    await asyncio.sleep(_RETRY)
                    continue
            return

    def _source_changed(self, kind: str) -> Callable[[Key, Json | None], None]:
        def changed(name: Key, obj: Json | None) -> None:
            for worker in self._workers.values():
                if worker.pod["metadata"]["namespace"] == name[0]:
                    worker.source_changed((kind, name[1]), obj)

        return changed

    def _slice_changed(self, name: Key, obj: Json | None) -> None:
        del name, obj
        if self._renewing is None:  # many come at once
            loop = asyncio.get_running_loop()
            self._renewing = loop.call_later(0.01, self._renew_hosts)

    def _renew_hosts(self) -> None:
        self._renewing = None
        self._records = hosts.records(self._slices.objects.values())
        for worker in self._workers.values():
            self._sandboxed(worker)

    def _sandboxed(self, worker: PodWorker) -> None:
        if worker.sandbox is not None and worker.etc.exists():
            text = hosts.hosts_file(worker.pod, worker.sandbox.address, self._records)
            hosts.rewrite(worker.etc / "hosts", text)

    async def _register(self) -> None:
        node = _node_object(self._node.runtime.host_address)
        while True:
            try:
                await self._api.create("/api/v1/nodes", node)
            except ApiError as error:
                if error.status != _CONFLICT:
                    await asyncio.sleep(_RETRY)
                    continue
            try:
                status = {"status": node["status"]}
                await self._api.patch(f"/api/v1/nodes/{NAME}/status", status)
            except ApiError:
                await asyncio.sleep(_RETRY)
            else:
                return


def _node_object(address: str) -> Json:
    system = os.uname()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1024
    capacity = {
        "cpu": str(os.cpu_count() or 1),
        "memory": f"{memory}Ki",
        "pods": "1000",
        "ephemeral-storage": "100Gi",
    }
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(
        system.machine, system.machine
    )
    now = timestamp()
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "kubelet is posting ready status",
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
    }
    labels = {"hostname": NAME, "os": "linux", "arch": architecture}
    info = {
        "architecture": architecture,
        "operatingSystem": "linux",
        "kernelVersion": system.release,
        "kubeletVersion": "v1.35.0-mpiop",
        "containerRuntimeVersion": "mpiop://1",
        "osImage": system.sysname,
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": NAME,
            "labels": {f"kubernetes.io/{key}": text for key, text in labels.items()},
        },
        "status": {
            "capacity": capacity,
            "allocatable": capacity,
            "conditions": [ready],
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "Hostname", "address": NAME},
            ],
            "nodeInfo": info,
        },
    }
