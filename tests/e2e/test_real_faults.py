"""Bad input and refusals on a real API server, each with what the user then sees."""

from typing import Any

import pytest

from mpiop.local.client import (
    NAMESPACES,
    PODS,
    Deletion,
)
from tests.support.cluster import MPIJOBS, Account, Cluster
from tests.support.manifests import condition
from tests.support.scene import QUOTAS, WORKER, scene

pytestmark = [pytest.mark.needs("kubernetes"), pytest.mark.slow]
TEMPLATES: dict[str, tuple[dict[str, Any], str, str]] = {
    # more of the container: the field that is named, and the remedy
    "requests above limits": (
        {"resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "2"}}},
        "spec.containers[0].resources.requests",
        "less than or equal to cpu limit of 1",
    ),
    "port": (
        {"ports": [{"containerPort": 70000}]},
        "spec.containers[0].ports[0].containerPort",
        "between 1 and 65535",
    ),
    "volume": (
        {"volumeMounts": [{"name": "data", "mountPath": "/data"}]},
        "spec.containers[0].volumeMounts",
        'Not found: "data"',
    ),
}


@pytest.mark.parametrize("role", ["worker", "launcher"])
@pytest.mark.parametrize("case", TEMPLATES)
def test_a_template_that_the_server_rejects(
    control_plane: Cluster, operated: Account, case: str, role: str
) -> None:
    """Valid=False with field and remedy; tried again when the spec has changed."""
    more, field, remedy = TEMPLATES[case]
    with scene(control_plane) as found:
        launcher, worker = (more, None) if role == "launcher" else (None, more)
        found.submit(launcher=launcher, worker=worker)
        told = found.until_phase("Invalid")
        valid = condition(told, "Valid")
        assert (valid["status"], valid["reason"]) == ("False", "ValidationError")
        assert field in valid["message"] == told["message"]
        assert remedy in valid["message"]
        found.warns("ValidationError")
        found.eventually(lambda: not found.names(PODS), "its Pods are gone")
        assert told["result"] == ""
        active = found.until(
            lambda told: not told["replicaStatuses"]["Worker"]["active"]
        )
        assert active["observedGeneration"] == 1

        found.patch(MPIJOBS, "pi", {"metadata": {"annotations": {"look": "again"}}})
        found.submit("other", workers=1)  # by its end, the other was looked at
        found.succeeds("other")
        assert len([one for one in found.requests(operated) if one.code == 422]) == 1
        assert found.status()["phase"] == "Invalid"


def test_a_spec_that_is_mended_goes_on(
    control_plane: Cluster, operated: Account
) -> None:
    """The generation changed: Valid=True, and the job runs as if nothing had been."""
    del operated
    with scene(control_plane) as found:
        made = found.submit(worker=TEMPLATES["port"][0])
        found.until_phase("Invalid")
        worker = made["spec"]["mpiReplicaSpecs"]["Worker"]["template"]
        (main,) = worker["spec"]["containers"]
        mended = {
            "spec": {"containers": [{**main, "ports": [{"containerPort": 7000}]}]}
        }
        spec = {"spec": {"mpiReplicaSpecs": {"Worker": {"template": mended}}}}
        found.patch(MPIJOBS, "pi", spec)
        assert found.succeeds()["restarts"] == 0
        valid = condition(found.status(), "Valid")
        assert valid["status"] == "True"


def test_a_quota_that_leaves_no_room_for_workers(
    control_plane: Cluster, operated: Account
) -> None:
    """Shown with its figures and tried again seldom; no verdict, no attempt spent."""
    with scene(control_plane) as found:
        found.quota(1)
        found.submit()
        told = found.until_reason("Denied")
        assert "exceeded quota: few" in told["message"]
        assert "limited: pods=1" in told["message"]
        assert (told["phase"], told["result"]) == ("Created", "")
        assert len(found.names(PODS, WORKER)) == 1
        refused = [one for one in found.requests(operated) if one.code == 403]
        assert 0 < len(refused) <= 4

        found.patch(QUOTAS, "few", {"spec": {"hard": {"pods": "3"}}})
        assert found.succeeds()["restarts"] == 0


def test_a_namespace_that_goes_takes_the_job_with_it(
    control_plane: Cluster, operated: Account
) -> None:
    """No verdict, no write that makes anything anew, and the operator goes on."""
    with scene(control_plane) as found:
        found.submit()
        found.until_phase("LauncherRunning")
        gone = control_plane.client.get(NAMESPACES, "", found.namespace)
        before = [one for one in found.requests(operated) if one.writes]
        control_plane.client.delete(NAMESPACES, gone, Deletion(policy="Background"))
        found.eventually(
            lambda: control_plane.find(NAMESPACES, "", found.namespace) is None,
            "the namespace is gone",
        )
        after = [one for one in found.requests(operated) if one.writes][len(before) :]
        made = [one for one in after if one.verb == "create" and one.code == 201]
        assert not [one for one in made if one.resource != "events"]
        assert len(after) < 30, after  # some are refused: it is being terminated
    with scene(control_plane) as found:
        found.submit()
        found.succeeds()
