"""The operator on its threads, over real sockets."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import orjson
import pytest

from mpiop.k8s.clock import Clock
from mpiop.k8s.credentials import load
from mpiop.k8s.errors import ApiError, Forbidden
from mpiop.k8s.http import HttpTransport
from mpiop.k8s.operator import Operator, connect
from mpiop.k8s.settings import Settings
from mpiop.k8s.transport import Call, Reply, Stream
from mpiop.reconcile.actions import Plan
from mpiop.reconcile.snapshot import Snapshot
from tests.support import toy
from tests.support.crd import PERMISSIVE
from tests.support.served import Served, served
from tests.support.transport import OneByOne

DEADLINE = 30.0
JOBS = "/apis/kubeflow.org/v2beta1/namespaces/default/mpijobs"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
PODS = "/api/v1/namespaces/default/pods"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as found:
        yield found


@pytest.fixture
def transport(server: Served) -> Iterator[HttpTransport]:
    settings = Settings(kubeconfig=server.kubeconfig)
    found = HttpTransport(lambda: load(settings), Clock.system())
    found.request(Call("POST", CRDS, (), orjson.dumps(PERMISSIVE)))
    yield found
    found.close()


def until(reached: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not reached():
        assert time.monotonic() < end, "not reached"
        time.sleep(0.02)


def operator(
    transport: HttpTransport,
    plan: Callable[[Snapshot, datetime], Plan] = toy.plan,
    identity: str = "",
) -> Operator:
    return Operator(
        Settings(lock_namespace="default"),
        transport,
        clock=Clock.system(),
        plan=plan,
        make_keys=lambda: {"k": "a2V5"},
        identity=identity,
    )


class Running:
    """An operator on a thread of the test's."""

    def __init__(self, found: Operator) -> None:
        self.error: BaseException | None = None
        self.stop = threading.Event()
        self._operator = found
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._operator.run(self.stop)
        except (ApiError, RuntimeError) as error:
            self.error = error

    def end(self) -> None:
        self.stop.set()
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        names = {one.name for one in self._operator.reflectors.values()}
        until(lambda: not any(t.name in names for t in threading.enumerate()))


def create(transport: HttpTransport, name: str, workers: int = 2) -> None:
    body = orjson.dumps(toy.mpijob(name, workers))
    assert transport.request(Call("POST", JOBS, (), body)).status == 201


def pods(transport: HttpTransport) -> set[str]:
    items = orjson.loads(transport.request(Call("GET", PODS)).body)["items"]
    return {item["metadata"]["name"] for item in items}


def test_jobs_are_served_and_the_end_is_clean(transport: HttpTransport) -> None:
    """Jobs from before and after the start get their Pods; no thread outlives stop."""
    create(transport, "before", 3)
    running = Running(operator(transport))
    until(lambda: len(pods(transport)) == 3)
    create(transport, "after", 20)
    until(lambda: len(pods(transport)) == 23)
    running.end()
    assert running.error is None


def test_a_bug_that_one_job_meets_does_not_stop_the_others(
    transport: HttpTransport,
) -> None:
    """An exception out of a plan is logged and that job backed off."""
    met = threading.Event()

    def plan(snapshot: Snapshot, now: datetime) -> Plan:
        if snapshot.manifest["metadata"]["name"] == "bad":  # type: ignore[index] # metadata
            met.set()
            raise RuntimeError("a bug")
        return toy.plan(snapshot, now)

    create(transport, "bad")
    running = Running(operator(transport, plan))
    assert met.wait(DEADLINE)
    create(transport, "good")
    until(lambda: pods(transport) == {"good-worker-0", "good-worker-1"})
    running.end()
    assert running.error is None


def test_a_cache_that_stands_still_ends_the_operator(transport: HttpTransport) -> None:
    """When a reflector meets a bug, the operator ends rather than plan on the past."""
    found = operator(transport)
    running = Running(found)
    until(lambda: found.has_synced)

    def broken(_key: object) -> None:
        raise RuntimeError("a bug")

    found.reflectors["MPIJob", ""].changed = broken
    create(transport, "pi")
    until(running.stop.is_set)
    running.end()
    assert isinstance(running.error, RuntimeError)


@pytest.mark.compat("operator.refused-watch")
def test_a_refused_start_is_an_error(transport: HttpTransport) -> None:
    """Without the right to list MPIJobs there is nothing to run for."""

    class Refusing(OneByOne, HttpTransport):
        def __init__(self) -> None:
            """Stay without a server."""

        def request(self, call: Call) -> Reply:
            if "mpijobs" in call.path:
                return Reply(403, b"")
            return transport.request(call)

        def watch(self, call: Call, silence: float) -> Stream | Reply:
            return transport.watch(call, silence)

        def close(self) -> None:
            """Nothing is kept open."""

    running = Running(operator(Refusing()))
    until(lambda: running.error is not None)
    running.end()
    assert isinstance(running.error, Forbidden)


def test_a_write_that_does_not_come_back_keeps_neither_process_nor_lease(
    transport: HttpTransport, caplog: pytest.LogCaptureFixture
) -> None:
    """It ends all the same; the lease then runs out, for the write may yet arrive."""
    arrived, answer = threading.Event(), threading.Event()

    class Hanging(OneByOne, HttpTransport):
        def __init__(self) -> None:
            """Stay without a server."""

        def request(self, call: Call) -> Reply:
            if call.method == "POST" and call.path == PODS:
                arrived.set()
                assert answer.wait(DEADLINE)
            return transport.request(call)

        def watch(self, call: Call, silence: float) -> Stream | Reply:
            return transport.watch(call, silence)

        def close(self) -> None:
            """Nothing is kept open."""

    lease = {"metadata": {"name": "mpi-operator"}}
    transport.request(Call("POST", LEASES, body=orjson.dumps(lease)))
    found = operator(Hanging(), identity="one")
    running = Running(found)
    create(transport, "pi")
    try:
        assert arrived.wait(DEADLINE)
        running.end()
        held = orjson.loads(
            transport.request(Call("GET", f"{LEASES}/mpi-operator")).body
        )
        assert held["spec"]["holderIdentity"] == "one"
        assert "a write has not come back: the lease is not released" in caplog.messages
    finally:
        answer.set()
    assert running.error is None


def test_settings_lead_to_a_server(server: Served) -> None:
    """`connect` wires the real core to the server that the kubeconfig names."""
    found = connect(Settings(kubeconfig=server.kubeconfig))
    assert not found.has_synced
    assert found.reflectors["Pod", ""].step() == 0.0
    assert found.store.has_listed("Pod")
    found.close()
