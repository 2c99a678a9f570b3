"""One Pod's life: wait for what it refers to, init containers, containers, the end.

The life is written down straight, as one coroutine; what the world sees of it is
computed from the containers' states each time one of them changes.
"""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import attrs

from mpiop.local.kubelet.api import Api, ApiError
from mpiop.local.kubelet.container import Container
from mpiop.local.kubelet.data import PodData, Reference, references
from mpiop.local.kubelet.env import machine_facts
from mpiop.local.kubelet.events import Recorder
from mpiop.local.kubelet.objects import Json, MissingError, all_containers
from mpiop.local.kubelet.prepare import Settings, Surroundings
from mpiop.local.kubelet.publish import Publisher
from mpiop.local.kubelet.runtime import Runtime, Sandbox
from mpiop.local.kubelet.status import ContainerState, PodFacts, pod_status
from mpiop.local.kubelet.volumes import Volumes

_RETRY: Final = 0.5  # seconds until a missing volume is looked for again
_RETRY_MOST: Final = 5.0
_DEFAULT_GRACE: Final = 30


@attrs.frozen
class Node:
    """What all Pods share."""

    api: Api
    runtime: Runtime
    settings: Settings
    folder: Path
    sandboxed: Callable[["PodWorker"], None]  # a Pod has got its network


class PodWorker:
    """Carries one Pod from its binding to its last report."""

    def __init__(self, pod: Json, node: Node) -> None:
        self.pod = pod
        self.uid: str = pod["metadata"]["uid"]
        self.sandbox: Sandbox | None = None
        self.containers: dict[str, Container] = {}
        self.gone = False  # its object is, there is nobody to report to
        self._node = node
        self._folder: Path = node.folder / self.uid
        self._stopping = asyncio.Event()
        self._pulse = asyncio.Event()  # something has changed
        self.states = [_state(pod, item) for item in all_containers(pod)]
        self._start = datetime.now(UTC)
        self._over = False
        self._verdict: tuple[str, str] | None = None
        self._volumes: Volumes | None = None
        self._data = PodData(node.api, pod["metadata"]["namespace"])
        self._events = Recorder(node.api, pod)
        self._publisher = Publisher(node.api, pod, self._status)
        self._stops: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Live the Pod's life; on return it has ended and its last status is out."""
        self.changed()
        deadline = self._pod_deadline()
        try:
            await self._live()
        finally:
            deadline.cancel()
            await asyncio.gather(deadline, *self._stops, return_exceptions=True)
            if self.sandbox is not None:
                self.sandbox.close()
        self._over = True
        self.changed()
        await self._stopping.wait()
        await self._publisher.flush()

    async def close(self) -> None:
        """Forget the Pod: its object is gone, or is to go."""
        await self._publisher.close()
        await self._events.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def update(self, pod: Json) -> None:
        """Take over a newer manifest (labels, annotations, conditions of others)."""
        self.pod = pod
        self._publisher.pod = pod

    def stop(self, grace: float) -> None:
        """Begin to end the Pod; again with less grace hurries."""
        self._stopping.set()
        self._pulse.set()
        for container in self.containers.values():
            task = asyncio.create_task(container.stop(grace))
            self._stops.add(task)
            task.add_done_callback(self._stops.discard)

    def source_changed(self, reference: Reference, obj: Json | None) -> None:
        """Bring volumes up to date with a ConfigMap or Secret."""
        if self._volumes is not None and not self._over and obj is not None:
            self._data.put(reference, obj)
            self._volumes.refresh(reference)

    def changed(self) -> None:
        """Have the status written soon."""
        self._pulse.set()
        self._publisher.poke()

    @property
    def etc(self) -> Path:
        """The folder of the Pod's files in /etc."""
        return self._folder / "etc"

    async def _live(self) -> None:
        around = await self._prepare()
        if around is None:
            return
        policy = self.pod["spec"].get("restartPolicy", "Always")
        async with asyncio.TaskGroup() as sidecars:
            tokens = sidecars.create_task(around.volumes.renew())
            if await self._run_init(around, policy, sidecars):
                await self._run_main(around, policy)
            tokens.cancel()
            for container in self.containers.values():
                if container.state.sidecar:
                    self._stop_soon(container)

    async def _prepare(self) -> Surroundings | None:
        """Make volumes and sandbox; None where the Pod is stopped meanwhile."""
        delay = _RETRY
        while not self._stopping.is_set():
            try:
                return await self._surroundings()
            except (MissingError, ApiError, OSError) as error:
                self._events.add("Warning", "FailedMount", str(error))
            try:
                factor = self._node.settings.backoff
                async with asyncio.timeout(delay * factor):
                    await self._stopping.wait()
            except TimeoutError:
                delay = min(delay * 2, _RETRY_MOST)
        return None

    async def _surroundings(self) -> Surroundings:
        node, folder = self._node, self._folder
        await self._data.load(references(self.pod))
        if self.sandbox is None:
            folder.mkdir(parents=True, exist_ok=True)
            self.sandbox = node.runtime.sandbox(self.pod, folder)
            node.sandboxed(self)
        facts = machine_facts(self.sandbox.address, node.runtime.host_address)
        volumes = Volumes(
            folder=folder / "volumes",
            pod=self.pod,
            data=self._data,
            facts=facts,
            alone=node.runtime.alone,
            adapt=self.sandbox.content,
        )
        await volumes.prepare()
        self._volumes = volumes
        return Surroundings(
            pod=self.pod,
            folder=folder,
            sandbox=self.sandbox,
            volumes=volumes,
            data=self._data,
            facts=facts,
            settings=node.settings,
            changed=self.changed,
            event=self._events.add,
        )

    async def _run_init(
        self, around: Surroundings, policy: str, sidecars: asyncio.TaskGroup
    ) -> bool:
        """Run init containers one by one; true when all have done their part."""
        for manifest in around.pod["spec"].get("initContainers") or ():
            if self._stopping.is_set():
                return False
            sidecar = manifest.get("restartPolicy") == "Always"
            # An init container is repeated until it succeeds, or never.
            rule = "Always" if sidecar else "OnFailure" if policy != "Never" else policy
            container = self._container(around, manifest, rule)
            if sidecar:
                sidecars.create_task(container.run())
                await self._until_started(container)
            else:
                await container.run()
            if not container.state.done:
                return False
        return not self._stopping.is_set()

    async def _until_started(self, container: Container) -> None:
        while not (container.state.started or self._stopping.is_set()):
            self._pulse.clear()
            await self._pulse.wait()

    async def _run_main(self, around: Surroundings, policy: str) -> None:
        async with asyncio.TaskGroup() as group:
            for manifest in around.pod["spec"]["containers"]:
                container = self._container(around, manifest, policy)
                group.create_task(container.run())

    def _container(
        self, around: Surroundings, manifest: Json, policy: str
    ) -> Container:
        name = manifest["name"]
        state = next(item for item in self.states if item.name == name)
        self.containers[name] = Container(manifest, around, state, policy)
        return self.containers[name]

    def _stop_soon(self, container: Container) -> None:
        spec = self.pod["spec"]
        grace = spec.get("terminationGracePeriodSeconds", _DEFAULT_GRACE)
        task = asyncio.create_task(container.stop(grace))
        self._stops.add(task)
        task.add_done_callback(self._stops.discard)

    def _pod_deadline(self) -> asyncio.Task[None]:
        async def wait() -> None:
            seconds = self.pod["spec"].get("activeDeadlineSeconds")
            if seconds is None:
                return
            await asyncio.sleep(seconds)
            text = "Pod was active on the node longer than the specified deadline"
            self._verdict = ("DeadlineExceeded", text)
            for container in self.containers.values():
                self._stop_soon(container)

        return asyncio.create_task(wait())

    def _status(self) -> Mapping[str, object]:
        facts = PodFacts(
            start=self._start,
            now=datetime.now(UTC),
            address="" if self.sandbox is None else self.sandbox.address,
            host_address=self._node.runtime.host_address,
            over=self._over,
            verdict=self._verdict,
        )
        written = self._publisher.pod.get("status") or {}
        former = written.get("conditions") or ()
        return pod_status(self.states, facts, former)


def _state(pod: Json, container: Json) -> ContainerState:
    inits = pod["spec"].get("initContainers") or ()
    init = container in inits
    return ContainerState(
        name=container["name"],
        image=container["image"],
        init=init,
        sidecar=init and container.get("restartPolicy") == "Always",
        waiting=("PodInitializing" if inits else "ContainerCreating", ""),
    )
