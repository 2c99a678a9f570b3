"""The consistency checker refuses fiction, and the strategies write none."""

from datetime import UTC, datetime

import attrs
from hypothesis import given

from mpiop.reconcile.snapshot import Snapshot
from mpiop.reconcile.views import pod_view
from tests.property.consistency import impossible
from tests.property.strategies import snapshots


@given(snapshots())
def test_every_generated_snapshot_is_possible(snapshot: Snapshot) -> None:
    """The strategies build what an API server could show."""
    assert impossible(snapshot) == []


def test_fiction_is_named() -> None:
    """Two Pods of a name, one ready without running, are two impossibilities."""
    pod = pod_view(
        {"metadata": {"name": "a", "uid": "u"}, "status": {"phase": "Failed"}}
    )
    odd = attrs.evolve(pod, ready=True, created=datetime.now(UTC))

    said = " ".join(impossible(Snapshot({}, pods=(pod, odd))))

    assert "two of" in said
    assert "ready and does not run" in said
    assert "without a node" in said
