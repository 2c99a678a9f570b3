"""`plan(snapshot, now)`: what to do next so that the cluster comes to match the job.

Pure: no clock, no randomness, no client. It reads like a table of contents; each
policy has a file of its own. Order is part of the decision: what cannot be seen again
is recorded first, then the cluster is changed, then Events and counters follow.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import cast

import attrs

from mpiop.reconcile import (
    attempts,
    children,
    conditions,
    events,
    inherited,
    names,
    recorded,
    remember,
    status,
    validation,
)
from mpiop.reconcile.actions import Action, Look, LookEvents, Plan, Ref
from mpiop.reconcile.facts import Facts, sort_out
from mpiop.reconcile.mpijob import MPIJob
from mpiop.reconcile.parse import parse
from mpiop.reconcile.policies import (
    clean_up,
    deadline,
    gang,
    lost_node,
    startup,
    suspension,
    ttl,
    worker_loss,
)
from mpiop.reconcile.reading import dig, text
from mpiop.reconcile.recorded import Condition, Recorded
from mpiop.reconcile.snapshot import Snapshot
from mpiop.states import VERDICTS, Observation, Phase, Verdict, advance

LOOK_AGAIN_SECONDS = 15.0
# At first: a webhook that never answers is told of ten seconds after the Job was made.
LOOK_SOON_SECONDS = 2.0
ADOPTED_SECONDS = 1.0


def plan(snapshot: Snapshot, now: datetime) -> Plan:
    """Say what to do next so that the cluster comes to match the job.

    The result depends on the arguments alone. A plan that is carried out whole leads
    to an empty one, unless something else changed meanwhile.
    """
    manifest = snapshot.manifest
    if dig(manifest, "metadata", "deletionTimestamp") is not None:
        return Plan()  # garbage collection owns it
    if validation.managed_elsewhere(dig(manifest, "spec", "runPolicy", "managedBy")):
        return Plan()
    before = recorded.read(manifest)
    job, refused = _job(snapshot, before)
    facts = suspension.carried_through(sort_out(snapshot, job, before, now))
    looks = _looks(facts)
    missing = tuple(look for look in looks if look not in snapshot.answers)
    if missing:
        return Plan(looks=missing)
    adoptions = inherited.adoptions(facts)
    if adoptions:
        return Plan(adoptions, ADOPTED_SECONDS)
    return _decide(facts, refused)


def _decide(facts: Facts, refused: str) -> Plan:
    before = facts.recorded
    if ttl.remaining(facts) == 0.0:
        return Plan((ttl.deletion(facts),))
    outcome = attempts.judge(facts)
    after = attrs.evolve(facts, recorded=remember.remember(facts, outcome, refused))
    phase = advance(Phase.CREATED, observe(after))
    entries = conditions.conditions(after, before, phase)
    if after.recorded.attempt > facts.attempt:
        entries = _with_cause(entries, outcome.message)
    after = attrs.evolve(
        after, recorded=attrs.evolve(after.recorded, conditions=entries)
    )
    told = status.status(after, phase, _events(facts))
    write, later = status.write(after, told)
    actions: list[Action] = [] if write is None else [write]
    actions += lost_node.actions(facts)
    actions += _work(facts, after, phase, outcome)
    if write is not None:
        actions += events.announce(before, after.recorded, after.job)
    return Plan(tuple(actions), _requeue(after, phase, later))


def observe(facts: Facts) -> Observation:
    """Reduce what is seen to the finite facts that guards look at."""
    ruling = facts.recorded.ruling
    verdict = Verdict.NONE
    if ruling is not None:
        verdict = Verdict.SUCCEEDED if ruling.succeeded else Verdict.FAILED
    return Observation(
        verdict=verdict,
        cleaned=clean_up.cleaned(facts),
        suspended=facts.job.run_policy.suspend,
        launcher_started=facts.launcher_started,
        refused=bool(facts.recorded.refused_message),
        workers_ready=facts.workers_ready,
    )


def _job(snapshot: Snapshot, before: Recorded) -> tuple[MPIJob, str]:
    """Parse the job; where that fails, give a stand-in and the reasons.

    The stand-in keeps who the job is, how many workers it has and whether it is
    suspended: enough to go on with what runs, never to make anything.
    """
    manifest = snapshot.manifest
    job = parse(
        manifest,
        remote_shell=before.remote_shell,
        launcher_runs_workloads=snapshot.install.launcher_runs_workloads,
    )
    if isinstance(job, MPIJob):
        return job, ""
    count = before.identity.count if before.identity else 0
    template = {"spec": {"containers": [{"name": "unknown", "image": "unknown"}]}}
    replicas: dict[str, object] = {"Launcher": {"template": template}}
    if count:
        replicas["Worker"] = {"replicas": count, "template": template}
    suspend = dig(manifest, "spec", "runPolicy", "suspend") is True
    spec = {"mpiReplicaSpecs": replicas, "runPolicy": {"suspend": suspend}}
    meta = {
        **cast("Mapping[str, object]", manifest["metadata"]),
        "annotations": {},
    }
    bare = {"apiVersion": names.API_VERSION, "kind": names.KIND}
    stand_in = parse({**bare, "metadata": meta, "spec": spec})
    if not isinstance(stand_in, MPIJob):  # a name that no child could have
        stand_in = cast(
            "MPIJob", parse({**bare, "metadata": {**meta, "name": "x"}, "spec": spec})
        )
        stand_in = attrs.evolve(stand_in, name=text(meta, "name"))
    return stand_in, "; ".join(str(error) for error in job)


def _looks(facts: Facts) -> tuple[Look, ...]:
    """Ask for what no watch shows: a failed launcher's log, Events about a start."""
    wanted: tuple[Look | None, ...] = (
        inherited.look(facts),
        attempts.wanted_log(facts),
        startup.held_up(facts),
    )
    looks = [look for look in wanted if look is not None]
    if facts.finished:
        return tuple(looks)
    looks += gang.looks(facts)
    unclear = (worker_loss.wordless(facts), worker_loss.vanished(facts))
    looks += [look for look in unclear if look is not None]
    job = facts.launcher_job
    silent = None if facts.job.run_policy.suspend else startup.silent(facts)
    if job is not None and startup.has_no_pod(facts):
        looks.append(LookEvents(Ref("Job", facts.job.namespace, job.name), job.uid))
    elif silent is not None:
        ref = Ref("Pod", facts.job.namespace, silent.name)
        looks.append(LookEvents(ref, silent.uid))
    return tuple(looks)


def _events(facts: Facts) -> str:
    said = [
        answer
        for look, answer in facts.snapshot.answers.items()
        if isinstance(look, LookEvents) and answer
    ]
    return said[0] if said else ""


def _work(
    facts: Facts, after: Facts, phase: Phase, outcome: attempts.Outcome
) -> tuple[Action, ...]:
    """Choose what is done to the children."""
    if phase in {*VERDICTS, Phase.CLEANED}:
        return (*clean_up.actions(after), *gang.removal(after))
    if outcome.state == "failed" and after.recorded.attempt == facts.attempt:
        return children.replace_workers(after)
    refused = bool(after.recorded.refused_message)
    if phase in {Phase.SUSPENDED, Phase.INVALID}:
        made = () if refused else children.suspended(after)
        return (*suspension.actions(after), *gang.removal(after), *made)
    return () if refused else children.running(after)


def _with_cause(entries: tuple[Condition, ...], cause: str) -> tuple[Condition, ...]:
    return tuple(
        attrs.evolve(entry, message=f"{entry.message}: {cause}")
        if entry.type == conditions.RESTARTING
        else entry
        for entry in entries
    )


def _requeue(facts: Facts, phase: Phase, later: float | None) -> float | None:
    """Find the next moment at which time alone changes the plan."""
    waits = [later, deadline.remaining(facts), ttl.remaining(facts)]
    waits.append(lost_node.due_in(facts))
    if not facts.finished:
        waits.append(startup.gives_up_in(facts))
        waits.append(attempts.settles_in(facts))
        waits.append(_patience(facts))
        waits += [startup.no_pod_in(facts), startup.silent_in(facts)]
        if facts.launcher_job is None:
            waits.append(startup.launcher_wait(facts))
    if phase is Phase.SUSPENDED:
        waits.append(suspension.workers_wait(facts))
    if facts.recorded.missing is not None:
        age = facts.since(facts.recorded.missing.since)
        waits.append(worker_loss.GRACE_SECONDS - age)
    if startup.newly_without_pod(facts) and not _events(facts):
        waits.append(LOOK_SOON_SECONDS)
    elif startup.has_no_pod(facts) or startup.silent(facts) or startup.held_up(facts):
        waits.append(LOOK_AGAIN_SECONDS)
    return min((wait for wait in waits if wait is not None and wait > 0), default=None)


def _patience(facts: Facts) -> float | None:
    """Seconds until something that waits is worth a word in the status."""
    if facts.launcher_started or facts.job.run_policy.suspend:
        return None
    mark = startup.BLOCKED_SECONDS - facts.since(facts.recorded.start_time)
    return mark if mark > 0 else None
