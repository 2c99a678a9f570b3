"""A gang scheduler that a real cluster lacks: what a user and a probe are told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from mpiop.local.client import CRDS, PODS, Deletion
from tests.support.cluster import Account, Cluster
from tests.support.gangs import DEFINITIONS, POD_GROUPS
from tests.support.installed import install, kubectl, nothing_forbidden
from tests.support.live import operating
from tests.support.scene import scene

pytestmark = [pytest.mark.needs("kubernetes"), pytest.mark.slow]
GROUPS: Final = POD_GROUPS["volcano"]


@pytest.fixture
def without_volcano(control_plane: Cluster) -> Iterator[Cluster]:
    """A cluster that does not know Volcano's PodGroups, and will not in the end."""
    name = DEFINITIONS["volcano"]["metadata"]["name"]
    assert control_plane.find(CRDS, "", name) is None
    yield control_plane
    found = control_plane.find(CRDS, "", name)
    if found is not None:
        control_plane.client.delete(CRDS, found, Deletion())
        control_plane.eventually(lambda: control_plane.find(CRDS, "", name) is None)


@pytest.fixture
def account(without_volcano: Cluster, tmp_path: Path) -> Iterator[Account]:
    """The operator's, with the component for Volcano as long as the test lasts."""
    found = install(without_volcano, tmp_path, "gang-volcano")
    with nothing_forbidden(without_volcano, found):
        yield found
    rights = ("clusterrole,clusterrolebinding", "mpi-operator-gang")
    kubectl(without_volcano, tmp_path).run("delete", *rights)


@pytest.mark.compat("gang.missing")
def test_a_definition_that_comes_late(
    without_volcano: Cluster, account: Account
) -> None:
    """The job says what to install, /readyz as well; then it starts by itself."""
    cluster = without_volcano
    settings = {"gang_scheduling": "volcano"}
    with (
        scene(cluster) as found,
        operating(account, found.namespace, **settings) as operator,
    ):
        found.submit()
        told = found.until_reason("GangSchedulerMissing")
        assert "scheduling.volcano.sh/v1beta1" in told["message"]
        assert "install Volcano" in told["message"]
        assert told["phase"] == "Created"
        found.warns("GangSchedulerMissing")
        assert not found.names(PODS)
        said = operator.probes.readiness().text
        assert "does not know PodGroup.scheduling.volcano.sh" in said

        cluster.client.create(CRDS, DEFINITIONS["volcano"])
        found.eventually(lambda: len(found.names(PODS)) == 3, "Pods are made")
        assert found.names(GROUPS) == ["pi"]
        found.until(lambda now: now["reason"] != "GangSchedulerMissing")
        assert "does not know" not in operator.probes.readiness().text
