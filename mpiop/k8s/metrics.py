"""What the operator counts; names begin as upstream's do, labels are bounded."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final

from prometheus_client import (
    GC_COLLECTOR,
    PLATFORM_COLLECTOR,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
)
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mpiop.k8s.store import Store
from mpiop.reconcile import events, names
from mpiop.reconcile.actions import Count
from mpiop.reconcile.reading import integer, text
from mpiop.states import VERDICTS, Phase

PREFIX: Final = "mpi_operator"
BUCKETS: Final = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0)
STARTS: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
LIVES: Final = (1.0, 10.0, 60.0, 600.0, 3600.0, 21600.0, 86400.0, 604800.0)
SHOWN_JOBS: Final = 1000  # series of job_info, at most
NAMESPACES: Final = 200  # label values of the Training Operator's counters, at most
OTHERS: Final = "_others"
UNKNOWN: Final = "Unknown"
_COUNTED: Final = {
    events.JOBS_CREATED: ("created", "MPIJobs that were taken on."),
    events.JOBS_SUCCEEDED: ("successful", "MPIJobs that succeeded."),
    events.JOBS_FAILED: ("failed", "MPIJobs that failed."),
    events.JOBS_RESTARTED: ("restarted", "Attempts after a job's first."),
    events.JOBS_DELETED: ("deleted", "MPIJobs that were deleted."),
}


class Metrics:
    """One operator's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counters = _counters(self.registry)
        self._trained = _training_operator(self.registry)
        self._namespaces: set[str] = set()
        self._start = self._histogram(
            events.JOB_START, STARTS, "Time from a job's start to its launcher's."
        )
        self._lives = self._histogram(
            events.JOB_DURATION, LIVES, "Time from start to verdict.", "result"
        )
        self._reconciles = self._histogram(
            "reconcile_seconds", BUCKETS, "Time that a reconcile took.", "outcome"
        )
        self._requests = Counter(
            f"{PREFIX}_api_requests",
            "Requests to the API server; code 0 where no answer came.",
            ["verb", "kind", "code"],
            registry=self.registry,
        )
        self._answers = lru_cache(maxsize=256)(self._requests.labels)
        self._restarts = Counter(
            f"{PREFIX}_watch_restarts",
            "Watches that ended and were opened again.",
            ["kind"],
            registry=self.registry,
        )

    def watch(
        self,
        store: Store,
        depth: Callable[[], int],
        age: Callable[[], float],
        leading: Callable[[], bool],
    ) -> None:
        """Show what is cached and what waits, as it is when somebody asks."""
        self._gauge("queue_depth", "Jobs that wait for a worker thread.", depth)
        self._gauge("queue_age_seconds", "Wait of the job that waits longest.", age)
        self._gauge("is_leader", "Whether this replica writes.", leading)
        self.registry.register(_Jobs(store, leading))

    def measure_process(self) -> None:
        """Add memory, CPU and the like of this process."""
        ProcessCollector(registry=self.registry)
        for collector in (PLATFORM_COLLECTOR, GC_COLLECTOR):
            self.registry.register(collector)

    def count(self, action: Count, namespace: str) -> None:
        """Add to the metric that a plan names."""
        match action.metric:
            case events.JOB_START:
                self._start.observe(action.amount)
            case events.JOB_DURATION:
                self._lives.labels(action.labels["result"]).observe(action.amount)
            case _:
                self._counters[action.metric].inc()
                self._trained[action.metric].labels(self._bound(namespace), "mpi").inc()

    def request(self, verb: str, kind: str, code: int) -> None:
        """Count an answer of the API server."""
        self._answers(verb, kind, str(code)).inc()

    def restart(self, kind: str) -> None:
        """Count a watch that is opened again."""
        self._restarts.labels(kind).inc()

    def reconciled(self, outcome: str, seconds: float) -> None:
        """Note how a reconcile ended and how long it took."""
        self._reconciles.labels(outcome).observe(seconds)

    def _bound(self, namespace: str) -> str:
        if namespace not in self._namespaces and len(self._namespaces) >= NAMESPACES:
            return OTHERS
        self._namespaces.add(namespace)
        return namespace

    def _gauge(self, name: str, told: str, now: Callable[[], float]) -> None:
        gauge = Gauge(f"{PREFIX}_{name}", told, registry=self.registry)
        gauge.set_function(now)

    def _histogram(
        self, name: str, buckets: tuple[float, ...], told: str, *labels: str
    ) -> Histogram:
        return Histogram(
            f"{PREFIX}_{name}", told, labels, buckets=buckets, registry=self.registry
        )


class _Jobs(Collector):
    """The jobs that are cached, while this replica leads."""

    def __init__(self, store: Store, leading: Callable[[], bool]) -> None:
        self._store = store
        self._leading = leading

    def describe(self) -> Iterable[Metric]:
        return list(_families())

    def collect(self) -> Iterator[Metric]:
        """Count jobs by phase, and name the launchers of those that go on."""
        phases, info = _families()
        if not self._leading():
            return
        tally = Tally[str](dict.fromkeys([*Phase, UNKNOWN], 0))
        shown = 0
        for key in self._store.keys():  # noqa: SIM118 (its own method)
            job = self._store.job(key)
            phase = text(job, "status", "phase")
            tally[phase if phase in set(Phase) else UNKNOWN] += 1
            if phase in _ENDED or not phase or shown >= SHOWN_JOBS:
                continue
            shown += 1
            attempt = integer(job, "status", "recorded", "attempt")
            info.add_metric([names.launcher_job(key.name, attempt), key.namespace], 1.0)
        for phase, number in tally.items():
            phases.add_metric([phase], number)
        yield phases
        yield info


_ENDED: Final = frozenset({*VERDICTS, Phase.CLEANED})


def _families() -> tuple[GaugeMetricFamily, GaugeMetricFamily]:
    return (
        GaugeMetricFamily(f"{PREFIX}_jobs", "MPIJobs by phase.", labels=["phase"]),
        GaugeMetricFamily(
            f"{PREFIX}_job_info",
            "Launcher Jobs of MPIJobs that have not ended.",
            labels=["launcher", "namespace"],
        ),
    )


def _counters(registry: CollectorRegistry) -> dict[str, Counter]:
    return {
        name: Counter(f"{PREFIX}_{name}", told, registry=registry)
        for name, (_, told) in _COUNTED.items()
    }


def _training_operator(registry: CollectorRegistry) -> dict[str, Counter]:
    """Count under the Training Operator's names as well."""
    return {
        name: Counter(
            f"training_operator_jobs_{word}",
            told,
            ["job_namespace", "framework"],
            registry=registry,
        )
        for name, (word, told) in _COUNTED.items()
    }
