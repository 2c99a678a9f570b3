"""Turns what an API server refuses about a child into a finding for the next plan."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from mpiop.k8s.errors import ApiError, Forbidden, Invalid, NotFound
from mpiop.k8s.kinds import RESOURCES
from mpiop.k8s.ownership import Owner, explain
from mpiop.k8s.subject import Subject
from mpiop.reconcile.actions import Ref
from mpiop.reconcile.reading import text
from mpiop.reconcile.snapshot import Finding, FindingKind

# A webhook denies with whatever code it likes (400 where it names none), an admission
# policy with 422, and a webhook that cannot be reached is a 500: only the words tell.
# What admission says may change without the spec, so it is tried again.
_ADMISSION: Final = re.compile(
    r"admission webhook .* denied the request"
    r"|ValidatingAdmissionPolicy .* denied request"
    r"|failed calling webhook"
)

# What an API server says of RBAC, and of a right that is granted without being held.
_RIGHT: Final = re.compile(r" cannot \w+ resource |attempting to grant RBAC")
_COMPONENT: Final = (
    "; jobs over kubectl exec need the component kubectl-exec of the operator:"
    " install it, or set spec.remoteShell to SSH"
)


def judged(
    job: Subject, ref: Ref, call: Callable[[], Finding | None]
) -> Finding | None:
    """Turn a refusal of a child into a finding; a namespace that goes is no failure."""
    try:
        return call()
    except ApiError as error:
        if ref.kind != "MPIJob" and _ADMISSION.search(error.message):
            return finding(job, FindingKind.DENIED, ref, error.message)
        if _namespace_goes(error):
            return None
        kind = _KINDS.get(type(error))
        if kind is None or ref.kind == "MPIJob":
            raise
        return finding(job, kind, ref, f"{error.message}{_remedy(ref, error)}")


_KINDS: Final[Mapping[type[ApiError], FindingKind]] = {
    Invalid: FindingKind.REJECTED,
    Forbidden: FindingKind.DENIED,
}


def _remedy(ref: Ref, error: ApiError) -> str:
    """Name the component of the install that brings the right that is missing."""
    brought = RESOURCES[ref.kind].optional
    return _COMPONENT if brought and _RIGHT.search(error.message) else ""


def _namespace_goes(error: ApiError) -> bool:
    if isinstance(error, Forbidden):
        return error.namespace_terminating
    gone = isinstance(error, NotFound)
    return gone and text(error.details, "kind") == "namespaces"


def in_the_way(job: Subject, ref: Ref, owner: Owner) -> Finding:
    """Tell of an object that holds a child's name."""
    kind = FindingKind.FOREIGN if owner is Owner.FOREIGN else FindingKind.TAKEN
    return finding(job, kind, ref, explain(ref, owner))


def finding(job: Subject, kind: FindingKind, ref: Ref, message: str) -> Finding:
    """Note a lesson about the job's present generation."""
    return Finding(kind, ref, message, job.generation)
