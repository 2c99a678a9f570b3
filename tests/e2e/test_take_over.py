"""Jobs that earlier operators left half-way, on a real API server, with its rights."""

import pytest

from mpiop.local.client import JOBS, PODS, Json
from mpiop.reconcile import names
from tests.fake_kubelet import FakeKubelet
from tests.support.cluster import Account, Cluster
from tests.support.live import NODE, await_job, now, operating, playing
from tests.support.upstream import TRAINING, V1, V2, Upstream, mpijob


def launchers(cluster: Cluster, namespace: str) -> list[Json]:
    """List the Pods that are launchers, of whichever operator."""
    return [
        pod
        for pod in cluster.client.list(PODS, namespace)["items"]
        if pod["metadata"]["name"].startswith("pi-launcher")
    ]


@pytest.mark.needs("kubernetes")
@pytest.mark.slow
@pytest.mark.compat("take-over")
@pytest.mark.parametrize("flavour", [V2, V1, TRAINING])
def test_a_running_launcher_is_taken_over(
    control_plane: Cluster, operator_account: Account, flavour: str
) -> None:
    """It is labelled, observed to its end and cleaned up; none is made beside it."""
    version = V2 if flavour == V2 else V1
    with control_plane.namespace() as namespace:
        kubelet = FakeKubelet(control_plane.client, now, NODE, namespace)
        job = mpijob(version, cleanPodPolicy="All")
        upstream = Upstream(control_plane.client, job, flavour, namespace)
        upstream.base()
        upstream.workers()
        upstream.launcher(**({} if flavour != V2 else {"backoffLimit": 6}))
        upstream.status("Created", "Running")
        with playing(control_plane, namespace, launcher_seconds=1e6) as node:
            [before] = control_plane.eventually(
                lambda: [
                    pod
                    for pod in launchers(control_plane, namespace)
                    if pod["status"].get("phase") == "Running"
                ]
            )
            node.held = {before["metadata"]["name"]}
            with operating(operator_account, namespace):
                await_job(
                    control_plane,
                    namespace,
                    "pi",
                    lambda one: one["status"].get("phase") == "LauncherRunning",
                )
                [taken] = launchers(control_plane, namespace)
                assert taken["metadata"]["uid"] == before["metadata"]["uid"]
                assert taken["metadata"]["labels"][names.INHERITED] == "true"
                kubelet.succeed(taken)
                node.held.clear()
                done = await_job(
                    control_plane,
                    namespace,
                    "pi",
                    lambda one: one["status"].get("phase") == "Cleaned",
                )
        assert done["status"]["result"] == "Succeeded"
        verified = [
            one["status"]
            for one in done["status"]["conditions"]
            if one["type"] == "Verified"
        ]
        assert verified == ["Unknown"]
        assert launchers(control_plane, namespace) == []
        jobs = control_plane.client.list(JOBS, namespace)["items"]
        assert len(jobs) == (1 if flavour == V2 else 0)
