"""A gang scheduler that a real cluster lacks: what a user and a probe are told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from mpiop.local.client import CRDS, PODS, Deletion
from tests.support.cluster import Cluster
from tests.support.deployed import rules
from tests.support.gangs import DEFINITIONS, POD_GROUPS
from tests.support.live import OPERATOR, operating
from tests.support.scene import scene

pytestmark = [pytest.mark.needs("kubernetes"), pytest.mark.slow]
VOLCANO: Final = {"apiGroups": ["scheduling.volcano.sh"]}
RIGHTS: Final = (*OPERATOR, *({**one, **VOLCANO} for one in rules("components/gang")))
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


@pytest.mark.compat("gang.missing")
def test_a_definition_that_comes_late(without_volcano: Cluster, tmp_path: Path) -> None:
    """The job says what to install, /readyz as well; then it starts by itself."""
    cluster = without_volcano
    with scene(cluster) as found:
        account = cluster.account(tmp_path, found.namespace, RIGHTS)
        with operating(account, found.namespace, gang_scheduling="volcano") as operator:
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
