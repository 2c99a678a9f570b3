"""From an installation of upstream's to ours with jobs in flight, and back.

The steps are those of docs/install.md, read from there.
"""

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import attrs
import pytest

from mpiop.local.client import JOBS, Json, Resource
from mpiop.reconcile import names
from tests.e2e.kubectl import Kubectl
from tests.support import upstream_install as theirs
from tests.support.cluster import Cluster
from tests.support.deployed import NAME, ONE_FILE, ROOT
from tests.support.installed import kubectl
from tests.support.live import (
    await_job,
    await_phase,
    create,
    operating,
    playing,
    pods,
    status,
)
from tests.support.script import Script
from tests.support.upstream import V1, V2, Upstream, mpijob
from tests.support.upstream_crd import NAME as CRD
from tests.support.upstream_crd import definition

pytestmark = [pytest.mark.needs("kubernetes"), pytest.mark.slow]
FORCE: Final = ("apply", "--server-side", "--force-conflicts", "-f", "-")
ROLLED_OUT: Final = ("rollout", "status", f"deployment/{NAME}", "--timeout=50s")


@attrs.frozen
class Flight:
    """A job of the other operator's that runs, on a node of its own."""

    namespace: str
    node: Script
    launcher: Json


def documented() -> tuple[list[str], list[str]]:
    """Give the commands of docs/install.md, there and back."""
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    _, _, section = page.partition("\n## From mpi-operator")
    there, _, back = section.partition("\n## ")[0].partition("\nAnd back")
    found = [
        re.findall(r"^ +kubectl (.+)$", one, re.MULTILINE) for one in (there, back)
    ]
    assert all(found)
    return found[0], found[1]


def follow(admin: Kubectl, steps: list[str]) -> None:
    """Run commands as they are written, from the checkout's folder."""
    for step in steps:
        words = shlex.split(step)
        here = [str(ROOT / word) if (ROOT / word).exists() else word for word in words]
        admin.run(*here)


def reads_secrets(admin: Kubectl) -> bool:
    """Whether the operators' account may, as it may only with the other's role."""
    asked = ("auth", "can-i", "list", "secrets", f"--as={theirs.ACCOUNT}", "-A")
    return admin.outcome(*asked, stdin="").returncode == 0


@pytest.fixture
def admin(bare_cluster: Cluster, tmp_path: Path) -> Iterator[Kubectl]:
    """Give the administrator, where the operators' Pods are played; remove both."""
    found = kubectl(bare_cluster, tmp_path, NAME)
    with playing(bare_cluster, NAME):
        yield found
        gone = ("delete", "--ignore-not-found", "-f")
        found.run(*gone, "-", stdin=theirs.manifest())
        found.run(*gone, str(ONE_FILE))


def launcher_runs(cluster: Cluster, namespace: str) -> Json | None:
    """Give the launcher's Pod once it runs."""
    for pod in pods(cluster, namespace):
        running = pod.get("status", {}).get("phase") == "Running"
        if running and pod["metadata"]["name"].startswith("pi-launcher"):
            return pod
    return None


@contextmanager
def in_flight(cluster: Cluster, version: str) -> Iterator[Flight]:
    """Have a job whose launcher runs until it is told to end."""
    with cluster.namespace() as namespace:
        upstream = Upstream(cluster.client, mpijob(version), version, namespace)
        upstream.base()
        upstream.workers()
        upstream.launcher()
        upstream.status("Created", "Running")
        with playing(cluster, namespace, launcher_seconds=1e6) as node:
            before = cluster.eventually(lambda: launcher_runs(cluster, namespace))
            assert before is not None
            node.held = {before["metadata"]["name"]}
            yield Flight(namespace, node, before)


@pytest.mark.parametrize("version", [V2, V1])
def test_there_and_back(
    admin: Kubectl, bare_cluster: Cluster, tmp_path: Path, version: str
) -> None:
    """Launchers that run go on, alone, and end under whichever operator is there."""
    cluster, place = bare_cluster, Resource(version, "mpijobs")
    crd = json.dumps(definition(version.partition("/")[2]))
    there, back = documented()
    installs(cluster, admin, crd, place)
    with in_flight(cluster, version) as ends, in_flight(cluster, version) as stays:
        # Why the first step is one: the other's Deployment cannot become ours.
        refused = admin.fail("apply", "--dry-run=server", "-f", str(ONE_FILE))
        assert "immutable" in refused
        assert reads_secrets(admin)
        follow(admin, there)
        admin.run(*ROLLED_OUT)
        cluster.eventually(cluster.ready)
        assert not reads_secrets(admin)
        account = cluster.log_in(tmp_path, NAME, NAME)
        with operating(account, f"{ends.namespace},{stays.namespace}"):
            await_phase(cluster, stays.namespace, "pi", "LauncherRunning")
            is_alone(cluster, stays)
            lives_to_its_end(cluster, ends)
            ours = mpijob(version)
            ours["metadata"]["name"] = "back"
            create(cluster, stays.namespace, ours)
            await_phase(cluster, stays.namespace, "back", "LauncherRunning")
        is_alone(cluster, stays)
        follow(admin, back)
        admin.run("apply", "-f", "-", stdin=theirs.manifest(namespace=False))
        admin.run(*ROLLED_OUT)
        goes_back(cluster, stays.namespace, place)
        outcome = admin.outcome(*FORCE, stdin=crd)
        # Objects are stored as v2beta1 by now; ours serves v1 to its operator.
        assert (outcome.returncode == 0) is (version == V2), outcome.stderr
        goes_back(cluster, stays.namespace, place)
        ends_without_us(cluster, stays)


def installs(cluster: Cluster, admin: Kubectl, crd: str, place: Resource) -> None:
    """Install the other operator: its definition, its rights, its Deployment."""
    admin.run(*FORCE, stdin=crd)
    admin.run("wait", "--for=condition=Established", f"crd/{CRD}")
    admin.run("apply", "-f", "-", stdin=theirs.manifest())
    admin.run(*ROLLED_OUT)
    version = place.group_version.partition("/")[2]
    listed = ("get", f"mpijobs.{version}.kubeflow.org")
    cluster.eventually(lambda: admin.outcome(*listed, stdin="").returncode == 0)


def is_alone(cluster: Cluster, flight: Flight) -> None:
    """See that the launcher is the one from before."""
    taken = launcher_runs(cluster, flight.namespace)
    assert taken is not None
    assert taken["metadata"]["uid"] == flight.launcher["metadata"]["uid"]


def lives_to_its_end(cluster: Cluster, flight: Flight) -> None:
    """End a job's launcher; it succeeds, and no other launcher is made."""
    await_phase(cluster, flight.namespace, "pi", "LauncherRunning")
    is_alone(cluster, flight)
    flight.node.kubelet.succeed(flight.launcher)
    done = await_job(
        cluster,
        flight.namespace,
        "pi",
        lambda one: bool(status(one).get("result")),
    )
    assert status(done)["result"] == "Succeeded", status(done)
    assert status(done)["restarts"] == 0
    left = {pod["metadata"]["uid"] for pod in pods(cluster, flight.namespace)}
    assert flight.launcher["metadata"]["uid"] in left
    assert launcher_runs(cluster, flight.namespace) is None


def ends_without_us(cluster: Cluster, flight: Flight) -> None:
    """See launchers end once ours is gone, as the other operator looks for it."""
    flight.node.held.clear()
    flight.node.end_launchers()

    def over() -> bool:
        ended = {
            pod["metadata"]["name"].partition("-launcher")[0]
            for pod in pods(cluster, flight.namespace)
            if "-launcher" in pod["metadata"]["name"]
            and pod["status"].get("phase") == "Succeeded"
        }
        jobs = cluster.client.list(JOBS, flight.namespace)["items"]
        complete = [status(one).get("succeeded") == 1 for one in jobs]
        return ended == {"pi", "back"} and bool(complete) and all(complete)

    cluster.eventually(over)


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
