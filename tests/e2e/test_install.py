"""Installing deploy/ on a real API server, and running under what it grants."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Final

import pytest

from tests.e2e.kubectl import Kubectl
from tests.property.test_histories import job
from tests.support.cluster import Cluster
from tests.support.deployed import (
    DEPLOY,
    NAME,
    ONE_FILE,
)

pytestmark = pytest.mark.needs("kubernetes")
STRICT: Final = "--warnings-as-errors"
CRD: Final = "mpijobs.kubeflow.org"


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
