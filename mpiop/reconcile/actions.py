"""The closed union of things that a plan can ask for, in the order it asks.

The executor carries out actions one after the other (neighbouring creates and
deletes side by side) and stops at the first failure; order is part of the decision.
"""

from collections.abc import Mapping
from typing import Literal

import attrs

from mpiop.reconcile.mpijob import Json

KindName = Literal[
    "MPIJob",
    "Pod",
    "Job",
    "Service",
    "ConfigMap",
    "Secret",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    # Each gang scheduler's own, named as kubectl tells them apart.
    "PodGroup.scheduling.volcano.sh",
    "PodGroup.scheduling.x-k8s.io",
    "PodGroup.scheduling.k8s.io",
]


@attrs.frozen
class Ref:
    """Names one object."""

    kind: KindName
    namespace: str
    name: str


@attrs.frozen
class Create:
    """Create the manifest. AlreadyExists leads to one live GET (design 5.3)."""

    ref: Ref
    manifest: Json = attrs.field(eq=False)


@attrs.frozen
class CreateSSHSecret:
    """Create the ssh Secret; the executor makes the key. AlreadyExists is success."""

    ref: Ref
    manifest: Json = attrs.field(eq=False)


@attrs.frozen
class CreateLauncher:
    """Create, or resume, a launcher Job after the live reads that make it the only one.

    Before the write the executor reads the MPIJob (same uid, no verdict, `attempt`
    as recorded, not suspended unless `suspended`) and the Pods with this job-uid and
    role launcher (none that is not terminal). Any mismatch sends nothing.

    Attributes:
        manifest: the Job to create, or None to resume the existing one.
        resume: merge patch that unsuspends the existing Job, or None.
        reset: clear the Job's startTime first: servers before 1.35 or so keep it while
            the Job is suspended, and let no directive of a started Job be changed.
    """

    ref: Ref
    job_uid: str
    attempt: int
    suspended: bool
    manifest: Json | None = attrs.field(default=None, eq=False)
    resume: Json | None = attrs.field(default=None, eq=False)
    resource_version: str = ""
    reset: bool = False


@attrs.frozen
class Adopt:
    """Label a child of the job that an operator before this one made.

    So it enters the cache. A launcher Job loses its ttl: it is the job's memory.

    Attributes:
        owner: uid that its controller reference must have still.
    """

    ref: Ref
    owner: str
    labels: Mapping[str, str] = attrs.field(eq=False)


@attrs.frozen
class Patch:
    """Merge-patch an own child at exactly this resourceVersion."""

    ref: Ref
    patch: Json = attrs.field(eq=False)
    resource_version: str = ""


@attrs.frozen
class Delete:
    """Delete an own child with its uid as precondition; NotFound is success.

    Attributes:
        grace_seconds: None for the object's own grace period.
    """

    ref: Ref
    uid: str
    resource_version: str = ""
    grace_seconds: int | None = None


@attrs.frozen
class PatchStatus:
    """Merge-patch the MPIJob's status at exactly this resourceVersion."""

    ref: Ref
    patch: Json = attrs.field(eq=False)
    resource_version: str = ""


@attrs.frozen
class EmitEvent:
    """Record an Event about the MPIJob; losing one is not a failure."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@attrs.frozen
class Count:
    """Add to a metric; labels are bounded.

    Attributes:
        amount: one more of something, or how long it took in seconds.
    """

    metric: str
    labels: Mapping[str, str] = attrs.field(factory=dict, eq=False)
    amount: float = attrs.field(default=1.0, eq=False)


Action = (
    Create
    | CreateSSHSecret
    | CreateLauncher
    | Adopt
    | Patch
    | Delete
    | PatchStatus
    | EmitEvent
    | Count
)


@attrs.frozen
class LookLog:
    """Ask for the last lines of a container's log before deciding."""

    pod: str
    container: str
    lines: int = 5


@attrs.frozen
class LookEvents:
    """Ask for the newest Warning Event about an object (by its uid)."""

    ref: Ref
    uid: str


@attrs.frozen
class LookKilled:
    """Ask whom a kubelet has told to stop, and when: its Events outlive the Pod.

    Answered by a line each, oldest first: Pod, its uid, time (RFC 3339), node.

    Attributes:
        pods: what the Pods' names begin with.
        container: whose stop is meant.
    """

    namespace: str
    pods: str
    container: str


@attrs.frozen
class LookPriority:
    """Ask for the value of a PriorityClass."""

    name: str


@attrs.frozen
class LookInherited:
    """Ask for Pods and a launcher Job of the job that lack our labels.

    Answered by a line each: kind, name, uid of the controller reference.
    """

    namespace: str
    job: str
    uid: str


Look = LookLog | LookEvents | LookKilled | LookPriority | LookInherited


@attrs.frozen
class Plan:
    """What to do next.

    Attributes:
        actions: in order; empty means that the cluster matches.
        requeue_after: seconds until a clock of the job matters, None to wait for a
            change.
        looks: live reads whose answers the next planning (at once) wants; the
            actions are still carried out where there are no looks only.
    """

    actions: tuple[Action, ...] = ()
    requeue_after: float | None = None
    looks: tuple[Look, ...] = ()
