"""An operator in and for one namespace, on a real API server that checks owners."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
import yaml

from mpiop.local.client import CRDS
from tests.e2e.kubectl import Kubectl
from tests.property.test_histories import job
from tests.support.cluster import Account, Cluster
from tests.support.deployed import DEPLOY, NAME, composed, objects, only
from tests.support.gangs import DEFINITIONS, POD_GROUPS
from tests.support.installed import nothing_forbidden
from tests.support.live import await_job, await_phase, create, playing, status
from tests.support.process import Replica, operator, until

pytestmark = pytest.mark.needs("kubernetes")
STRICT: Final = "--warnings-as-errors"
APART: Final = ("kubectl-exec", "namespaced")


def flags(text: str, namespace: str) -> list[str]:
    """Give the flags of the installed Deployment, as its Pod would see them."""
    pod = only(text, "Deployment")["spec"]["template"]["spec"]
    args = pod["containers"][0]["args"]
    return [one.replace("$(POD_NAMESPACE)", namespace) for one in args]


class Tenant:
    """A namespace, its operator's account, and the operator."""

    def __init__(self, name: str, account: Account, process: Replica) -> None:
        self.name = name
        self.account = account
        self.process = process


@contextmanager
def tenant(
    cluster: Cluster,
    admin: Kubectl,
    refused: str = "",
    components: tuple[str, ...] = APART,
) -> Iterator[Tenant]:
    """A namespace with an operator of its own; perhaps one right is missing."""
    admin.run("apply", STRICT, "-k", str(DEPLOY / "crd"))
    with cluster.namespace() as name:
        folder = admin.folder / "tenant"
        folder.mkdir()
        text = composed(folder, *components, namespace=name)
        found = [without(refused, one) for one in objects(text)]
        apply = ("apply", STRICT, "-f", "-")
        Kubectl(admin.folder, name).run(*apply, stdin=yaml.safe_dump_all(found))
        account = cluster.log_in(folder, name, NAME)
        with operator(account.kubeconfig, *flags(text, name)) as process:
            yield Tenant(name, account, process)
            assert process.end() == 0


def without(right: str, obj: dict[str, Any]) -> dict[str, Any]:
    """Take a right such as `create pods` out of a role."""
    if obj["kind"] != "Role":
        return obj
    verb, _, resource = right.partition(" ")
    kept = []
    for rule in obj["rules"]:
        verbs = [
            v for v in rule["verbs"] if (v, [resource]) != (verb, rule["resources"])
        ]
        kept += [{**rule, "verbs": verbs}] if verbs else []
    return {**obj, "rules": kept}


@pytest.mark.defect("D40")
@pytest.mark.parametrize("shell", ["SSH", "KubectlExec"])
def test_a_namespaced_operator_runs_a_job(
    bare_cluster: Cluster, admin: Kubectl, shell: str
) -> None:
    """With Roles alone, where owner references are checked; no call is forbidden."""
    with (
        tenant(bare_cluster, admin) as found,
        nothing_forbidden(bare_cluster, found.account),
        playing(bare_cluster, found.name, launcher_seconds=3.0),
    ):
        until(lambda: found.process.ask("/readyz") == (200, "ok\n"))
        no_file = (resource.RLIMIT_FSIZE, (0, 0))  # as on a read-only root
        resource.prlimit(found.process.process.pid, *no_file)
        policy: dict[str, object] = {"ttlSecondsAfterFinished": 3600}
        create(bare_cluster, found.name, job(2, shell, policy))
        done = await_phase(bare_cluster, found.name, "pi", "Succeeded")
        assert done["status"]["result"] == "Succeeded"


def test_a_job_says_that_kubectl_exec_is_not_installed(
    bare_cluster: Cluster, admin: Kubectl
) -> None:
    """By the right that is missing and the remedy; once installed, the job goes on."""
    with (
        tenant(bare_cluster, admin, components=APART[1:]) as found,
        playing(bare_cluster, found.name),
    ):
        create(bare_cluster, found.name, job(2, "KubectlExec", {}))
        told = await_job(
            bare_cluster,
            found.name,
            "pi",
            lambda one: status(one).get("reason") == "Denied",
        )
        missing = 'cannot create resource "serviceaccounts"'
        assert missing in told["status"]["message"]
        assert "install it, or set spec.remoteShell" in told["status"]["message"]
        text = composed(admin.folder / "tenant", *APART, namespace=found.name)
        Kubectl(admin.folder, found.name).run("apply", "-f", "-", stdin=text)
        done = await_phase(bare_cluster, found.name, "pi", "Succeeded")
        assert done["status"]["result"] == "Succeeded"


def test_a_gang_of_one_namespace_lacks_priority_classes_alone(
    bare_cluster: Cluster, admin: Kubectl
) -> None:
    """Which no Role grants: it is said, and a gang that would ask for them is made."""
    bare_cluster.create_if_missing(CRDS, DEFINITIONS["volcano"])
    spec = job(1, "SSH", {"schedulingPolicy": {"minAvailable": 1}})
    spec["spec"]["mpiReplicaSpecs"]["Worker"]["template"]["spec"] |= {
        "priorityClassName": "system-cluster-critical"
    }
    with (
        tenant(bare_cluster, admin, components=("gang-volcano", "namespaced")) as found,
        playing(bare_cluster, found.name),
    ):
        until(lambda: found.process.ask("/readyz")[0] == 200)
        said = found.process.ask("/readyz")[1]
        assert "priority classes: missing get priorityclasses.scheduling.k8s.io" in said
        assert "gang scheduling" not in said
        create(bare_cluster, found.name, spec)
        nobody = "no scheduler has looked at it yet"
        await_job(
            bare_cluster,
            found.name,
            "pi",
            lambda one: nobody in status(one).get("message", ""),
        )
        group = bare_cluster.client.get(POD_GROUPS["volcano"], found.name, "pi")
        assert group["spec"]["minMember"] == 1


@pytest.mark.parametrize(
    ("right", "code", "said"),
    [
        ("create pods", 503, "create pods"),
        ("patch mpijobs/status", 503, "patch mpijobs/status.kubeflow.org"),
        ("get pods/log", 200, "get pods/log"),
    ],
)
def test_a_missing_right_is_named_at_the_start(
    bare_cluster: Cluster, admin: Kubectl, right: str, code: int, said: str
) -> None:
    """At /readyz and in the log, before any job meets it."""
    with tenant(bare_cluster, admin, refused=right) as found:
        until(lambda: said in found.process.ask("/readyz")[1])
        assert found.process.ask("/readyz")[0] == code
    assert [line for line in found.process.lines if said in line]


def test_owners_are_checked_where_the_plugin_is_on(
    bare_cluster: Cluster, admin: Kubectl
) -> None:
    """Without `mpijobs/finalizers` no child is made, and the job says why."""
    with tenant(bare_cluster, admin, refused="update mpijobs/finalizers") as found:
        create(bare_cluster, found.name, job(2, "SSH", {}))
        told = await_job(
            bare_cluster,
            found.name,
            "pi",
            lambda one: "blockOwnerDeletion" in status(one).get("message", ""),
        )
        assert told["status"]["phase"] == "Created"
