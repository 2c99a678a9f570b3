"""From an installation of upstream's to ours with a job in flight, and back."""

import json
from pathlib import Path
from typing import Final

import pytest

from mpiop.local.client import JOBS, Json, Resource
from mpiop.reconcile import names
from tests.support.cluster import Cluster
from tests.support.deployed import NAME, ONE_FILE
from tests.support.installed import kubectl
from tests.support.live import await_phase, create, operating, playing, pods
from tests.support.upstream import V1, V2, Upstream, mpijob
from tests.support.upstream_crd import NAME as CRD
from tests.support.upstream_crd import definition

pytestmark = [pytest.mark.needs("kubernetes"), pytest.mark.slow]
FORCE: Final = ("apply", "--server-side", "--force-conflicts", "-f", "-")


def launcher_runs(cluster: Cluster, namespace: str) -> Json | None:
    """Give the launcher's Pod once it runs."""
    for pod in pods(cluster, namespace):
        running = pod.get("status", {}).get("phase") == "Running"
        if running and pod["metadata"]["name"].startswith("pi-launcher"):
            return pod
    return None


@pytest.mark.parametrize("version", [V2, V1])
def test_there_and_back(bare_cluster: Cluster, tmp_path: Path, version: str) -> None:
    """`kubectl apply -f` of the one file: the launcher that runs goes on, alone."""
    cluster, place = bare_cluster, Resource(version, "mpijobs")
    theirs = json.dumps(definition(version.partition("/")[2]))
    admin = kubectl(cluster, tmp_path, NAME)
    admin.run(*FORCE, stdin=theirs)
    admin.run("wait", "--for=condition=Established", f"crd/{CRD}")
    with cluster.namespace() as namespace, playing(cluster, NAME):
        listed = (
            "get",
            f"mpijobs.{place.group_version.partition('/')[2]}.kubeflow.org",
        )
        cluster.eventually(
            lambda: admin.outcome(*listed, "-n", namespace, stdin="").returncode == 0
        )
        upstream = Upstream(cluster.client, mpijob(version), version, namespace)
        upstream.base()
        upstream.workers()
        upstream.launcher()
        upstream.status("Created", "Running")
        with playing(cluster, namespace, launcher_seconds=1e6) as node:
            before = cluster.eventually(lambda: launcher_runs(cluster, namespace))
            assert before is not None
            node.held = {before["metadata"]["name"]}
            admin.run("apply", "-f", str(ONE_FILE))
            admin.run("rollout", "status", f"deployment/{NAME}")
            cluster.eventually(cluster.ready)
            with operating(cluster.log_in(tmp_path, NAME, NAME), namespace):
                await_phase(cluster, namespace, "pi", "LauncherRunning")
                ours = mpijob(version)
                ours["metadata"]["name"] = "back"
                create(cluster, namespace, ours)
                await_phase(cluster, namespace, "back", "LauncherRunning")
            taken = launcher_runs(cluster, namespace)
            assert taken is not None
            assert taken["metadata"]["uid"] == before["metadata"]["uid"]
            admin.run("delete", "deployment", NAME)
            goes_back(cluster, namespace, place)
            refused = admin.outcome(*FORCE, stdin=theirs)
            # Objects are stored as v2beta1 by now; ours serves v1 to its operator.
            assert (refused.returncode == 0) is (version == V2), refused.stderr
            goes_back(cluster, namespace, place)
    admin.run("delete", "-f", str(ONE_FILE), "--ignore-not-found")


def goes_back(cluster: Cluster, namespace: str, place: Resource) -> None:
    """See what the operator before this one looks for: spec, conditions, launcher."""
    for name in ("pi", "back"):
        job = cluster.client.get(place, namespace, name)
        assert job["apiVersion"] == place.group_version
        assert job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"] == 2
        true = {
            one["type"]
            for one in job["status"]["conditions"]
            if one["status"] == "True"
        }
        assert {"Created", "Running"} <= true
    job = cluster.client.get(place, namespace, "back")
    launcher = cluster.client.get(JOBS, namespace, "back-launcher")
    assert launcher["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
    assert launcher["spec"]["template"]["metadata"]["labels"][names.JOB_NAME] == "back"
