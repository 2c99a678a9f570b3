"""What has been seen of one job's life so far, and what of it is worth a line."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from mpiop.cli.feed import Seen
from mpiop.cli.ranks import Ranks
from mpiop.cli.timeline import Activity, Timeline, activity
from mpiop.reconcile import names
from mpiop.reconcile.attempts import remote_starts
from mpiop.reconcile.mpijob import Json, MPIJob
from mpiop.reconcile.reading import dig, integer, text
from mpiop.reconcile.views import PodView, pod_view
from mpiop.states import VERDICTS, Phase

_SLOTS: Final = re.compile(r"(?:^|\s)(?:-np|--np|-n)[\s=]+(\d+)(?=\s|$)")


@attrs.define
class Story:
    """One job as its user watches it.

    Attributes:
        begin: when the job was created, on the feed's clock.
        pods: last seen of each Pod that is there, by uid.
        launchers: last seen of every launcher Pod, oldest first.
    """

    job: MPIJob
    begin: float
    manifest: Json = attrs.field(factory=dict)
    pods: dict[str, PodView] = attrs.field(factory=dict)
    launchers: dict[str, PodView] = attrs.field(factory=dict)
    hosts: dict[str, str] = attrs.field(factory=dict)
    ranks: Ranks = attrs.field(factory=Ranks)
    phases: list[tuple[float, str]] = attrs.field(factory=list)
    gone: bool = False
    timeline: Timeline = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.timeline = Timeline(self.begin)

    def see(self, seen: Seen) -> Iterator[str]:
        """Take in a change; yield what a user should read about it."""
        if seen.kind == "Pod":
            self._see_pod(seen)
        elif seen.gone:
            self.gone = True
            yield "the MPIJob was deleted"
        else:
            yield from self._see_job(seen)
        self.timeline.turn(seen.at, activity(self.pods.values()))

    def close(self, at: float) -> None:
        """End the account of time where the watching ends."""
        self.timeline.turn(at, activity(self.pods.values()))

    @property
    def phase(self) -> str:
        """The phase last seen, "" before the first."""
        return text(self.manifest, "status", "phase")

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen to the job by itself."""
        keeps = self.job.run_policy.clean_pod_policy == "None"
        return (
            self.gone
            or self.phase == Phase.CLEANED
            or (keeps and self.phase in VERDICTS)
        )

    @property
    def launcher(self) -> PodView | None:
        """The newest launcher Pod, also when it is gone."""
        return next(reversed(self.launchers.values()), None)

    @property
    def mpirun_runs(self) -> bool:
        """Whether ranks may be running now."""
        return activity(self.pods.values()) is Activity.MPIRUN

    @property
    def succeeded(self) -> bool:
        """Whether the verdict is a success that can be believed."""
        return text(self.manifest, "status", "result") == "Succeeded"

    @property
    def exit_code(self) -> int:
        """The job's: 0 for a success, else the launcher's own, 1 where it has none."""
        if self.succeeded:
            return 0
        end = self.launcher.ended if self.launcher else None
        return (end.exit_code if end else 0) or 1

    @property
    def hosts_started(self) -> tuple[str, ...]:
        """Pods in which the last launcher started processes, as it recorded."""
        named = {f"worker-{i}": i for i in range(self.job.worker_replicas)}
        found, _ = remote_starts(self.launcher)
        workers = sorted(named[host] for host in found if host in named)
        others = (self.hosts.get(host, host) for host in found if host not in named)
        return (*others, *(names.worker(self.job.name, index) for index in workers))

    @property
    def rank_map(self) -> Mapping[int, str]:
        """Pod of each rank where all are known exactly, else empty."""
        exact = self.ranks.exact()
        return {rank: self.hosts.get(host, host) for rank, host in exact.items()}

    @property
    def slots_asked(self) -> int | None:
        """What mpirun was asked for; None where nobody said."""
        exact = len(self.ranks.exact())
        return exact or _asked(self.job.launcher.template)

    @property
    def slots_given(self) -> int:
        """What the hostfile offers."""
        hosts = self.job.worker_replicas + self.job.run_launcher_as_worker
        return (hosts or 1) * self.job.slots_per_worker

    def _see_pod(self, seen: Seen) -> None:
        pod = pod_view(seen.manifest)
        host = text(seen.manifest, "spec", "hostname") or pod.name
        self.hosts[host] = pod.name
        if pod.role == names.LAUNCHER:
            if pod.uid not in self.launchers:
                self.ranks.restart()
            self.launchers[pod.uid] = pod
        if seen.gone:
            self.pods.pop(pod.uid, None)
        else:
            self.pods[pod.uid] = pod

    def _see_job(self, seen: Seen) -> Iterator[str]:
        before, self.manifest = self.manifest, seen.manifest
        old = text(before, "status", "phase")
        if self.phase != old:
            self.phases.append((seen.at, self.phase))
            yield f"phase: {old} -> {self.phase}" if old else f"phase: {self.phase}"
        if not text(self.manifest, "status", "result"):
            for field in ("reason", "message"):
                said = text(self.manifest, "status", field)
                if said and said != text(before, "status", field):
                    yield f"{field}: {said}"
        attempt = integer(self.manifest, "status", "restarts")
        if attempt > integer(before, "status", "restarts"):
            yield f"attempt {attempt + 1} begins"
        known = set(_warnings(before))
        for warning in _warnings(self.manifest):
            if warning not in known:
                yield f"warning: {warning}"


def _warnings(manifest: Json) -> list[str]:
    found = dig(manifest, "status", "recorded", "warnings")
    return [str(one) for one in found] if isinstance(found, list) else []


def _asked(template: Json) -> int | None:
    """Read -np out of the launcher's command line, where it is written there."""
    containers = dig(template, "spec", "containers")
    first = containers[0] if isinstance(containers, list) and containers else {}
    words: list[str] = []
    for field in ("command", "args"):
        found = dig(first, field)
        words += [str(word) for word in found] if isinstance(found, list) else []
    match = _SLOTS.search(" ".join(words))
    return int(match[1]) if match else None
