"""Turns what an API server refuses about a child into a finding for the next plan."""

import re
from collections.abc import Callable
from typing import Final

from mpiop.k8s.errors import Forbidden, Invalid, NotFound, ServerError
from mpiop.k8s.ownership import Owner, explain
from mpiop.k8s.subject import Subject
from mpiop.reconcile.actions import Ref
from mpiop.reconcile.reading import text
from mpiop.reconcile.snapshot import Finding, FindingKind

# A webhook denies with whatever code it likes (400 where it names none), an admission
# policy with 422, and one that cannot be reached is a 500: only the words are the same.
# What admission says may change without the spec, so it is tried again.
_ADMISSION: Final = re.compile(
    r"admission webhook .* denied the request"
    r"|ValidatingAdmissionPolicy .* denied request"
    r"|failed calling webhook"
)


def judged(
    job: Subject, ref: Ref, call: Callable[[], Finding | None]
) -> Finding | None:
    """Turn a refusal of a child into a finding; a namespace that goes is no failure."""
    try:
        return call()
    except (Invalid, ServerError) as error:
        if ref.kind == "MPIJob":
            raise
        if _ADMISSION.search(error.message):
            return finding(job, FindingKind.DENIED, ref, error.message)
        if isinstance(error, ServerError):
            raise
        return finding(job, FindingKind.REJECTED, ref, error.message)
    except Forbidden as error:
        if error.namespace_terminating:
            return None
        if ref.kind == "MPIJob":
            raise
        return finding(job, FindingKind.DENIED, ref, error.message)
    except NotFound as error:
        if text(error.details, "kind") == "namespaces":
            return None
        raise


def in_the_way(job: Subject, ref: Ref, owner: Owner) -> Finding:
    """Tell of an object that holds a child's name."""
    kind = FindingKind.FOREIGN if owner is Owner.FOREIGN else FindingKind.TAKEN
    return finding(job, kind, ref, explain(ref, owner))


def finding(job: Subject, kind: FindingKind, ref: Ref, message: str) -> Finding:
    """Note a lesson about the job's present generation."""
    return Finding(kind, ref, message, job.generation)
