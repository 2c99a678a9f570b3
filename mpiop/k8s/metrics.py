"""What the operator counts; names begin as upstream's do, labels are bounded."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PREFIX: Final = "mpi_operator"
BUCKETS: Final = (0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 60.0)


class Metrics:
    """One operator's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._jobs = {
            name: Counter(f"{PREFIX}_{name}", text, registry=self.registry)
            for name, text in {
                "jobs_created": "MPIJobs that were taken on.",
                "jobs_successful": "MPIJobs that succeeded.",
                "jobs_failed": "MPIJobs that failed.",
            }.items()
        }
        self._reconciles = Histogram(
            f"{PREFIX}_reconcile_seconds",
            "Time that a reconcile took, writes included, by how it ended.",
            ["outcome"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._requests = Counter(
            f"{PREFIX}_api_requests",
            "Requests to the API server; code 0 where no answer came.",
            ["verb", "kind", "code"],
            registry=self.registry,
        )
        self._restarts = Counter(
            f"{PREFIX}_watch_restarts",
            "Watches that ended and were opened again.",
            ["kind"],
            registry=self.registry,
        )
        self.queue_depth = Gauge(
            f"{PREFIX}_queue_depth",
            "Jobs that wait for a worker thread.",
            registry=self.registry,
        )

    def count(self, metric: str, labels: Mapping[str, str]) -> None:
        """Add one to a metric that a plan names."""
        counter = self._jobs[metric]
        (counter.labels(**labels) if labels else counter).inc()

    def request(self, verb: str, kind: str, code: int) -> None:
        """Count an answer of the API server."""
        self._requests.labels(verb, kind, str(code)).inc()

    def restart(self, kind: str) -> None:
        """Count a watch that is opened again."""
        self._restarts.labels(kind).inc()

    def reconciled(self, outcome: str, seconds: float) -> None:
        """Note how a reconcile ended and how long it took."""
        self._reconciles.labels(outcome).observe(seconds)
