"""RBAC in deploy/ is what the code calls: not wider, not narrower."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpiop.k8s.rights import CLASSES, GANG, KUBECTL_EXEC, Right, needed
from mpiop.k8s.settings import Settings
from mpiop.k8s.subject import Subject
from mpiop.reconcile.actions import Count
from mpiop.reconcile.snapshot import Snapshot
from tests.property.strategies import snapshots
from tests.property.test_plan import planned
from tests.support.calls import calls_of, life_calls, rights_of, without_component
from tests.support.deployed import (
    composed,
    objects,
    only,
    rendered,
    rights,
    roles,
)
from tests.support.gangs import DEFINITIONS, know_scheduling_groups

SCHEDULERS: Final = sorted(DEFINITIONS)
ONE_FILE: Final = rights(rendered("v1"))
EVERYTHING: Final = without_component(
    right
    for scheduler in SCHEDULERS
    for right in needed(Settings(gang_scheduling=scheduler))
)


def words(found: Iterable[Right]) -> list[str]:
    """Say rights so that a difference is read at a glance."""
    return sorted(f"{one} {one.name}".strip() for one in found)


def brought(components: set[str], scheduler: str = "") -> list[str]:
    """Say what the code needs that these components of the install bring."""
    found = needed(Settings(gang_scheduling=scheduler))
    apart = {KUBECTL_EXEC, GANG, CLASSES}
    return words(
        without_component(
            one
            for one in found
            if (one.component if one.component in apart else "") in components
        )
    )


@pytest.mark.defect("D2", "D40")
@pytest.mark.parametrize("folder", ["overlays/cluster", "overlays/ha"])
def test_the_default_has_what_is_needed(folder: str) -> None:
    """Nothing of a component is in it."""
    assert words(rights(rendered(folder))) == brought({""})


def test_kubectl_exec_brings_its_own() -> None:
    assert words(ONE_FILE) == brought({"", KUBECTL_EXEC})


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_gang_scheduler_brings_its_own(scheduler: str, tmp_path: Path) -> None:
    """For its PodGroups alone."""
    found = composed(tmp_path, f"gang-{scheduler}")
    assert words(rights(found)) == brought({"", GANG, CLASSES}, scheduler)


@pytest.mark.defect("D29", "E14")
def test_what_is_needed_is_what_is_called() -> None:
    """Every right is used in some life of a job, and no other."""
    found = without_component(rights_of(life_calls()))
    assert words(found) == words(ONE_FILE)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_gang_calls_what_its_component_brings(
    scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    know_scheduling_groups(monkeypatch)
    found = without_component(rights_of(life_calls(scheduler)))
    more = found - ONE_FILE
    allowed = rights(composed(tmp_path, f"gang-{scheduler}"))
    assert words(more) == words(allowed - rights(rendered("overlays/cluster")))


@settings(max_examples=100)  # a kind of action is soon met; the core is tested longer
@given(snapshots(), st.booleans())
def test_whatever_is_planned_is_allowed(snapshot: Snapshot, taken: bool) -> None:
    """From any state, be the names of children free or not."""
    job = Subject.of(snapshot.manifest)
    for action in planned(snapshot).actions:
        calls = calls_of(job, action, taken=taken)
        assert calls or isinstance(action, Count)
        assert words(without_component(rights_of(calls)) - EVERYTHING) == []


@pytest.mark.parametrize("folder", ["v1", "overlays/namespaced", "overlays/ha"])
def test_there_is_no_wildcard_and_no_secret_is_read(folder: str) -> None:
    found = rights(rendered(folder))
    assert not [one for one in found if "*" in attrs.astuple(one)]
    assert {one.verb for one in found if one.resource == "secrets"} == {"create"}


@pytest.mark.compat("operator.user-roles")
@pytest.mark.parametrize(
    ("name", "verbs", "resources", "into"),
    [
        (
            "mpijobs-edit",
            {"create", "delete", "deletecollection", "patch", "update"},
            {"mpijobs"},
            {"k8s.io/aggregate-to-admin", "k8s.io/aggregate-to-edit"}
            | {"kubeflow.org/aggregate-to-kubeflow-edit"},
        ),
        (
            "mpijobs-view",
            {"get", "list", "watch"},
            {"mpijobs", "mpijobs/status"},
            {f"k8s.io/aggregate-to-{one}" for one in ("admin", "edit", "view")}
            | {f"kubeflow.org/aggregate-to-kubeflow-{one}" for one in ("edit", "view")},
        ),
    ],
)
def test_whose_namespace_it_is_whose_jobs_they_are(
    name: str, verbs: set[str], resources: set[str], into: set[str]
) -> None:
    """By Kubernetes' own roles and by Kubeflow's; the status is the operator's."""
    role = only(rendered("v1"), "ClusterRole", name)
    labels = {f"rbac.authorization.{one}": "true" for one in into}
    assert labels.items() <= role["metadata"]["labels"].items()
    assert {one for rule in role["rules"] for one in rule["verbs"]} == verbs
    assert {one for rule in role["rules"] for one in rule["resources"]} == resources


def test_one_namespace_needs_nothing_of_the_cluster() -> None:
    """The same rights as Roles; every object is in the namespace."""
    found = rendered("overlays/namespaced")
    assert rights(found) == rights(rendered("overlays/cluster"))
    assert {one["metadata"].get("namespace") for one in objects(found)} == {
        "mpi-operator"
    }
    assert {one["kind"] for one in roles(found)} == {"Role"}
