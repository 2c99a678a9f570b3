"""One predicate an edge, named as the fact that it tests.

The guards of the live phases exclude one another, so the order of their edges
decides nothing; only the verdicts come first.
"""

from mpiop.states.observation import Observation, Verdict


def succeeded(seen: Observation) -> bool:
    """The job ended well."""
    return seen.verdict is Verdict.SUCCEEDED


def failed(seen: Observation) -> bool:
    """The job ended, and not well."""
    return seen.verdict is Verdict.FAILED


def suspended(seen: Observation) -> bool:
    """The user, or a queue, wants it to hold no Pods."""
    return seen.suspended


def refused(seen: Observation) -> bool:
    """The spec cannot be carried out and no launcher runs on an older one."""
    return not seen.suspended and seen.refused and not seen.launcher_started


def launcher_started(seen: Observation) -> bool:
    """The launcher's main container has started in this attempt."""
    return not seen.suspended and seen.launcher_started


def workers_ready(seen: Observation) -> bool:
    """Every worker is ready; the launcher is still to start."""
    return _waiting(seen) and seen.workers_ready


def workers_not_ready(seen: Observation) -> bool:
    """Some worker is still to come."""
    return _waiting(seen) and not seen.workers_ready


def cleaned(seen: Observation) -> bool:
    """All that cleanPodPolicy removes is gone."""
    return seen.cleaned


def _waiting(seen: Observation) -> bool:
    return not (seen.suspended or seen.refused or seen.launcher_started)
