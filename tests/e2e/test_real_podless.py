"""Launcher Jobs that get no Pod from a real cluster: the status says why."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial

import pytest

from mpiop.local.client import JOBS, PODS, SERVICE_ACCOUNTS, Deletion, Resource
from mpiop.reconcile import names
from tests.support.cluster import Cluster
from tests.support.manifests import HARDENED, RESTRICTED
from tests.support.scene import LAUNCHER, QUOTAS, Scene, scene
from tests.support.told import TOLD

pytestmark = [
    pytest.mark.needs("kubernetes"),
    pytest.mark.slow,
    pytest.mark.usefixtures("operated"),
]
Podless = Callable[..., None]
ADMISSION = "admissionregistration.k8s.io/v1"
POLICIES = Resource(ADMISSION, "validatingadmissionpolicies")
BINDINGS = Resource(ADMISSION, "validatingadmissionpolicybindings")


@pytest.fixture
def podless(record_property: Callable[[str, object], None]) -> Podless:
    """Give what waits until the status says why the launcher has no Pod."""

    def wait(found: Scene, *words: str, attempt: int = 0) -> None:
        told = found.until_reason("LauncherHasNoPod")
        now = datetime.now(UTC)
        assert all(word in told["message"] for word in words), told["message"]
        assert told["phase"] in {"Created", "WorkersReady"}
        assert told["restarts"] == attempt
        assert not found.names(PODS, f"{LAUNCHER},{names.ATTEMPT}={attempt}")
        job = found.get(JOBS, names.launcher_job("pi", attempt))
        made = datetime.fromisoformat(job["metadata"]["creationTimestamp"])
        seconds = (now - made).total_seconds()
        text = f"told {seconds:.1f} s after the launcher's Job (bar 15 s, to a second)"
        record_property(TOLD, f"{told['message'][:120]}\n  {text}")

    return wait


@pytest.mark.parametrize("creation", ["AtStartup", "WaitForWorkersReady"])
def test_a_quota_that_leaves_no_room_for_the_launcher(
    control_plane: Cluster, podless: Podless, creation: str
) -> None:
    """Named with its figures; the launcher comes when there is room."""
    with scene(control_plane) as found:
        found.quota(2)
        found.submit(launcherCreationPolicy=creation)
        podless(found, "exceeded quota: few", "limited: pods=2")
        found.patch(QUOTAS, "few", {"spec": {"hard": {"pods": "3"}}})
        assert found.succeeds()["restarts"] == 0
        assert found.names(JOBS) == ["pi-launcher"]


def test_a_launcher_that_comes_late_is_told_of_as_soon(
    control_plane: Cluster, podless: Podless
) -> None:
    """The job has waited for its workers for long when its Job is refused a Pod."""
    workers = {"pi-worker-0", "pi-worker-1"}
    with scene(control_plane, held=workers) as found:
        found.quota(2)
        probed = {"readinessProbe": {"exec": {"command": ["false"]}}}
        found.submit(worker=probed, launcherCreationPolicy="WaitForWorkersReady")
        for name in workers:
            found.eventually(partial(found.bound, name), f"{name} has a node")
            found.script.kubelet.run(found.get(PODS, name))
        found.until_reason("Waiting")
        found.script.held = set()
        podless(found, "exceeded quota: few")


def test_a_second_attempt_without_a_pod(
    control_plane: Cluster, podless: Podless
) -> None:
    """A retry shows what keeps it, too."""
    with scene(control_plane, exits=[3]) as found:
        found.submit(policy={"backoffLimit": 1})
        found.until_phase("LauncherRunning")
        found.quota(3)  # the failed launcher's Pod is terminal, and so not counted
        found.patch(QUOTAS, "few", {"spec": {"hard": {"pods": "2"}}})
        found.script.end_launchers()
        found.until(lambda told: told["restarts"] == 1)
        podless(found, "exceeded quota: few", attempt=1)


def test_a_launcher_that_pod_security_forbids(
    control_plane: Cluster, podless: Podless
) -> None:
    """A namespace that enforces `restricted` names what the launcher lacks."""
    with scene(control_plane, labels=RESTRICTED) as found:
        found.submit(worker={"securityContext": HARDENED})
        podless(found, 'violates PodSecurity "restricted:latest"', "runAsNonRoot")


def test_a_hardened_job_satisfies_pod_security(control_plane: Cluster) -> None:
    """What the operator adds to a Pod is allowed where `restricted` is enforced."""
    hardened = {"securityContext": HARDENED}
    for shell in ("SSH", "KubectlExec"):
        with scene(control_plane, labels=RESTRICTED) as found:
            found.submit(shell=shell, launcher=hardened, worker=hardened)
            assert found.succeeds()["restarts"] == 0


def test_a_launcher_whose_account_is_missing(
    control_plane: Cluster, podless: Podless
) -> None:
    """The ServiceAccount is named; once it is there, the launcher comes."""
    with scene(control_plane) as found:
        found.submit(launcher_pod={"serviceAccountName": "nobody"})
        podless(found, 'serviceaccount "nobody" not found')
        found.create(SERVICE_ACCOUNTS, {"metadata": {"name": "nobody"}})
        assert found.succeeds()["restarts"] == 0


def test_a_launcher_that_admission_refuses(
    control_plane: Cluster, podless: Podless
) -> None:
    """The policy's own words reach the user."""
    with scene(control_plane) as found, refusing_launchers(found):
        found.submit()
        podless(found, "launchers are not welcome here")


@contextmanager
def refusing_launchers(found: Scene) -> Iterator[None]:
    """Have an admission policy refuse the namespace's launcher Pods."""
    client, name = found.cluster.client, found.namespace
    role = f"object.metadata.?labels['{names.JOB_ROLE}'].orValue('')"
    spec = {
        "matchConstraints": {
            "resourceRules": [
                {
                    "apiGroups": [""],
                    "apiVersions": ["v1"],
                    "operations": ["CREATE"],
                    "resources": ["pods"],
                }
            ]
        },
        "validations": [
            {
                "expression": f"{role} != '{names.LAUNCHER}'",
                "message": "launchers are not welcome here",
            }
        ],
    }
    here = {"matchLabels": {"kubernetes.io/metadata.name": name}}
    binding = {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": here},
    }
    policy = client.create(POLICIES, {"metadata": {"name": name}, "spec": spec})
    bound = client.create(BINDINGS, {"metadata": {"name": name}, "spec": binding})
    try:
        found.eventually(lambda: refused(found), "the policy is in force")
        yield
    finally:
        client.delete(BINDINGS, bound, Deletion())
        client.delete(POLICIES, policy, Deletion())


def refused(found: Scene) -> bool:
    """Whether a launcher Pod is refused by now, by a dry run."""
    meta = {"name": "try", "labels": {names.JOB_ROLE: names.LAUNCHER}}
    spec = {"containers": [{"name": "main", "image": "none"}]}
    return found.refuses(PODS, {"metadata": meta, "spec": spec})
