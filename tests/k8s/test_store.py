"""The cache: what it shows, and what it does not believe."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpiop.k8s import store as module
from mpiop.k8s.store import Entry, Key, Store, entry
from mpiop.reconcile.views import ChildView, JobView, PodView
from tests.support.scripted import pod

PI = Key("default", "pi")


def mpijob(version: int = 1, uid: str = "job", **meta: object) -> Entry:
    base = {"name": "pi", "namespace": "default", "uid": uid}
    found = {"metadata": {**base, "resourceVersion": str(version), **meta}}
    return entry("MPIJob", found)


def worker(name: str, version: int, uid: str = "") -> Entry:
    return entry("Pod", pod(name, version, uid))


@pytest.fixture
def store() -> Store:
    found = Store()
    found.replace("MPIJob", [mpijob()], 1)
    return found


def names(store: Store) -> set[str]:
    return {child.name for child in store.children("default", "job")}


def test_a_child_leads_to_its_job(store: Store) -> None:
    """A change of a child names the job whose uid its label carries."""
    assert store.put("Pod", worker("a", 5)) == PI
    assert store.remove("Pod", worker("a", 6)) == PI


@pytest.mark.checklist("7.1.InvalidKey", "7.6.Nothing")
def test_an_unknown_job_is_no_key(store: Store) -> None:
    """A child of a job that is not known leads nowhere, until the job comes."""
    assert store.remove("MPIJob", mpijob(2)) == PI
    assert store.put("Pod", worker("a", 5)) is None
    assert store.put("MPIJob", mpijob(7)) == PI
    assert names(store) == {"a"}


def test_a_child_without_our_label_is_nobodys(store: Store) -> None:
    """It leads to no job, and is none's child."""
    stranger = pod("a", 5)
    stranger["metadata"]["labels"] = {}  # type: ignore[index] # it is a dict
    assert store.put("Pod", entry("Pod", stranger)) is None
    assert names(store) == set()


def test_namespaces_are_apart(store: Store) -> None:
    """A Pod elsewhere that copies the label is not among the children."""
    stranger = pod("a", 5)
    stranger["metadata"]["namespace"] = "other"  # type: ignore[index] # it is a dict
    assert store.put("Pod", entry("Pod", stranger)) is None
    assert names(store) == set()


def test_the_past_does_not_come_back(store: Store) -> None:
    """Repeated and overtaken events change nothing, deletions included."""
    store.put("Pod", worker("a", 5))
    assert store.put("Pod", worker("a", 5)) is None
    assert store.put("Pod", worker("a", 4)) is None
    assert store.remove("Pod", worker("a", 4)) is None
    assert names(store) == {"a"}
    store.remove("Pod", worker("a", 6))
    assert store.put("Pod", worker("a", 5)) is None
    assert names(store) == set()
    assert store.put("Pod", worker("a", 7, "new")) == PI


def test_deletions_are_remembered_within_bounds(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The memory of deletions forgets the oldest first."""
    monkeypatch.setattr(module, "REMEMBERED_DELETIONS", 2)
    for number, name in enumerate("abc"):
        store.remove("Pod", worker(name, 10 + number))
    assert store.put("Pod", worker("c", 5)) is None
    assert store.put("Pod", worker("a", 5)) == PI


def test_a_list_replaces_everything(store: Store) -> None:
    """What is not listed is gone; jobs are named only where something differs."""
    store.put("Pod", worker("a", 5))
    store.put("Pod", worker("b", 6))
    assert store.replace("Pod", [worker("b", 6), worker("c", 7)], 9) == {PI}
    assert names(store) == {"b", "c"}
    assert store.lists("Pod") == 1


def test_writes_become_visible(store: Store) -> None:
    """A version is reached by the object, by its deletion, or by a later list."""
    key = Key("default", "a")
    assert not store.has_reached("Pod", key, 5)
    store.put("Pod", worker("a", 5))
    assert store.has_reached("Pod", key, 5)
    assert not store.has_reached("Pod", key, 6)
    store.remove("Pod", worker("a", 6))
    assert store.has_reached("Pod", key, 6)
    assert not store.has_reached("Pod", key, 8)
    store.replace("Pod", [], 8)
    assert store.has_reached("Pod", key, 8)
    assert store.has_lost("Pod", key, "uid-a")


def test_a_new_uid_is_another_object(store: Store) -> None:
    """An object is lost once another one has its name."""
    store.put("Pod", worker("a", 5))
    assert not store.has_lost("Pod", Key("default", "a"), "uid-a")
    store.put("Pod", worker("a", 7, "new"))
    assert store.has_lost("Pod", Key("default", "a"), "uid-a")


def test_projections() -> None:
    """Pods and Jobs have views of their own, other children a common one."""
    kinds = {
        "Pod": PodView,
        "Job": JobView,
        "Service": ChildView,
    }
    for kind, view in kinds.items():
        assert isinstance(entry(kind, pod("a", 1)).content, view)  # type: ignore[arg-type] # kinds


def test_managed_fields_are_slim() -> None:
    """Of managedFields an MPIJob keeps who wrote when, not which fields."""
    fields = [{"manager": "m", "apiVersion": "v1", "time": "t", "fieldsV1": {"f": 1}}]
    content: Any = mpijob(managedFields=fields).content
    slim = [{"manager": "m", "apiVersion": "v1", "time": "t"}]
    assert content["metadata"]["managedFields"] == slim


EVENTS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(1, 8), st.booleans()), max_size=12
)


@given(events=EVENTS)
def test_order_and_repetition_do_not_matter(
    events: list[tuple[str, int, bool]],
) -> None:
    """Of each object the newest event decides, in whatever order they come."""
    newest: dict[str, tuple[int, bool]] = {}
    seen: dict[tuple[str, int], bool] = {}
    store = Store()
    store.replace("MPIJob", [mpijob()], 1)
    for name, number, wish in events:
        there = seen.setdefault((name, number), wish)
        if there:
            store.put("Pod", worker(name, number))
        else:
            store.remove("Pod", worker(name, number))
        if number >= newest.get(name, (0, False))[0]:
            newest[name] = number, there
    assert names(store) == {name for name, (_, there) in newest.items() if there}
