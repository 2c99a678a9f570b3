"""The path of a v1 user on a real API server, command by command."""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from mpiop.local.client import CRDS, JOBS, PODS, ApiError
from tests.e2e.kubectl import Kubectl
from tests.support.cluster import Account, Cluster
from tests.support.commands import SAMPLES
from tests.support.deployed import NAME, ONE_FILE, composed, only
from tests.support.gangs import DEFINITIONS, POD_GROUPS
from tests.support.installed import kubectl, nothing_forbidden
from tests.support.live import playing
from tests.support.process import PATIENCE, operator, until

pytestmark = pytest.mark.needs("kubernetes")
SAMPLE: Final = SAMPLES / "openmpi-helloworld.yaml"
JOB: Final = "openmpi-helloworld"
LIFE: Final = ["Created", "WorkersReady", "LauncherRunning", "Succeeded", "Cleaned"]


@pytest.fixture
def user(bare_cluster: Cluster, tmp_path: Path) -> Iterator[Kubectl]:
    """Who installs the operator and runs a job in a namespace; it is removed."""
    with bare_cluster.namespace() as name:
        found = kubectl(bare_cluster, tmp_path, name)
        install = Kubectl(tmp_path, NAME)
        with playing(bare_cluster, NAME):
            install.run("create", "-f", str(ONE_FILE))
            install.run("rollout", "status", "deployment/mpi-operator")
            yield found
            install.run("delete", "--ignore-not-found", "-f", str(ONE_FILE))


@pytest.fixture
def account(bare_cluster: Cluster, user: Kubectl) -> Account:
    """The operator's, as it is installed."""
    return bare_cluster.log_in(user.folder, NAME, NAME)


def container() -> dict[str, Any]:
    """Give the container of the installed Deployment."""
    deployment = only(ONE_FILE.read_text(encoding="utf-8"), "Deployment")
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def installed_flags() -> list[str]:
    return [one.replace("$(POD_NAMESPACE)", NAME) for one in container()["args"]]


def installed_environment() -> dict[str, str]:
    return {one["name"]: one["value"] for one in container()["env"] if "value" in one}


class States:
    """What `kubectl get mpijob --watch` prints, as it comes."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def seen(self) -> list[str]:
        """The states, each once, in their order."""
        states = [line.split()[1] for line in self.lines if line.startswith(JOB)]
        return [one for one in dict.fromkeys(states) if one in LIFE]

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self.lines.append(line.rstrip("\n"))


@pytest.mark.compat("crd.names")
@pytest.mark.defect("E3")
def test_the_path_of_a_v1_user(
    bare_cluster: Cluster, user: Kubectl, account: Account
) -> None:
    """Create -f the operator, get crd, create -f the first sample, see it through."""
    assert "mpijobs.kubeflow.org" in user.run("get", "crd")[0]
    flags = [*installed_flags(), "-namespace", user.namespace, "-gang-scheduling="]
    flags += ["-launcher-runs-workloads=true", "-alsologtostderr"]
    environment = installed_environment()
    with (
        nothing_forbidden(bare_cluster, account),
        operator(account.kubeconfig, *flags, environment=environment) as process,
        playing(bare_cluster, user.namespace, launcher_seconds=3.0),
    ):
        until(lambda: process.ask("/readyz") == (200, "ok\n"))
        states = States(user.start("get", "mpijob", "--watch"))
        user.run("create", "-f", str(SAMPLE))
        try:
            until(lambda: states.seen[-1:] == ["Cleaned"])
        finally:
            states.end()
        assert process.end() == 0
    assert states.seen == LIFE
    header, row = user.run("get", "mpijob")[0].splitlines()
    assert header.split()[:4] == ["NAME", "STATE", "RESULT", "WORKERS"]
    assert row.split()[:3] == [JOB, "Cleaned", "Succeeded"]
    launcher = bare_cluster.client.get(JOBS, user.namespace, f"{JOB}-launcher")
    inits = launcher["spec"]["template"]["spec"]["initContainers"]
    assert inits[0]["image"] == environment["MPIOP_KUBECTL_IMAGE"]


def test_a_v1_user_with_volcano(
    bare_cluster: Cluster, user: Kubectl, account: Account
) -> None:
    """-gang-scheduling volcano, and its component: a PodGroup before the Pods."""
    bare_cluster.create_if_missing(CRDS, DEFINITIONS["volcano"])
    folder = user.folder / "gang"
    folder.mkdir()
    manifests = composed(folder, "kubectl-exec", "gang-volcano")
    Kubectl(user.folder, NAME).run(
        "apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifests
    )
    flags = [*installed_flags(), "-namespace", user.namespace]
    with (
        nothing_forbidden(bare_cluster, account),
        operator(account.kubeconfig, *flags, "-gang-scheduling", "volcano") as process,
    ):
        user.run("create", "-f", str(SAMPLE))
        bare_cluster.eventually(lambda: _pods(bare_cluster, user.namespace) == 3)
        group = bare_cluster.client.get(POD_GROUPS["volcano"], user.namespace, JOB)
        assert group["spec"]["minMember"] == 3
        assert process.end() == 0
    Kubectl(user.folder, NAME).run("delete", "-f", "-", stdin=manifests)


def _pods(cluster: Cluster, namespace: str) -> int:
    try:
        return len(cluster.client.list(PODS, namespace)["items"])
    except ApiError:
        return 0
