"""The phases that a user sees, and what is true in each."""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """One word for where an MPIJob stands."""

    CREATED = "Created"
    WORKERS_READY = "WorkersReady"
    LAUNCHER_RUNNING = "LauncherRunning"
    SUSPENDED = "Suspended"
    INVALID = "Invalid"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CLEANED = "Cleaned"


LIVE: Final = (
    Phase.CREATED,
    Phase.WORKERS_READY,
    Phase.LAUNCHER_RUNNING,
    Phase.SUSPENDED,
    Phase.INVALID,
)
VERDICTS: Final = (Phase.SUCCEEDED, Phase.FAILED)
TERMINAL: Final = Phase.CLEANED

MEANING: Final = {
    Phase.CREATED: "accepted; children are being made, not every worker is ready",
    Phase.WORKERS_READY: "every worker is ready; the launcher has not started",
    Phase.LAUNCHER_RUNNING: "the launcher's main container has started",
    Phase.SUSPENDED: "`suspend` is set; no Pod is left, or all are going",
    Phase.INVALID: "the spec cannot be carried out; waiting for another",
    Phase.SUCCEEDED: "the verdict is recorded: the launcher ended well",
    Phase.FAILED: "the verdict is recorded: no attempt is left, or time is up",
    Phase.CLEANED: "after the verdict, all that cleanPodPolicy removes is gone",
}
