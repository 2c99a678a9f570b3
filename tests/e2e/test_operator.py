"""`mpiop operator` as processes: two replicas, a hand-over, logs, an end in order."""

import base64
import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from mpiop.cli import bundle
from mpiop.k8s.clock import Clock
from mpiop.k8s.credentials import load
from mpiop.k8s.http import HttpTransport
from mpiop.k8s.settings import Settings
from mpiop.k8s.transport import Call, Method
from tests.support.commands import popen
from tests.support.process import PATIENCE, Replica, operator, until
from tests.support.served import Served, served

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
JOBS = "/apis/kubeflow.org/v2beta1/namespaces/default/mpijobs"
CORE = "/api/v1/namespaces/default"


class World:
    """An API server, and what is asked of it by hand."""

    def __init__(self, server: Served) -> None:
        self.kubeconfig = server.kubeconfig
        settings = Settings(kubeconfig=server.kubeconfig)
        self.transport = HttpTransport(lambda: load(settings), Clock.system())
        for definition in bundle.definitions():
            self.ask("POST", CRDS, definition)
        self.ask("POST", LEASES, {"metadata": {"name": "mpi-operator"}})

    def ask(self, method: Method, path: str, body: object = None) -> dict[str, Any]:
        reply = self.transport.request(
            Call(method, path, body=b"" if body is None else orjson.dumps(body))
        )
        assert reply.status < 300, reply
        found: dict[str, Any] = orjson.loads(reply.body)
        return found

    def holder(self) -> str:
        spec = self.ask("GET", f"{LEASES}/mpi-operator").get("spec", {})
        return str(spec.get("holderIdentity", ""))

    def names(self, plural: str) -> set[str]:
        items = self.ask("GET", f"{CORE}/{plural}")["items"]
        return {item["metadata"]["name"] for item in items}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with served(tmp_path) as server:
        found = World(server)
        yield found
        found.transport.close()


@contextmanager
def replica(world: World, *flags: str) -> Iterator[Replica]:
    with operator(world.kubeconfig, "-lock-namespace=default", *flags) as found:
        yield found


def mpijob() -> dict[str, Any]:
    container = [{"name": "main", "image": "image"}]
    template = {"template": {"spec": {"containers": container}}}
    replicas = {"Launcher": template, "Worker": {**template, "replicas": 2}}
    return {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "metadata": {"name": "pi"},
        "spec": {"mpiReplicaSpecs": replicas},
    }


@pytest.mark.defect("D31")
def test_two_replicas_hand_over_and_end_in_order(world: World) -> None:
    """SIGTERM: the lease is given back, the exit code is 0, the other goes on."""
    with replica(world) as first:
        until(lambda: bool(world.holder()))
        leader = world.holder()
        with replica(world) as second:
            until(lambda: second.ask("/readyz") == (200, "ok\n"))
            world.ask("POST", JOBS, mpijob())
            until(lambda: {"pi-worker-0", "pi-worker-1"} <= world.names("pods"))
            until(lambda: 'mpi_operator_jobs{phase="Created"} 1.0' in metrics(first))
            assert "mpi_operator_is_leader 1.0" in metrics(first)
            assert "mpi_operator_is_leader 0.0" in metrics(second)
            assert first.ask("/healthz") == second.ask("/healthz") == (200, "ok\n")
            begin = time.monotonic()
            assert first.end() == 0
            until(lambda: world.holder() not in {"", leader})
            assert time.monotonic() - begin < PATIENCE / 2
            world.ask("DELETE", f"{CORE}/pods/pi-worker-1")
            until(lambda: "pi-worker-1" in world.names("pods"))
            assert second.end() == 0
    assert world.holder() == ""


def test_a_leader_that_is_killed_is_followed(world: World, tmp_path: Path) -> None:
    """It gives nothing back: the other waits for its lease to run out, and goes on."""
    soon = ("--lease-seconds=4", "--renew-seconds=3", "--retry-seconds=0.5")
    lock = "-lock-namespace=default"
    own = {"TMPDIR": str(tmp_path)}  # whoever is killed leaves its files
    with operator(world.kubeconfig, lock, *soon, environment=own) as first:
        until(lambda: bool(world.holder()))
        leader = world.holder()
        with replica(world, *soon) as second:
            until(lambda: second.ask("/readyz") == (200, "ok\n"))
            world.ask("POST", JOBS, mpijob())
            until(lambda: {"pi-worker-0", "pi-worker-1"} <= world.names("pods"))
            first.process.kill()
            first.process.wait(PATIENCE)
            assert world.holder() == leader
            world.ask("DELETE", f"{CORE}/pods/pi-worker-1")
            until(lambda: "pi-worker-1" in world.names("pods"))
            assert world.holder() not in {"", leader}
            assert second.end() == 0


def metrics(one: Replica) -> str:
    return one.ask("/metrics")[1]


def test_json_logs_are_json_and_hold_no_secret(world: World) -> None:
    """A constant message and its context on each line, down to debug."""
    with replica(world, "--log-format=json", "-v=4") as one:
        world.ask("POST", JOBS, mpijob())
        until(lambda: {"pi-worker-0", "pi-worker-1"} <= world.names("pods"))
        assert one.end() == 0
    lines = [json.loads(line) for line in one.lines]
    messages = {line["message"] for line in lines}
    assert {"leading", "caches have synced", "reconciled", "ended"} <= messages
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    reconciled = next(line for line in lines if line["message"] == "reconciled")
    assert (reconciled["namespace"], reconciled["mpijob"]) == ("default", "pi")
    (secret,) = world.ask("GET", f"{CORE}/secrets")["items"]
    text = "\n".join(one.lines)
    for value in secret["data"].values():
        assert value not in text
        assert base64.b64decode(value).decode(errors="replace")[-40:] not in text


def test_what_keeps_it_from_starting_is_said(world: World) -> None:
    """One line and exit code 2, with nothing started."""
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        popen(
            "operator",
            f"--kubeconfig={world.kubeconfig}",
            f"--health-port={taken.getsockname()[1]}",
        ) as process,
    ):
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert "cannot listen on 127.0.0.1:" in err
    assert "Traceback" not in err
    assert world.holder() == ""
