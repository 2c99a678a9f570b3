"""Words for how containers end, and which ends no retry can mend.

PERMANENT is a table of implementation, exit code and a line of the log; each row is
from a recorded run (docs/operations.md repeats it).
"""

from collections.abc import Sequence
from typing import Final

import attrs

from mpiop.reconcile.mpijob import MPIImplementation
from mpiop.reconcile.pod_status import Ended
from mpiop.reconcile.views import PodView

ANY: Final = None
SHOWN: Final = 3


@attrs.frozen
class Row:
    """One cause that cannot go away by itself.

    Attributes:
        code: the launcher's exit code, or ANY.
        line: a part of its last lines; "" where the code alone tells.
    """

    implementation: MPIImplementation | None
    code: int | None
    line: str
    reason: str
    remedy: str


_FIND: Final = "check the command, and that the image has the program on PATH"
PERMANENT: Final = (
    Row(MPIImplementation.OPEN_MPI, 183, "", "ProgramNotFound", _FIND),
    Row(
        MPIImplementation.OPEN_MPI,
        213,  # any failure that mpirun has put into words
        "overload-allowed",  # what it advises then
        "BindingImpossible",
        "lower slotsPerWorker to the cores of a worker, or pass --bind-to none",
    ),
    Row(
        MPIImplementation.OPEN_MPI,
        1,
        "not enough slots",
        "SlotsExceeded",
        "lower -np, or raise slotsPerWorker or Worker.replicas",
    ),
    Row(
        MPIImplementation.OPEN_MPI,
        1,
        "running as root",
        "RootRefused",
        "pass --allow-run-as-root, or set OMPI_ALLOW_RUN_AS_ROOT=1 and"
        " OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
    ),
)
_NOT_STARTED: Final = {"StartError", "ContainerCannotRun", "RunContainerError"}
_SIGNALS: Final = {
    1: "SIGHUP",
    2: "SIGINT",
    6: "SIGABRT",
    7: "SIGBUS",
    9: "SIGKILL",
    11: "SIGSEGV",
    15: "SIGTERM",
}
_SIGNALLED: Final = 128


def permanent(
    implementation: MPIImplementation, ended: Ended, tail: str
) -> tuple[str, str] | None:
    """Name reason and remedy of an end that no retry can mend; None for others."""
    if ended.reason in _NOT_STARTED:
        return "ProgramNotFound", f"{ended.message}; {_FIND}".lstrip("; ")
    for row in PERMANENT:
        if row.implementation not in {ANY, implementation}:
            continue
        if row.code == ended.exit_code and row.line in tail:
            return row.reason, row.remedy
    return None


def describe(ended: Ended) -> str:
    """Say how a container ended: exit code, signal, OOM."""
    number = ended.signal or max(ended.exit_code - _SIGNALLED, 0)
    said = f"exit code {ended.exit_code}"
    if number in _SIGNALS:
        said += f", {_SIGNALS[number]}"
    if ended.reason not in {"", "Error", "Completed"}:
        said += f", {ended.reason}"
    return said


def listed(found: Sequence[str]) -> str:
    """Name at most three of many, and how many more there are."""
    more = len(found) - SHOWN
    shown = ", ".join(found[:SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown


def whereabouts(pod: PodView) -> str:
    """Name a Pod with its node."""
    return f"{pod.name} on node {pod.node}" if pod.node else pod.name


def trouble(pod: PodView) -> str:
    """Say what is wrong with a Pod, "" where nothing is."""
    if pod.disruption:
        return f"{whereabouts(pod)} is disrupted ({pod.disruption})"
    if pod.deleted is not None:
        return f"{whereabouts(pod)} is being deleted"
    if pod.terminal or (pod.ended is not None and not pod.ready):
        return f"{whereabouts(pod)} has ended ({_how(pod)})"
    if pod.waiting:
        return f"{whereabouts(pod)}: {pod.waiting}"
    if pod.unschedulable and not pod.node:
        return f"{pod.name} is not scheduled ({pod.unschedulable})"
    return ""


def _how(pod: PodView) -> str:
    """Say how a Pod ended, in words of its kubelet where there are some."""
    whole = f"{pod.reason}: {pod.message}".rstrip(": ") if pod.reason else ""
    parts = (describe(pod.ended) if pod.ended else "", whole)
    return "; ".join(filter(None, parts)) or pod.phase
