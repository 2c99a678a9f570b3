"""A job's life on a real API server, request by request."""

import pytest
import yaml

from tests.support.audit import counts, rejected
from tests.support.cluster import Account, Cluster
from tests.support.commands import SAMPLES
from tests.support.live import (
    await_phase,
    create,
    operating,
    playing,
    pods,
)

pytestmark = pytest.mark.needs("kubernetes")
WORKERS = 2


@pytest.mark.checklist("7.4.Success")
def test_a_job_costs_few_requests(
    control_plane: Cluster, namespace: str, operator_account: Account
) -> None:
    """From creation to Cleaned: only what design and README promise, none rejected."""
    sample = yaml.safe_load((SAMPLES / "openmpi-helloworld.yaml").read_text())
    name = sample["metadata"]["name"]
    audit = control_plane.audit

    with (
        operating(operator_account, namespace),
        playing(control_plane, namespace, launcher_seconds=1.0),
    ):
        create(control_plane, namespace, sample)
        done = await_phase(control_plane, namespace, name, "Cleaned")
        control_plane.eventually(
            lambda: len(pods(control_plane, namespace)) == 1, "the workers are gone"
        )

    assert done["status"]["result"] == "Succeeded"
    ours = audit.requests(user=operator_account.user, namespace=namespace)
    assert not list(rejected(ours))
    made = counts(one for one in ours if one.writes)
    events = made.pop("create events")
    assert events <= 3 + 1  # the sample's misspelt field is a warning
    assert made.pop("patch mpijobs/status") <= 5
    assert made == {
        "create configmaps": 1,
        "create jobs": 1,
        "create pods": WORKERS,
        "create rolebindings": 1,
        "create roles": 1,
        "create serviceaccounts": 1,
        "create services": 1,
        "delete pods": WORKERS,
    }
