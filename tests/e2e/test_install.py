"""Installing deploy/ on a real API server, and running under what it grants."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from mpiop.local.client import CRDS
from tests.e2e.kubectl import Kubectl
from tests.property.test_histories import job
from tests.support.cluster import Account, Cluster
from tests.support.deployed import (
    DEPLOY,
    NAME,
    ONE_FILE,
    composed,
    objects,
    only,
)
from tests.support.gangs import DEFINITIONS, POD_GROUPS
from tests.support.installed import kubectl, nothing_forbidden
from tests.support.live import await_job, await_phase, create, playing, status
from tests.support.process import Replica, operator, until

pytestmark = pytest.mark.needs("kubernetes")
STRICT: Final = "--warnings-as-errors"
CRD: Final = "mpijobs.kubeflow.org"
APART: Final = ("kubectl-exec", "namespaced")


@pytest.fixture
def admin(bare_cluster: Cluster, tmp_path: Path) -> Iterator[Kubectl]:
    """The administrator; the Pod of what is installed is played by a kubelet."""
    with playing(bare_cluster, NAME):
        yield kubectl(bare_cluster, tmp_path, NAME)


@pytest.fixture
def one_file(admin: Kubectl) -> Iterator[None]:
    """The whole install, as long as the test lasts."""
    admin.run("apply", STRICT, "-f", str(ONE_FILE))
    admin.run("wait", "--for=condition=Established", f"crd/{CRD}")
    yield
    admin.run("delete", "-f", str(ONE_FILE))


def changed(output: str) -> list[str]:
    """List what an apply said of objects that it changed.

    A PodDisruptionBudget's selector is sent each time, by Kubernetes' own rules.
    """
    always = f"poddisruptionbudget.policy/{NAME} configured"
    lines = (line for line in output.splitlines() if line != always)
    return [line for line in lines if not line.endswith(" unchanged")]


def test_it_is_applied_created_and_removed(admin: Kubectl) -> None:
    """Without a warning; applying again changes nothing; jobs outlive the operator."""
    whole = str(ONE_FILE)
    admin.run("apply", STRICT, "-f", whole)
    admin.run("rollout", "status", "deployment/mpi-operator")  # restricted, and made
    assert changed(admin.run("apply", STRICT, "-f", whole)[0]) == []
    admin.run("diff", "-f", whole)
    admin.run("apply", STRICT, "-k", str(DEPLOY / "overlays" / "ha"))
    admin.run("delete", "-k", str(DEPLOY / "base"))
    assert CRD in admin.run("get", "crd", "-o", "name")[0]
    admin.run("delete", "--ignore-not-found", "-f", whole)
    admin.run("create", STRICT, "-f", whole)
    admin.run("delete", "-f", whole)
    assert NAME not in admin.run("get", "clusterroles,crd", "-o", "name")[0]


@pytest.mark.compat("crd.names", "crd.versions")
@pytest.mark.usefixtures("one_file")
def test_kubectl_knows_the_jobs(admin: Kubectl) -> None:
    """Columns, short names and explanations, of both versions."""
    columns = ["NAME", "STATE", "RESULT", "WORKERS", "RESTARTS", "AGE"]
    manifest = json.dumps({**job(2, "SSH", {}), "metadata": {"name": "pi"}})
    admin.run("create", STRICT, "--namespace=default", "-f", "-", stdin=manifest)
    patch = json.dumps({"status": {"phase": "Created", "workers": "0/2"}})
    merge = ("--namespace=default", "--subresource=status", "--type=merge", "-p")
    admin.run("patch", "mpijob", "pi", *merge, patch)
    for name in ("mpijob", "mj", "mpij", "mpijobs.v1.kubeflow.org"):
        header, row = admin.run("get", name, "-A")[0].splitlines()
        assert header.split() == ["NAMESPACE", *columns]
        assert row.split()[:4] == ["default", "pi", "Created", "0/2"]
    assert "REASON" in admin.run("get", "mpijob", "-A", "-o", "wide")[0]
    for version in ("v1", "v2beta1"):
        path = "mpijob.spec.runPolicy.cleanPodPolicy"
        said, _ = admin.run("explain", path, f"--api-version=kubeflow.org/{version}")
        assert "Which Pods are removed after the verdict." in said
        assert f"VERSION:    {version}" in said
    crd = json.loads(admin.run("get", "crd", CRD, "-o", "json")[0])
    conditions = {one["type"]: one["status"] for one in crd["status"]["conditions"]}
    assert conditions["Established"] == conditions["NamesAccepted"] == "True"
    assert "NonStructuralSchema" not in conditions


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


def permissive(*versions: str) -> str:
    """Give the definition of an operator before this one; the last is stored."""
    whole = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = [
        {
            "name": version,
            "served": True,
            "storage": version == versions[-1],
            "schema": {"openAPIV3Schema": whole},
            "subresources": {"status": {}},
        }
        for version in versions
    ]
    names = {"kind": "MPIJob", "listKind": "MPIJobList", "plural": "mpijobs"}
    found = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": CRD},
        "spec": {
            "group": "kubeflow.org",
            "scope": "Namespaced",
            "names": {**names, "singular": "mpijob"},
            "versions": served,
        },
    }
    return json.dumps(found)


def answers(admin: Kubectl, *arguments: str, stdin: str = "") -> bool:
    """Whether a kubectl succeeds; a definition takes a moment to be served."""
    return admin.outcome(*arguments, stdin=stdin).returncode == 0


@pytest.mark.parametrize("versions", [("v2beta1",), ("v1",)])
@pytest.mark.parametrize("way", ["client", "server"])
def test_the_definition_of_another_operator_is_replaced(
    bare_cluster: Cluster, admin: Kubectl, versions: tuple[str], way: str
) -> None:
    """Its jobs stay, whole, and are read through both versions from then on."""
    old = permissive(*versions)
    admin.run("apply", "--server-side", "-f", "-", stdin=old)
    admin.run("wait", "--for=condition=Established", f"crd/{CRD}")
    manifest = job(2, "SSH", {"cleanPodPolicy": "Running"})
    manifest |= {"apiVersion": f"kubeflow.org/{versions[0]}"}
    with bare_cluster.namespace() as name:
        created = ("create", "--namespace", name, "-f", "-")
        bare_cluster.eventually(
            partial(answers, admin, *created, stdin=json.dumps(manifest))
        )
        how = ("--server-side", "--force-conflicts") if way == "server" else ()
        admin.run("apply", *how, "-k", str(DEPLOY / "crd"))
        for version in ("v1", "v2beta1"):
            where = (f"mpijobs.{version}.kubeflow.org", "pi", "--namespace", name)
            bare_cluster.eventually(partial(answers, admin, "get", *where))
            read = json.loads(admin.run("get", *where, "-o", "json")[0])
            assert read["apiVersion"] == f"kubeflow.org/{version}"
            assert read["spec"]["runPolicy"]["cleanPodPolicy"] == "Running"
            replicas = read["spec"]["mpiReplicaSpecs"]
            assert replicas == manifest["spec"]["mpiReplicaSpecs"]
    admin.run("delete", "-k", str(DEPLOY / "crd"))
