"""The only place for Hypothesis strategies: jobs, children, recorded facts.

Valid things are built, not filtered; `consistency.py` has the last word. A strategy is
made once and drawn from often: to make one costs many times what a draw from it does.
"""

import functools
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import attrs
from hypothesis import strategies as st

from mpiop.reconcile import names
from mpiop.reconcile.actions import KindName, Ref
from mpiop.reconcile.gang import gang
from mpiop.reconcile.mpijob import Install, Json
from mpiop.reconcile.pod_status import Ended
from mpiop.reconcile.snapshot import Finding, FindingKind, Snapshot
from mpiop.reconcile.views import ChildView, JobView, PodView

T = TypeVar("T")
NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
NAME = "pi"
UID = "uid-of-pi"
TEMPLATE: Json = {
    "spec": {
        "containers": [
            {"name": "main", "image": "mpi:1", "x-unknown": {"kept": [1, "two"]}}
        ]
    }
}

booleans = st.booleans()
instants = st.integers(0, 600).map(lambda seconds: NOW - timedelta(seconds=seconds))
maybe_instants = st.none() | instants


@functools.lru_cache(maxsize=None, typed=True)
def among(*values: T) -> st.SearchStrategy[T]:
    """One of some values; what stands there twice is drawn more often."""
    return st.sampled_from(values)


integers = functools.cache(st.integers)


@functools.cache
def run_policies() -> st.SearchStrategy[Json]:
    """Any runPolicy that the CRD accepts."""
    optional = {
        "activeDeadlineSeconds": st.integers(1, 700),
        "ttlSecondsAfterFinished": st.integers(0, 700),
        "suspend": booleans,
        "workerFailurePolicy": among("RestartJob", "KeepLauncher"),
        "schedulingPolicy": st.builds(dict, minAvailable=st.integers(0, 6)),
    }
    always = {
        "cleanPodPolicy": among("None", "Running", "All"),
        "backoffLimit": st.integers(0, 3),
    }
    return st.fixed_dictionaries(always, optional=optional)


@functools.cache
@st.composite
def manifests(draw: st.DrawFn, workers: int | None = None) -> dict[str, object]:
    """An MPIJob without status, as stored."""
    count = draw(integers(0, 4)) if workers is None else workers
    replicas: dict[str, object] = {"Launcher": {"replicas": 1, "template": TEMPLATE}}
    if count:
        replicas["Worker"] = {"replicas": count, "template": TEMPLATE}
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {
            "name": NAME,
            "namespace": "default",
            "uid": UID,
            "generation": draw(integers(1, 3)),
            "resourceVersion": "100",
            "creationTimestamp": "2026-01-01T11:40:00Z",
        },
        "spec": {
            "slotsPerWorker": draw(integers(1, 4)),
            "remoteShell": draw(among("SSH", "KubectlExec")),
            "launcherCreationPolicy": draw(among("AtStartup", "WaitForWorkersReady")),
            "mpiReplicaSpecs": replicas,
            "runPolicy": draw(run_policies()),
        },
    }


@functools.cache
@st.composite
def ends(draw: st.DrawFn, code: int | None = None) -> Ended:
    """A container's end."""
    finished = draw(instants)
    exit_code = draw(among(0, 1, 3, 137, 183, 213)) if code is None else code
    return Ended(
        exit_code=exit_code,
        signal=0,
        reason="Completed" if exit_code == 0 else draw(among("Error", "OOMKilled")),
        message=draw(among("", "+0\n+1", "+1\n!1 137", "words")),
        started=finished - timedelta(seconds=draw(integers(0, 60))),
        finished=finished,
    )


@functools.cache
def _maybe_ended(code: int) -> st.SearchStrategy[Ended | None]:
    return st.none() | ends(code=code)


def _pod(draw: st.DrawFn, name: str, role: str, owner: str) -> PodView:
    phase = draw(among("Pending", "Running", "Running", "Succeeded", "Failed"))
    ended = None
    if phase == "Succeeded":
        ended = draw(ends(code=0))
    elif phase == "Failed":
        ended = draw(_maybe_ended(draw(among(1, 3, 137))))
    started = phase == "Running" or ended is not None
    return PodView(
        name=name,
        uid=f"uid-{name}-{draw(integers(0, 3))}",
        resource_version=str(draw(integers(1, 99))),
        job_uid=UID,
        role=role,
        index=-1,
        attempt=-1,
        owner=owner,
        deleted=draw(maybe_instants),
        created=draw(instants),
        phase=phase,
        reason=draw(among("", "Evicted")) if phase == "Failed" else "",
        message="",
        node=draw(among("", "node-a")) if phase == "Pending" else "node-a",
        ready=phase == "Running" and draw(booleans),
        started=started,
        started_at=draw(instants) if started else None,
        ended=ended,
        restarts=0,
        waiting="",
        init_ended=None,
        disruption=draw(among("", "", "", "EvictionByEvictionAPI: moved")),
        unschedulable="",
    )


@functools.cache
@st.composite
def workers(draw: st.DrawFn, replicas: int) -> tuple[PodView, ...]:
    """Worker Pods of some indices, one or two beyond the replicas."""
    found = draw(st.sets(st.integers(0, replicas + 1)))
    pods = []
    for index in sorted(found):
        name = names.worker(NAME, index)
        pod = _pod(draw, name, names.WORKER, UID)
        restarts = draw(among(0, 0, 0, 1)) if pod.phase == "Running" else 0
        ended = draw(ends(code=137)) if restarts else pod.ended
        owner = draw(among(UID, UID, UID, "another"))
        pod = attrs.evolve(pod, owner=owner)
        pods.append(attrs.evolve(pod, index=index, restarts=restarts, ended=ended))
    return tuple(pods)


@functools.cache
@st.composite
def attempts(draw: st.DrawFn) -> tuple[tuple[JobView, ...], tuple[PodView, ...]]:
    """Launcher Jobs 0..n, all but the last terminal, and Pods of theirs."""
    count = draw(integers(0, 3))
    jobs, pods = [], []
    for attempt in range(count):
        name = names.launcher_job(NAME, attempt)
        last = attempt == count - 1
        terminal = draw(among("", "Complete", "Failed")) if last else "Failed"
        job = JobView(
            name=name,
            uid=f"uid-{name}",
            resource_version=str(draw(integers(1, 99))),
            owner=UID,
            deleted=draw(among(False, False, False, True)),
            created=draw(instants),
            attempt=attempt,
            suspended=not terminal and draw(booleans),
            terminal=terminal,
            reason={
                "Failed": draw(among("BackoffLimitExceeded", "PodFailurePolicy"))
            }.get(terminal, ""),
            message="",
            ended=draw(instants) if terminal else None,
            started=draw(booleans),
        )
        jobs.append(job)
        if draw(booleans):
            pod = _pod(draw, f"{name}-abcde", names.LAUNCHER, job.uid)
            pods.append(
                _fit(draw, attrs.evolve(pod, attempt=attempt), terminal, last=last)
            )
    return tuple(jobs), tuple(pods)


def _fit(draw: st.DrawFn, pod: PodView, terminal: str, *, last: bool) -> PodView:
    """Make a launcher Pod agree with its Job, or be behind it."""
    if last and pod.phase == "Running" and draw(booleans):
        return pod
    if terminal == "Complete":
        return attrs.evolve(
            pod,
            phase="Succeeded",
            ended=draw(ends(code=0)),
            started=True,
            disruption="",
            reason="",
            ready=False,
            started_at=NOW - timedelta(seconds=60),
            node="node-a",
        )
    if terminal == "Failed" and not pod.terminal:
        ended = draw(ends(code=3))
        return attrs.evolve(
            pod,
            phase="Failed",
            ended=ended,
            started=True,
            started_at=ended.started,
            ready=False,
            node="node-a",
        )
    return pod


@functools.cache
@st.composite
def others(draw: st.DrawFn) -> tuple[ChildView, ...]:
    """Service and ConfigMap, made, foreign or missing."""
    found = []
    kinds: tuple[tuple[KindName, str], ...] = (
        ("Service", NAME),
        ("ConfigMap", f"{NAME}-config"),
    )
    for kind, name in kinds:
        if draw(booleans):
            owner = draw(among(UID, UID, "another"))
            found.append(
                ChildView(
                    kind, name, f"uid-{name}", "7", owner, deleted=False, digests={}
                )
            )
    return tuple(found)


@functools.cache
@st.composite
def statuses(draw: st.DrawFn, attempt: int) -> dict[str, object]:
    """A status as an earlier plan might have left it."""
    facts: dict[str, object] = {"attempt": attempt}
    if draw(booleans):
        facts["workers"] = {"count": draw(integers(0, 4)), "digest": "d" * 16}
    if draw(among(False, False, True)):
        facts["verdict"] = {
            "succeeded": draw(booleans),
            "reason": "Recorded",
            "message": "as it was",
            "verified": "True",
        }
    if draw(among(False, False, True)):
        facts["missing"] = {
            "since": f"{draw(instants):%Y-%m-%dT%H:%M:%SZ}",
            "disrupted": draw(booleans),
            "message": "pi-worker-0 is gone",
        }
    return {
        "recorded": facts,
        "startTime": f"{draw(instants):%Y-%m-%dT%H:%M:%SZ}",
        "completionTime": f"{draw(instants):%Y-%m-%dT%H:%M:%SZ}"
        if "verdict" in facts
        else None,
        "conditions": [],
    }


@functools.cache
@st.composite
def findings(draw: st.DrawFn, generation: int) -> tuple[Finding, ...]:
    """At most one lesson of a write."""
    if draw(among(False, False, False, True)):
        kind = draw(among(*FindingKind))
        ref = Ref("Pod", "default", names.worker(NAME, 0))
        return (Finding(kind, ref, f'Pod "{ref.name}" is in the way', generation),)
    return ()


@st.composite
def ganged(draw: st.DrawFn, snapshot: Snapshot) -> Snapshot:
    """A snapshot with a gang scheduler, to which all, some or no Pods belong."""
    flag = draw(among("volcano", "kubernetes", "a-coscheduler"))
    scheduler = gang(flag)
    assert scheduler is not None
    all_of = st.just(scheduler.kind)
    marks = draw(st.sampled_from([all_of, st.none(), all_of | st.none()]))
    group = ChildView(
        scheduler.object_kind,
        NAME,
        "uid-of-the-group",
        "7",
        draw(among(UID, UID, "another")),
        deleted=draw(among(False, False, True)),
        waiting=draw(among("", "phase Pending")),
    )
    return attrs.evolve(
        snapshot,
        install=Install(gang_scheduler=flag),
        pods=tuple(attrs.evolve(pod, gang=draw(marks)) for pod in snapshot.pods),
        jobs=tuple(attrs.evolve(job, gang=draw(marks)) for job in snapshot.jobs),
        others=(*snapshot.others, *([group] if draw(booleans) else [])),
    )


@functools.cache
@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Anything that an API server could show of one job."""
    found = draw(_snapshots())
    return draw(ganged(found)) if draw(booleans) else found


@functools.cache
@st.composite
def _snapshots(draw: st.DrawFn) -> Snapshot:
    manifest = draw(manifests())
    jobs, launchers = draw(attempts())
    specs = manifest["spec"]["mpiReplicaSpecs"]  # type: ignore[index]
    replicas = specs.get("Worker", {}).get("replicas", 0)
    if draw(booleans):
        manifest["status"] = draw(statuses(max(0, len(jobs) - 1)))
    generation = manifest["metadata"]["generation"]  # type: ignore[index]
    return Snapshot(
        manifest,
        pods=(*draw(workers(replicas)), *launchers),
        jobs=jobs,
        others=draw(others()),
        findings=draw(findings(generation)),
    )
