"""Jobs that an operator before this one left half-way: take them over, start nothing.

Its children are the job's by their controller reference, and lack our labels. They
are looked up live and labelled before anything else is done, the status included: a
launcher of theirs, a Job or (v1) a bare Pod, is the first attempt, observed to its end.
"""

from collections.abc import Mapping

from mpiop.reconcile import names
from mpiop.reconcile.actions import Adopt, LookInherited, Ref
from mpiop.reconcile.facts import Facts
from mpiop.reconcile.mpijob import CleanPodPolicy, Json
from mpiop.reconcile.reading import dig, text


def look(facts: Facts) -> LookInherited | None:
    """Say whether to ask for children that are not known yet.

    Once before the first status of ours; later as long as an inherited Job, which
    retries by itself, may make Pods that lack our labels.
    """
    job = facts.launcher_job
    retries = job is not None and job.inherited and not job.terminal
    lacks = retries and facts.launcher_alive is None and not facts.finished
    if not lacks and not fresh(facts.snapshot.manifest):
        return None
    if facts.finished and facts.job.run_policy.clean_pod_policy is CleanPodPolicy.NONE:
        return None
    return LookInherited(facts.job.namespace, facts.job.name, facts.job.uid)


def fresh(manifest: Json) -> bool:
    """Whether another operator has written the status, and we have not."""
    status = manifest.get("status")
    ours = dig(status, "recorded") is not None or bool(text(status, "phase"))
    return bool(dig(status, "conditions")) and not ours


def adoptions(facts: Facts) -> tuple[Adopt, ...]:
    """Label what was found."""
    asked = look(facts)
    answer = facts.snapshot.answers.get(asked) if asked else None
    found = [line.split() for line in (answer or "").splitlines()]
    return tuple(_adopt(facts, *words) for words in found)


def _adopt(facts: Facts, kind: str, name: str, owner: str) -> Adopt:
    job = facts.job
    labels = {names.JOB_UID: job.uid, names.INHERITED: "true"}
    if kind == "Job":
        ref = Ref("Job", job.namespace, name)
        return Adopt(ref, owner, {**labels, names.ATTEMPT: "0"})
    return Adopt(
        Ref("Pod", job.namespace, name), owner, {**labels, **_role(job.name, name)}
    )


def _role(job: str, name: str) -> Mapping[str, str]:
    index = name.removeprefix(names.worker(job, 0)[:-1])
    if index != name and index.isdecimal():
        return {names.JOB_ROLE: names.WORKER, names.INDEX: index}
    return {names.JOB_ROLE: names.LAUNCHER, names.ATTEMPT: "0"}
