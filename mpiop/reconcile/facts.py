"""One job as seen at one moment, sorted out: what is ours, what is this attempt's.

Everything here is a selection from the snapshot; policies and status ask it instead
of walking lists of Pods themselves.
"""

from collections.abc import Mapping
from datetime import datetime

import attrs

from mpiop.reconcile import names
from mpiop.reconcile.digest import digest
from mpiop.reconcile.gang import API_VERSIONS, Gang, gang
from mpiop.reconcile.mpijob import Install, MPIJob
from mpiop.reconcile.recorded import Identity, Recorded
from mpiop.reconcile.snapshot import Finding, FindingKind, Snapshot
from mpiop.reconcile.views import ChildView, JobView, PodView


@attrs.frozen
class Facts:
    """What the policies look at.

    Attributes:
        jobs: own launcher Jobs of every attempt, by attempt.
        launchers: launcher Pods of every attempt, newest last.
        workers: own worker Pods by index, those on their way out left aside.
        leaving: worker Pods with a deletionTimestamp, which still hold their names.
        surplus: own worker Pods beyond the replicas asked for.
        gang: the scheduler that places the Pods together; None where the installation
            has none, or what lives of the job began without it.
    """

    snapshot: Snapshot
    job: MPIJob
    recorded: Recorded
    now: datetime
    jobs: Mapping[int, JobView]
    launchers: tuple[PodView, ...]
    workers: Mapping[int, PodView]
    leaving: tuple[PodView, ...]
    surplus: tuple[PodView, ...]
    gang: Gang | None = None

    @property
    def install(self) -> Install:
        """What the installation fixes, as far as it is for this job."""
        install = self.snapshot.install
        if self.gang is None and install.gang_scheduler:
            return attrs.evolve(install, gang_scheduler="")
        return install

    @property
    def attempt(self) -> int:
        """The attempt that counts: recorded, or that of the newest launcher Job."""
        return max(self.recorded.attempt, *self.jobs, 0)

    @property
    def launcher_job(self) -> JobView | None:
        """This attempt's launcher Job."""
        return self.jobs.get(self.attempt)

    @property
    def launcher(self) -> PodView | None:
        """This attempt's newest launcher Pod."""
        mine = [pod for pod in self.launchers if pod.attempt == self.attempt]
        return mine[-1] if mine else None

    @property
    def launcher_alive(self) -> PodView | None:
        """A launcher Pod, of whichever attempt, in which something may run."""
        return next((pod for pod in self.launchers if not pod.terminal), None)

    @property
    def bare_launcher(self) -> PodView | None:
        """This attempt's launcher where it is a Pod without a Job: v1's, inherited."""
        pod = self.launcher
        bare = pod is not None and pod.owner == self.job.uid
        return pod if bare and self.launcher_job is None else None

    @property
    def launcher_finished(self) -> datetime | None:
        """When the launcher's process ended; failing that, its Job."""
        job, pod = self.launcher_job, self.launcher
        found = pod.ended.finished if pod and pod.ended else None
        return found or (job.ended if job else None)

    @property
    def launcher_inherited(self) -> bool:
        """Whether an operator before this one made this attempt's launcher."""
        job, pod = self.launcher_job, self.launcher
        return bool((job and job.inherited) or (pod and pod.inherited))

    @property
    def launcher_started(self) -> bool:
        """Whether the launcher's main container has started in this attempt."""
        pod = self.launcher
        seen = pod is not None and pod.started and pod.deleted is None
        return seen or self.recorded.identity is not None

    @property
    def ready(self) -> int:
        """Number of workers that are ready."""
        return sum(1 for pod in self.workers.values() if pod.ready)

    @property
    def workers_ready(self) -> bool:
        """Whether every worker that the spec asks for is ready."""
        return self.ready >= self.job.worker_replicas

    @property
    def finished(self) -> bool:
        """Whether the verdict is recorded."""
        return self.recorded.ruling is not None

    def others(self, kind: str) -> tuple[ChildView, ...]:
        """Own children of a kind that is neither Pod nor Job."""
        return tuple(
            child
            for child in self.snapshot.others
            if child.kind == kind and child.owner == self.job.uid
        )

    @property
    def pod_group(self) -> ChildView | None:
        """The job's own PodGroup."""
        kinds = [kind for kind in API_VERSIONS if self.gang is not None]
        return next((one for kind in kinds for one in self.others(kind)), None)

    def found(self, kind: FindingKind) -> tuple[Finding, ...]:
        """Findings of one kind about this generation."""
        return tuple(
            finding
            for finding in self.snapshot.findings
            if finding.kind is kind and finding.generation == self.job.generation
        )

    def identity(
        self, count: int, gone: Mapping[int, str] | None = None
    ) -> Identity | None:
        """Identify workers 0..count-1; None where one of them is not known.

        Args:
            count: how many.
            gone: uid, by index, of those that are gone and never restarted.
        """
        known = {index: f"{uid} 0" for index, uid in (gone or {}).items()}
        known |= {i: f"{pod.uid} {pod.restarts}" for i, pod in self.workers.items()}
        if not known.keys() >= set(range(count)):
            return None
        who = [f"{index} {known[index]}" for index in range(count)]
        return Identity(count, digest("\n".join(who)))

    def since(self, when: datetime | None) -> float:
        """Seconds from a time until now; 0 where there is no time."""
        return 0.0 if when is None else (self.now - when).total_seconds()


def sort_out(
    snapshot: Snapshot, job: MPIJob, recorded: Recorded, now: datetime
) -> Facts:
    """Select what is ours from a snapshot.

    A worker or a launcher Job is ours by the uid in its controller ownerReference. A
    launcher Pod is ours through its Job, or by its job-uid when the Job is gone.
    """
    jobs = {view.attempt: view for view in snapshot.jobs if view.owner == job.uid}
    pods = [pod for pod in snapshot.pods if pod.job_uid == job.uid]
    mine = [p for p in pods if p.role == names.WORKER and p.owner == job.uid]
    staying = [pod for pod in mine if pod.deleted is None]
    replicas = job.worker_replicas
    owners = {view.uid for view in jobs.values()}
    gone = {pod.owner for pod in pods} - {view.uid for view in snapshot.jobs}
    facts = Facts(
        snapshot=snapshot,
        job=job,
        recorded=recorded,
        now=now,
        jobs=jobs,
        launchers=tuple(
            sorted(
                (
                    pod
                    for pod in pods
                    if pod.role == names.LAUNCHER and pod.owner in owners | gone
                ),
                key=_age,
            )
        ),
        workers={pod.index: pod for pod in staying if 0 <= pod.index < replicas},
        leaving=tuple(
            sorted((pod for pod in mine if pod.deleted is not None), key=_index)
        ),
        surplus=tuple(pod for pod in staying if pod.index >= replicas),
    )
    return attrs.evolve(facts, gang=_gang(facts))


def _gang(facts: Facts) -> Gang | None:
    """Find the gang scheduler for what is to come.

    A Pod of the gang next to Pods that are none of it would wait for them for ever.
    """
    found = gang(facts.snapshot.install.gang_scheduler)
    if found is None:
        return None
    job, launcher = facts.launcher_job, facts.launcher_alive
    living = [pod.gang for pod in facts.workers.values() if not pod.terminal]
    living += [launcher.gang] if launcher is not None else []
    if job is not None and not (job.terminal or job.deleted):
        living.append(job.gang)
    return found if all(kind is found.kind for kind in living) else None


def _index(pod: PodView) -> tuple[int, str]:
    return pod.index, pod.uid


def _age(pod: PodView) -> tuple[int, float, bool, str]:
    created = pod.created.timestamp() if pod.created else 0.0
    return pod.attempt, created, pod.deleted is None, pod.name
