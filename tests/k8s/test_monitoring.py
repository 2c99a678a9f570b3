"""What the ports answer: probes in words, metrics with bounded labels."""

import http.client
import socket
import struct
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import cast

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from mpiop.k8s import metrics as limits
from mpiop.k8s import monitoring
from mpiop.k8s.metrics import Metrics
from mpiop.k8s.monitoring import CLIENTS, Monitoring, application
from mpiop.k8s.probes import Probes
from mpiop.k8s.pulse import Pulse
from mpiop.k8s.rights import Rights
from mpiop.k8s.settings import Settings, SettingsError
from mpiop.k8s.store import Store, entry
from mpiop.reconcile import events
from mpiop.reconcile.actions import Count
from mpiop.reconcile.mpijob import MPIJob
from mpiop.reconcile.parse import parse
from mpiop.reconcile.recorded import Condition, Recorded, Ruling
from tests.k8s.test_rights import Reviewer
from tests.reconcile.build import mpijob
from tests.support.replicas import Replicas
from tests.support.timing import FakeTime
from tests.support.transport import status_reply

START = datetime(2026, 1, 1, tzinfo=UTC)
JOB = cast("MPIJob", parse(mpijob()))


class Parts:
    """The parts that probes ask."""

    def __init__(self, *refused: str) -> None:
        self.time = FakeTime()
        self.pulse = Pulse(self.time.clock)
        self.unlisted: list[str] = []
        self.unserved: list[str] = []
        self.replicas = Replicas(1)
        self.replicas.install()
        self.elector = self.replicas.all[0].elector
        settings = Settings(leader_elect=False)
        self.rights = Rights(Reviewer(*refused), self.time.clock, settings)
        self.probes = Probes(
            self.pulse,
            self.rights,
            self.elector,
            lambda: self.unlisted,
            lambda: self.unserved,
        )


def test_a_loop_that_stands_still_is_named() -> None:
    """Health is that every loop moves within the bound that it gave itself."""
    parts = Parts()
    parts.pulse.beat("Pod", 10)
    parts.pulse.beat("worker-0", 5)
    parts.pulse.rest("worker-1")
    assert parts.probes.health().ok
    parts.time.seconds += 7
    assert parts.probes.health().text == "stands still: worker-0\n"
    parts.pulse.beat("worker-0", 60)
    assert parts.probes.health().ok
    parts.pulse.stop("worker-1")
    assert not parts.probes.health().ok


@pytest.mark.defect("D31")
def test_readiness_says_what_is_missing() -> None:
    """Caches, rights by verb and resource, the election; each until it is there."""
    parts = Parts("delete pods", "create roles")
    parts.unlisted = ["Pod", "Job"]
    assert parts.probes.readiness().text == (
        "not ready\ncaches: not listed yet: Job, Pod\nrights: not asked for yet\n"
    )
    parts.unlisted = []
    parts.rights.step()
    found = parts.probes.readiness()
    assert not found.ok
    assert found.text == (
        "not ready\nrights: missing delete pods\n"
        "degraded: KubectlExec: missing create roles.rbac.authorization.k8s.io:"
        " jobs with remoteShell KubectlExec, v1's default, cannot start\n"
    )


def test_a_missing_component_is_named_by_one_that_is_ready() -> None:
    """It degrades and does not keep other jobs from running."""
    parts = Parts("get pods/log")
    parts.rights.step()
    found = parts.probes.readiness()
    assert found.ok
    assert found.text.startswith("ok\ndegraded: logs: missing get pods/log: ")


def test_a_scheduler_that_is_missing_is_named_by_one_that_is_ready() -> None:
    """What runs is looked after; only new gangs wait."""
    parts = Parts()
    parts.rights.step()
    parts.unserved = ["PodGroup.scheduling.volcano.sh"]
    found = parts.probes.readiness()
    assert found.ok
    assert found.text == (
        "ok\ndegraded: gang scheduling: the API server does not know"
        " PodGroup.scheduling.volcano.sh: jobs wait for a PodGroup that is not made\n"
    )


def test_an_election_in_trouble_is_not_ready() -> None:
    """A standby is; one that may not read the Lease is not."""
    parts = Parts()
    parts.rights.step()
    parts.replicas.all[0].link.refusal = status_reply(403, "Forbidden")
    parts.elector.step()
    found = parts.probes.readiness()
    assert (found.ok, found.text) == (
        False,
        "not ready\nleader election: 403 Forbidden: Forbidden\n",
    )


@pytest.fixture
def served() -> Iterator[tuple[Parts, Monitoring]]:
    """A server on two free ports of loopback."""
    parts, metrics = Parts(), Metrics()
    metrics.measure_process()
    with Monitoring(
        application(metrics.registry, parts.probes), "127.0.0.1", (0, 0)
    ) as server:
        yield parts, server


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request(method, path)
    reply = connection.getresponse()
    try:
        return reply.status, reply.read().decode()
    finally:
        connection.close()


@pytest.mark.compat("operator.health")
def test_each_port_answers_all_paths(served: tuple[Parts, Monitoring]) -> None:
    """200 or 503 for probes; metrics as Prometheus reads them; else a hint."""
    parts, server = served
    assert len(set(server.ports)) == 2
    for port in server.ports:
        assert ask(port, "/healthz") == (200, "ok\n")
        assert ask(port, "/readyz?verbose") == (503, parts.probes.readiness().text)
        assert ask(port, "/healthz") == (200, "ok\n")
        status, text = ask(port, "/metrics")
        names = {family.name for family in text_string_to_metric_families(text)}
        assert status == 200
        assert {"process_resident_memory_bytes", "mpi_operator_jobs_created"} <= names
        assert ask(port, "/")[0] == 404
        assert ask(port, "/healthz", "POST")[0] == 405
    parts.rights.step()
    assert ask(server.ports[0], "/readyz") == (200, "ok\n")


def test_silent_clients_are_bounded(served: tuple[Parts, Monitoring]) -> None:
    """More than it serves at once are hung up on; it goes on when they have left."""
    _, server = served
    port = server.ports[0]
    threads = threading.active_count()
    silent = [socket.create_connection(("127.0.0.1", port)) for _ in range(CLIENTS + 8)]
    for one in silent[CLIENTS:]:
        one.settimeout(30)
        assert one.recv(1) == b""
    assert threading.active_count() <= threads + CLIENTS
    for one in silent:
        one.close()
    for _ in range(300):
        try:
            assert ask(port, "/healthz")[0] == 200
            break
        except (ConnectionError, http.client.HTTPException):
            threading.Event().wait(0.05)
    else:
        pytest.fail("it does not answer any more")


def test_a_client_that_breaks_off_is_no_traceback(
    served: tuple[Parts, Monitoring],
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Nothing is printed, and the next one is answered."""
    caplog.set_level("DEBUG", "mpiop.k8s.monitoring")
    port = served[1].ports[0]
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"GET /hea")
        at_once = struct.pack("ii", 1, 0)  # a reset instead of a good-bye
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    for _ in range(600):
        if "a client went away" in caplog.text:
            break
        threading.Event().wait(0.05)
    assert "a client went away" in caplog.text
    assert ask(port, "/healthz")[0] == 200
    assert capfd.readouterr().err == ""


def test_without_a_port_nothing_is_served() -> None:
    """As `--health-port=0` asks for."""
    with Monitoring(application(CollectorRegistry(), Parts().probes), "", ()) as server:
        assert server.ports == []


def test_a_machine_without_ipv6_is_served_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All addresses then are those of IPv4."""
    asked = []

    class WithoutSix(monitoring._Server):
        address_family = socket.AF_INET6

        def server_bind(self) -> None:
            raise OSError(97, "Address family not supported by protocol")

    class Here(monitoring._Server):
        def server_bind(self) -> None:
            asked.append(self.server_address[0])
            self.server_address = ("127.0.0.1", 0)  # tests stay on loopback
            super().server_bind()

    monkeypatch.setattr(monitoring, "_DualServer", WithoutSix)
    monkeypatch.setattr(monitoring, "_Server", Here)
    with Monitoring(application(CollectorRegistry(), Parts().probes), "", (0,)) as it:
        assert ask(it.ports[0], "/healthz")[0] == 200
    assert asked == [""]


def test_ipv6_is_served_where_there_is_some() -> None:
    """An address with colons is one of IPv6; where there is none, it is said."""
    app = application(CollectorRegistry(), Parts().probes)
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        with pytest.raises(SettingsError, match="cannot listen on ::1"):
            Monitoring(app, "::1", (0,))
        return
    with Monitoring(app, "::1", (0,)) as server:
        connection = http.client.HTTPConnection("::1", server.ports[0], timeout=30)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()


def test_a_port_that_is_taken_is_said() -> None:
    """With what to do about it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        app = application(CollectorRegistry(), Parts().probes)
        with pytest.raises(SettingsError, match=f"listen on 127.0.0.1:{port}"):
            Monitoring(app, "127.0.0.1", (0, port))


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """Read all samples, by name and label values."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
    }


def job(name: str, phase: str, attempt: int = 0) -> dict[str, object]:
    meta = {"name": name, "namespace": "ns", "uid": name, "resourceVersion": "1"}
    status = {"phase": phase, "recorded": {"attempt": attempt}}
    return {"metadata": meta, "status": status}


@pytest.mark.defect("D36")
def test_jobs_are_counted_by_phase_while_leading() -> None:
    """Each phase always has its series; a job's launcher is named until it ends."""
    store, metrics, leading = Store(), Metrics(), [True]
    jobs = [job("a", "LauncherRunning", 2), job("b", "Succeeded"), job("c", "Odd")]
    store.replace("MPIJob", [entry("MPIJob", one) for one in jobs], 1)
    metrics.watch(store, lambda: 3, lambda: 1.5, lambda: leading[0])
    found = samples(metrics)
    assert found["mpi_operator_jobs", ("LauncherRunning",)] == 1
    assert found["mpi_operator_jobs", ("Created",)] == 0
    assert found["mpi_operator_jobs", ("Unknown",)] == 1
    assert found["mpi_operator_job_info", ("a-launcher-r2", "ns")] == 1
    assert ("mpi_operator_job_info", ("b-launcher", "ns")) not in found
    assert found["mpi_operator_queue_depth", ()] == 3
    assert found["mpi_operator_queue_age_seconds", ()] == 1.5
    assert found["mpi_operator_is_leader", ()] == 1
    leading[0] = False
    found = samples(metrics)
    assert found["mpi_operator_is_leader", ()] == 0
    assert not any(name == "mpi_operator_jobs" for name, _ in found)


@pytest.mark.defect("D36")
def test_no_label_is_unbounded() -> None:
    """Thousands of jobs and namespaces make no more series than are promised."""
    store, metrics = Store(), Metrics()
    jobs = [job(f"j{n}", "Created") for n in range(limits.SHOWN_JOBS + 50)]
    store.replace("MPIJob", [entry("MPIJob", one) for one in jobs], 1)
    metrics.watch(store, lambda: 0, lambda: 0.0, lambda: True)
    for number in range(limits.NAMESPACES + 50):
        metrics.count(Count(events.JOBS_CREATED), f"ns-{number}")
    found = samples(metrics)
    assert found["mpi_operator_jobs", ("Created",)] == len(jobs)
    info = [key for key in found if key[0] == "mpi_operator_job_info"]
    assert len(info) == limits.SHOWN_JOBS
    name = "training_operator_jobs_created_total"
    assert len([key for key in found if key[0] == name]) == limits.NAMESPACES + 1
    assert found[name, (limits.OTHERS, "mpi")] == 50
    assert found["mpi_operator_jobs_created_total", ()] == limits.NAMESPACES + 50


@pytest.mark.compat("operator.metrics")
def test_upstreams_names_are_kept() -> None:
    """Dashboards of mpi-operator and of the Training Operator go on to work."""
    metrics = Metrics()
    for name in (
        events.JOBS_CREATED,
        events.JOBS_SUCCEEDED,
        events.JOBS_FAILED,
        events.JOBS_RESTARTED,
        events.JOBS_DELETED,
    ):
        metrics.count(Count(name), "ns")
    found = samples(metrics)
    for word in ("created", "successful", "failed"):
        assert found[f"mpi_operator_jobs_{word}_total", ()] == 1
    for word in ("created", "successful", "failed", "restarted", "deleted"):
        assert found[f"training_operator_jobs_{word}_total", ("ns", "mpi")] == 1


def conditions(**when: int) -> tuple[Condition, ...]:
    return tuple(
        Condition(name, "True", "R", "m", changed=START.replace(second=second))
        for name, second in when.items()
    )


def test_start_and_duration_are_measured_once() -> None:
    """With the status that says so; a retry is counted and measured no more."""
    fresh = Recorded(start_time=START, conditions=conditions(Created=0))
    running = Recorded(start_time=START, conditions=conditions(Created=0, Running=7))
    ended = Recorded(
        start_time=START,
        completion_time=START.replace(second=30),
        ruling=Ruling(succeeded=True, reason="R", message="m"),
        conditions=conditions(Created=0, Running=7, Succeeded=30),
    )
    again = Recorded(start_time=START, attempt=1, conditions=running.conditions)

    def counted(before: Recorded, after: Recorded) -> list[tuple[str, float]]:
        found = events.announce(before, after, JOB)
        return [(a.metric, a.amount) for a in found if isinstance(a, Count)]

    assert counted(fresh, running) == [(events.JOB_START, 7)]
    assert counted(running, running) == []
    assert counted(running, again) == [(events.JOBS_RESTARTED, 1)]
    assert counted(running, ended) == [
        (events.JOBS_SUCCEEDED, 1),
        (events.JOB_DURATION, 30),
    ]
    metrics = Metrics()
    metrics.count(Count(events.JOB_START, amount=7), "ns")
    metrics.count(Count(events.JOB_DURATION, {"result": "Failed"}, 30), "ns")
    found = samples(metrics)
    assert found["mpi_operator_job_start_seconds_sum", ()] == 7
    assert found["mpi_operator_job_duration_seconds_sum", ("Failed",)] == 30
