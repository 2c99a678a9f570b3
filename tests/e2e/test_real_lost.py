"""What is waited for in vain on a real API server: a node, and a remote start."""

import pytest

from mpiop.local.client import PODS, Deletion
from mpiop.reconcile.policies import lost_node, startup
from tests.support.cluster import Account, Cluster
from tests.support.live import operating
from tests.support.scene import LAUNCHER, Scene, scene

pytestmark = [pytest.mark.needs("kubernetes"), pytest.mark.slow]
LOST = "pi-worker-0"


def away(found: Scene) -> None:
    """Let the node of a worker be away, and the Pod be deleted."""
    found.submit(policy={"backoffLimit": 1})
    found.until_phase("LauncherRunning")
    found.script.held.add(LOST)
    pod, soon = found.get(PODS, LOST), Deletion(grace_seconds=1)
    found.cluster.client.delete(PODS, pod, soon)


def test_lost_workers_go_by_force_where_the_operator_may(
    control_plane: Cluster, operator_account: Account
) -> None:
    """Some seconds past their grace; the next attempt has another in its place."""
    with scene(control_plane) as found:
        flags = {"force_delete_lost_workers_after": 2.0}
        with operating(operator_account, found.namespace, **flags):
            away(found)
            lost = found.get(PODS, LOST)["metadata"]["uid"]
            found.script.end_launchers()
            found.eventually(
                lambda: (
                    (pod := found.find(PODS, LOST)) is None
                    or pod["metadata"]["uid"] != lost
                ),
                "it goes by force",
            )
            found.warns("LostWorkerDeleted")
            found.script.held.clear()
            assert found.succeeds()["restarts"] == 1


def test_else_a_person_is_asked(
    control_plane: Cluster,
    operator_account: Account,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The status names Pod and remedy, and nothing is deleted by force."""
    monkeypatch.setattr(lost_node, "NAMED_SECONDS", 2.0)
    monkeypatch.setattr(lost_node, "LATE_SECONDS", 0.0)
    with (
        scene(control_plane) as found,
        operating(operator_account, found.namespace),
    ):
        away(found)
        told = found.until_reason("WaitingForLostNode")
        assert LOST in told["message"]
        assert "--force --grace-period=0" in told["message"]
        assert found.find(PODS, LOST) is not None


def test_a_remote_start_that_never_succeeds_ends_the_attempt(
    control_plane: Cluster,
    operator_account: Account,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though its Pod is gone before its Job has failed, the cause is told."""
    monkeypatch.setattr(startup, "UNREACHABLE_SECONDS", 3.0)
    with (
        scene(control_plane, reaches=False) as found,
        operating(operator_account, found.namespace),
    ):
        found.submit(policy={"backoffLimit": 0})
        told = found.until(lambda told: told.get("result"))
        assert (told["result"], told["reason"]) == ("Failed", "RemoteStartFailed")
        found.eventually(lambda: not found.names(PODS, LAUNCHER), "it is gone")
