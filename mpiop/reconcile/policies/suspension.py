"""runPolicy.suspend: no Pods. The launcher goes first, then the workers.

No attempt is spent: the Job is suspended, not deleted, and resume carries today's
scheduling directives into the same Job.
"""

from typing import Final

import attrs

from mpiop.reconcile.actions import Action
from mpiop.reconcile.facts import Facts
from mpiop.reconcile.policies import clean_up

TOLD_SECONDS: Final = 30.0  # until its Job controller has told it to end
SUSPENDED: Final = "Suspended"


def carried_through(facts: Facts) -> Facts:
    """Take a job for suspended as long as workers are left from before it was.

    They are where the directives of that time put them; a queue that resumes the job
    may have given their nodes to others.
    """
    if not facts.workers or facts.recorded.since(SUSPENDED) is None:
        return facts
    policy = attrs.evolve(facts.job.run_policy, suspend=True)
    return attrs.evolve(facts, job=attrs.evolve(facts.job, run_policy=policy))


def actions(facts: Facts) -> tuple[Action, ...]:
    """Suspend the launcher; once it has ended, or its grace is over, the workers."""
    ending = clean_up.end_launcher(facts)
    if ending or workers_wait(facts):
        return ending
    return clean_up.delete(facts, (*facts.workers.values(), *facts.surplus))


def workers_wait(facts: Facts) -> float | None:
    """Seconds for which the workers outlive the launcher; None once they need not.

    It may write a checkpoint with them until its own grace is over.
    """
    alive = facts.launcher_alive
    if alive is None:
        return None
    wait = TOLD_SECONDS if alive.due is None else -facts.since(alive.due)
    return wait if wait > 0 else None
