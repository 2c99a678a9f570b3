"""An operator that starts among many finished jobs, on a real API server."""

import time
from pathlib import Path
from typing import Final

import pytest

from mpiop.local.client import NAMESPACES, PODS
from tests.e2e.test_real_counts import reconciled
from tests.support.audit import Request
from tests.support.cluster import MPIJOBS, Account, Cluster
from tests.support.controlplane import ControlPlane, Options
from tests.support.copies import copy, left
from tests.support.installed import install, nothing_forbidden
from tests.support.live import create, operating
from tests.support.manifests import job
from tests.support.scene import scene

pytestmark = [pytest.mark.needs("control-plane"), pytest.mark.slow]
FINISHED: Final = 200
PLACE: Final = "crowded"
# Nobody makes accounts there, and nobody touches the Jobs that are copied.
BARE: Final = Options(
    components=(), flags=("--disable-admission-plugins=ServiceAccount",)
)


def sent(cluster: Cluster, account: Account) -> list[Request]:
    """List what the operator has sent, apart from asking for its rights."""
    asked = "selfsubjectaccessreviews"
    found = cluster.audit.requests(user=account.user)
    return [one for one in found if one.resource != asked]


def versions(cluster: Cluster) -> dict[str, str]:
    """Read the resourceVersions of the finished jobs."""
    items = cluster.client.list(MPIJOBS, PLACE)["items"]
    meta = [one["metadata"] for one in items]
    return {
        one["name"]: one["resourceVersion"] for one in meta if finished(one["name"])
    }


def finished(name: str) -> bool:
    """Whether something belongs to a job that has ended."""
    return name.startswith("done-")


def test_finished_jobs_cost_a_new_operator_nothing(
    control_plane: Cluster, operator_account: Account, tmp_path: Path
) -> None:
    """Behind two hundred of them: no write, no read, and a new job gets its Pods."""
    with scene(control_plane, launcher_seconds=0.0) as found:
        with operating(operator_account, found.namespace):
            found.submit("original", policy={"cleanPodPolicy": "Running"})
            found.until_phase("Cleaned", "original")
            found.eventually(lambda: len(found.names(PODS)) == 1, "the workers go")
        original = left(found)

    with ControlPlane(tmp_path / "plane", BARE) as plane:
        cluster = plane.cluster
        account = install(cluster, tmp_path)
        cluster.define_mpijobs()
        cluster.client.create(NAMESPACES, {"metadata": {"name": PLACE}})
        copy(cluster, PLACE, original, [f"done-{n}" for n in range(FINISHED)])
        before = versions(cluster)
        assert len(before) == FINISHED
        create(cluster, PLACE, job("fresh", "true", shell="SSH"))
        begin = time.monotonic()
        with (
            nothing_forbidden(cluster, account),
            operating(account, PLACE) as operator,
        ):
            cluster.eventually(
                lambda: cluster.find(PODS, PLACE, "fresh-worker-0"), "a Pod is made"
            )
            print(f"the first Pod after {time.monotonic() - begin:.2f} s")
            cluster.eventually(
                lambda: reconciled(operator) > FINISHED, "each job was looked at"
            )
            time.sleep(1)  # in which a write on its way arrives
        ours = sent(cluster, account)
        made = [one.name for one in ours if one.writes]
        assert "fresh-worker-0" in made
        assert [name for name in made if not name.startswith("fresh")] == []
        assert [one for one in ours if finished(one.name)] == []
        assert versions(cluster) == before
