"""The embedded API server and its controllers on virtual time, with a fake kubelet."""

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Final

from mpiop.local.apiserver.server import ApiServer
from mpiop.local.client import EVENTS, JOBS, PODS, Client, Json, Resource
from mpiop.local.controllers import Controllers
from tests.fake_kubelet import FakeKubelet

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)


class VirtualCluster:
    """Everything in one thread; time moves only when told."""

    def __init__(self, ca_pem: str = "") -> None:
        uids = count(1)
        self.now = _START
        self.server = ApiServer(
            clock=self.clock,
            uid=lambda: f"00000000-0000-0000-0000-{next(uids):012x}",
        )
        self.client = Client(self.server.handle)
        self.kubelet = FakeKubelet(self.client, self.clock)
        self._ca_pem = ca_pem
        self.restart_controllers()

    def restart_controllers(self) -> None:
        """Others take over who know only what the API server knows."""
        self.controllers = Controllers(self.client, self.clock, self._ca_pem)

    def clock(self) -> datetime:
        """Tell the virtual time."""
        return self.now

    def settle(self) -> float | None:
        """Let the controllers work until they are quiet."""
        wait = self.controllers.step()
        assert wait != 0, "the controllers do not become quiet"
        return wait

    def advance(self, seconds: float) -> float | None:
        """Let time pass at once, then settle."""
        self.now += timedelta(seconds=seconds)
        self.server.tick()
        return self.settle()

    def pods(self, job: str = "") -> list[Json]:
        """List the Pods, or those of one Job, oldest first."""
        query = {"labelSelector": f"job-name={job}"} if job else {}
        items: list[Json] = self.client.list(PODS, "default", **query)["items"]
        return sorted(items, key=lambda pod: int(pod["metadata"]["uid"][-12:], 16))

    def job(self, name: str = "job") -> Json:
        """Read a Job."""
        return self.client.get(JOBS, "default", name)

    def create(self, resource: Resource, metadata: Json, **obj: object) -> Json:
        """Create an object in namespace default."""
        meta = {"namespace": "default", **metadata}
        return self.client.create(resource, {"metadata": meta, **obj})

    def create_job(self, name: str = "job", **spec: object) -> Json:
        """Create a Job with one container, and let the controllers see it."""
        containers = [{"name": "main", "image": "image"}]
        template = {"spec": {"containers": containers, "restartPolicy": "Never"}}
        body = {"template": template, **spec}
        job = self.create(JOBS, metadata={"name": name}, spec=body)
        self.settle()
        return job

    def events(self, name: str = "job") -> list[tuple[str, str]]:
        """Reasons and messages of the Events about objects of that name."""
        items: list[Json] = self.client.list(EVENTS, "default")["items"]
        return [
            (event["reason"], event["message"])
            for event in items
            if event["involvedObject"]["name"] == name
        ]


def conditions(obj: Json) -> list[tuple[str, str, str]]:
    """Type, status and reason of an object's conditions, in their order."""
    return [
        (item["type"], item["status"], item.get("reason", ""))
        for item in obj.get("status", {}).get("conditions") or ()
    ]
