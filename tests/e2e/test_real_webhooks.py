"""A real API server calls an admission webhook: what a user reads of its refusals."""

from collections.abc import Mapping
from typing import Any

import pytest

from mpiop.local.client import PODS
from mpiop.reconcile import names
from tests.support.cluster import Cluster
from tests.support.scene import LAUNCHER, Scene, scene
from tests.support.webhook import enforced, webhook

pytestmark = [
    pytest.mark.needs("control-plane"),  # it must reach a server of this machine
    pytest.mark.slow,
    pytest.mark.usefixtures("operated"),
]
LAUNCHERS = {names.JOB_ROLE: names.LAUNCHER}
WORKERS = {names.JOB_ROLE: names.WORKER}
WORDS = "images come from our registry alone"


def refuses(found: Scene, labels: Mapping[str, str]) -> bool:
    """Whether the server refuses a Pod with these labels by now, by a dry run."""
    spec = {"containers": [{"name": "main", "image": "none"}]}
    return found.refuses(
        PODS, {"metadata": {"name": "try", "labels": dict(labels)}, "spec": spec}
    )


def goes_on(told: Mapping[str, Any]) -> None:
    """Assert that nothing is lost by what stands in the way."""
    assert told["phase"] in {"Created", "WorkersReady"}
    assert told["result"] == ""
    assert told["restarts"] == 0


def test_a_webhook_that_refuses_launchers(control_plane: Cluster) -> None:
    """Its words are in the status; once it is gone the launcher comes by itself."""
    with scene(control_plane) as found, webhook(message=WORDS) as hook:
        with enforced(control_plane, hook, found.namespace, LAUNCHERS):
            found.eventually(lambda: refuses(found, LAUNCHERS), "it is called")
            found.submit()
            told = found.until_reason("LauncherHasNoPod")
            assert WORDS in told["message"]
            assert "denied the request" in told["message"]
            goes_on(told)
            assert not found.names(PODS, LAUNCHER)
        assert found.succeeds()["restarts"] == 0
        assert found.most_launchers() == 1


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({"message": WORDS, "code": 403}, id="forbidden"),
        pytest.param({"message": WORDS}, id="code-of-its-own"),
        pytest.param(
            {"message": WORDS, "code": 422, "reason": "Invalid"}, id="invalid"
        ),
    ],
)
def test_a_webhook_that_refuses_workers(
    control_plane: Cluster, status: dict[str, object]
) -> None:
    """Whatever its code: the job waits, says why, and goes on once it is gone."""
    with scene(control_plane) as found, webhook(**status) as hook:
        with enforced(control_plane, hook, found.namespace, WORKERS):
            found.eventually(lambda: refuses(found, WORKERS), "it is called")
            found.submit()
            told = found.until_reason("Denied")
            assert WORDS in told["message"]
            assert "pi-worker-" in " ".join(hook.asked)
            goes_on(told)
            found.warns("Denied")
        assert found.succeeds()["restarts"] == 0


@pytest.mark.parametrize(
    ("labels", "reason"), [(WORKERS, "Denied"), (LAUNCHERS, "LauncherHasNoPod")]
)
def test_a_webhook_that_is_down(
    control_plane: Cluster, labels: Mapping[str, str], reason: str
) -> None:
    """With failurePolicy Fail the server answers 500; the job waits and says so."""
    with scene(control_plane) as found, webhook() as hook:
        hook.stop()
        with enforced(control_plane, hook, found.namespace, labels):
            found.eventually(lambda: refuses(found, labels), "it is called")
            found.submit()
            told = found.until_reason(reason)
            assert "failed calling webhook" in told["message"]
            assert "connection refused" in told["message"]
            goes_on(told)
            hook.allows = True
            hook.start()
            assert found.succeeds()["restarts"] == 0
            assert hook.asked
