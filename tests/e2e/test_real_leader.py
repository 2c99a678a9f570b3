"""Two operators on a real API server: the one that holds the Lease works."""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import pytest

from mpiop.local.client import JOBS, Resource
from tests.support.audit import rejected
from tests.support.cluster import Account, Cluster
from tests.support.deployed import NAME
from tests.support.live import operating
from tests.support.scene import scene

pytestmark = [pytest.mark.needs("control-plane"), pytest.mark.slow]
LEASES: Final = Resource("coordination.k8s.io/v1", "leases")
ELECTED: Final = {
    "leader_elect": True,
    "lock_namespace": NAME,
    "lock_name": NAME,
    "retry_seconds": 0.5,
}


def holder(cluster: Cluster) -> str:
    """Name who holds the Lease; empty where nobody does."""
    lease = cluster.client.get(LEASES, NAME, NAME)
    return str((lease.get("spec") or {}).get("holderIdentity", ""))


def test_the_leader_alone_writes_and_another_takes_over(
    control_plane: Cluster, operator_account: Account, tmp_path: Path
) -> None:
    """In the middle of a job: by each one's requests, nothing is done twice."""
    cluster, first = control_plane, operator_account
    second = cluster.log_in(tmp_path, NAME, NAME)  # the same, by another token
    with scene(cluster) as found, ExitStack() as standby:
        with operating(first, found.namespace, **ELECTED):
            found.eventually(lambda: holder(cluster), "the first one leads")
            leader = holder(cluster)
            standby.enter_context(operating(second, found.namespace, **ELECTED))
            found.submit()
            found.until_phase("LauncherRunning")
            assert holder(cluster) == leader
            made = [one for one in found.requests(first) if one.writes]
            assert {one.token for one in made} == {made[0].token}
        before = len(found.requests(first))
        found.succeeds()
        found.until_phase("Cleaned")
        assert holder(cluster) not in {"", leader}
        ours = found.requests(first)
        later = {one.token for one in ours[before:] if one.writes}
        assert len(later) == 1
        assert later != {made[0].token}
        created = Counter(
            (one.resource, one.name)
            for one in ours
            if one.verb == "create" and one.resource != "events"
        )
        assert set(created.values()) == {1}
        assert not list(rejected(ours))
        assert found.names(JOBS) == ["pi-launcher"]
        assert found.most_launchers() == 1
