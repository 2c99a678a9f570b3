"""One plan, from any snapshot that an API server could show."""

import copy
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mpiop.reconcile.actions import (
    Action,
    Count,
    Create,
    CreateLauncher,
    CreateSSHSecret,
    Delete,
    EmitEvent,
    Look,
    LookInherited,
    Patch,
    PatchStatus,
    Plan,
)
from mpiop.reconcile.gang import API_VERSIONS, gang, marked
from mpiop.reconcile.plan import plan
from mpiop.reconcile.snapshot import Snapshot
from tests.property.strategies import NOW, UID, snapshots
from tests.reconcile import build


def planned(snapshot: Snapshot) -> Plan:
    """Plan as the shell does: answer the looks, then plan once more."""
    first = plan(snapshot, NOW)
    answers: dict[Look, str | None] = {
        look: "" if isinstance(look, LookInherited) else "line" for look in first.looks
    }
    return plan(attrs.evolve(snapshot, answers=answers), NOW) if answers else first


def writes(actions: tuple[Action, ...]) -> list[Action]:
    """Leave Events and counters aside."""
    return [one for one in actions if not isinstance(one, EmitEvent | Count)]


@given(snapshots())
def test_the_same_snapshot_gives_the_same_plan(snapshot: Snapshot) -> None:
    """Deciding is a function of its arguments."""
    assert planned(snapshot) == planned(snapshot)


@pytest.mark.defect("D28")
@given(snapshots())
@example(build.snapshot(build.mpijob(2)))
def test_what_is_cached_is_only_read(snapshot: Snapshot) -> None:
    """Defaults are filled into values of ours, not into what other turns see."""
    before = copy.deepcopy(snapshot)
    planned(snapshot)
    assert snapshot == before


@given(snapshots())
def test_looks_are_asked_once(snapshot: Snapshot) -> None:
    """Once the live reads are answered, the plan asks for no more."""
    assert planned(snapshot).looks == ()


@pytest.mark.defect("D38")
@given(snapshots())
def test_only_own_children_are_changed(snapshot: Snapshot) -> None:
    """Patches and deletes name an object whose controller is this job, by its uid."""
    jobs = {job.uid for job in snapshot.jobs if job.owner == UID}
    own = {
        ("Pod", pod.name): pod.uid for pod in snapshot.pods if pod.owner in {UID, *jobs}
    }
    own |= {("Job", job.name): job.uid for job in snapshot.jobs if job.owner == UID}
    own |= {(c.kind, c.name): c.uid for c in snapshot.others if c.owner == UID}
    own[("MPIJob", "pi")] = UID
    for action in writes(planned(snapshot).actions):
        if isinstance(action, Delete):
            assert own[action.ref.kind, action.ref.name] == action.uid
        if isinstance(action, Patch):
            assert (action.ref.kind, action.ref.name) in own
            assert action.resource_version


@given(snapshots())
def test_no_object_is_written_twice(snapshot: Snapshot) -> None:
    """One plan touches each object at most once."""
    refs = Counter(
        one.ref
        for one in planned(snapshot).actions
        if not isinstance(one, EmitEvent | Count)
    )

    assert [ref for ref, times in refs.items() if times > 1] == []


@given(snapshots())
def test_what_is_recorded_is_written_first(snapshot: Snapshot) -> None:
    """The status goes before every other write, Events and counters after all."""
    kinds = [
        0
        if isinstance(one, PatchStatus)
        else 2
        if isinstance(one, EmitEvent | Count)
        else 1
        for one in planned(snapshot).actions
    ]

    assert kinds == sorted(kinds)
    assert kinds.count(0) <= 1


@pytest.mark.defect("D6")
@given(snapshots())
def test_a_recorded_verdict_is_never_run_again(snapshot: Snapshot) -> None:
    """After the verdict nothing is created and the verdict stays."""
    facts = cast("Any", snapshot.manifest.get("status", {})).get("recorded", {})
    actions = planned(snapshot).actions
    if "verdict" in facts:
        assert not [
            a
            for a in actions
            if isinstance(a, Create | CreateLauncher | CreateSSHSecret)
        ]
        for action in actions:
            if isinstance(action, PatchStatus):
                recorded = cast("Any", action.patch)["status"].get("recorded", {})
                assert recorded.get("verdict", facts["verdict"]) == facts["verdict"]


@given(snapshots())
def test_a_launcher_is_made_only_where_none_can_run(snapshot: Snapshot) -> None:
    """No launcher is created or resumed beside a Pod that is not terminal."""
    creates = [a for a in planned(snapshot).actions if isinstance(a, CreateLauncher)]

    assert len(creates) <= 1
    if creates:
        alive = [p for p in snapshot.pods if p.role == "launcher" and not p.terminal]
        owners = {job.uid for job in snapshot.jobs if job.owner == UID}
        assert not [pod for pod in alive if pod.owner in owners]


@given(snapshots())
def test_pods_of_a_gang_have_their_group(snapshot: Snapshot) -> None:
    """A marked Pod is made where its PodGroup is, or is made just before.

    And never next to a living Pod that is not of the gang.
    """
    actions = planned(snapshot).actions
    group = any(
        c.kind in API_VERSIONS and c.owner == UID and not c.deleted
        for c in snapshot.others
    )
    staying = [
        pod
        for pod in snapshot.pods
        if not pod.terminal and pod.deleted is None and pod.owner == UID
    ]
    found = gang(snapshot.install.gang_scheduler)
    for action in actions:
        if isinstance(action, Create) and action.ref.kind in API_VERSIONS:
            group = True
        if not isinstance(action, Create) or action.ref.kind != "Pod":
            continue
        kind = marked(action.manifest)
        if kind is not None:
            assert found is not None
            assert kind is found.kind
            assert group or any(pod.gang is kind for pod in staying)
            living = [pod for pod in staying if 0 <= pod.index < _replicas(snapshot)]
            assert all(pod.gang is kind for pod in living)


def _replicas(snapshot: Snapshot) -> int:
    replicas = cast("Any", snapshot.manifest)["spec"]["mpiReplicaSpecs"]
    return int(replicas.get("Worker", {}).get("replicas", 0))


@given(snapshots())
def test_a_suspended_job_gets_no_workers(snapshot: Snapshot) -> None:
    """While suspended no Pod is created, and no Job that runs."""
    spec = cast("Any", snapshot.manifest)["spec"]
    if spec["runPolicy"].get("suspend"):
        for action in planned(snapshot).actions:
            assert not (isinstance(action, Create) and action.ref.kind == "Pod")
            if isinstance(action, CreateLauncher):
                assert action.suspended


@given(snapshots())
def test_erasing_a_status_changes_no_deed(snapshot: Snapshot) -> None:
    """Only the recorded facts are read: all else of the status may vanish."""
    status = cast("Mapping[str, object]", snapshot.manifest.get("status", {}))
    full = {**status, "phase": "LauncherRunning", "reason": "Odd", "workers": "9/9"}
    kept = {
        k: status[k]
        for k in ("recorded", "startTime", "completionTime", "conditions")
        if k in status
    }
    deeds = []
    for one in (full, kept):
        manifest = {**snapshot.manifest, "status": one}
        actions = planned(attrs.evolve(snapshot, manifest=manifest)).actions
        deeds.append([a for a in actions if not isinstance(a, PatchStatus)])

    assert deeds[0] == deeds[1]


@given(snapshots())
def test_a_status_just_written_is_not_written_again(snapshot: Snapshot) -> None:
    """Merge the status patch and plan again: no second status, no second Event."""
    first = planned(snapshot)
    patch = next((a for a in first.actions if isinstance(a, PatchStatus)), None)
    if patch is None:
        return
    old = cast("Mapping[str, object]", snapshot.manifest.get("status", {}))
    new = cast("Mapping[str, Mapping[str, object]]", patch.patch)["status"]
    manifest = {**snapshot.manifest, "status": {**old, **new}}
    again = planned(attrs.evolve(snapshot, manifest=manifest))

    assert not [
        a for a in again.actions if isinstance(a, PatchStatus | EmitEvent | Count)
    ]


@given(snapshots(), st.sampled_from([None, 7, "word", [], {}, {"Launcher": 1}]))
def test_any_spec_is_planned(snapshot: Snapshot, odd: object) -> None:
    """A spec that makes no sense is refused in the status, and makes nothing."""
    spec = {**cast("Any", snapshot.manifest)["spec"], "mpiReplicaSpecs": odd}
    found = planned(
        attrs.evolve(snapshot, manifest={**snapshot.manifest, "spec": spec})
    )

    assert not [a for a in found.actions if isinstance(a, Create | CreateLauncher)]
