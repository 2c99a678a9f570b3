"""All that was seen of one job, taken once: the plan's only input beside the time."""

from collections.abc import Mapping
from enum import StrEnum

import attrs

from mpiop.reconcile.actions import KindName, Look, Ref
from mpiop.reconcile.mpijob import Install, Json
from mpiop.reconcile.views import ChildView, JobView, PodView


class FindingKind(StrEnum):
    """What a write taught the shell that no watch shows."""

    REJECTED = "Rejected"  # 400, 413, 422: this spec cannot be carried out
    FOREIGN = "Foreign"  # the name belongs to an object that is not ours
    TAKEN = "Taken"  # an older incarnation still holds the name
    DENIED = "Denied"  # 403: quota, Pod Security, a webhook, a missing right
    WARNED = "Warned"  # the API server accepted it with a warning


@attrs.frozen
class Finding:
    """One such lesson, about one object; kept by the shell until it is outdated.

    Attributes:
        generation: the MPIJob's generation when it was learnt.
    """

    kind: FindingKind
    ref: Ref
    message: str
    generation: int


@attrs.frozen
class Snapshot:
    """The job, its children and what else is known.

    Children are those that carry the job's uid in the label `mpiop/job-uid`; whether
    they are owned is judged by their controller ownerReference, here, not in the shell.

    Attributes:
        manifest: the MPIJob as the API server has it.
        pods: workers and launchers; `launcher Pods` are owned by a launcher Job.
        findings: oldest first.
        unserved: kinds that the API server does not know, though they are wanted.
        answers: per look, what the live read gave; None where the right is missing.
    """

    manifest: Json
    install: Install = attrs.field(factory=Install)
    pods: tuple[PodView, ...] = ()
    jobs: tuple[JobView, ...] = ()
    others: tuple[ChildView, ...] = ()
    findings: tuple[Finding, ...] = ()
    unserved: frozenset[KindName] = frozenset()
    answers: Mapping[Look, str | None] = attrs.field(factory=dict)
