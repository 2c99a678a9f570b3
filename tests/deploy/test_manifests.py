"""What deploy/ renders to: valid, of this version, in step with the code."""

import re
import subprocess
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import pytest
import yaml

from mpiop import __version__
from mpiop.cli.flags import respelt
from mpiop.k8s.settings import Settings
from tests.e2e.kubectl import Kubectl
from tests.support.deployed import (
    NAME,
    ONE_FILE,
    composed,
    kustomized,
    objects,
    only,
    rendered,
)
from tests.support.gangs import DEFINITIONS
from tests.support.served import served

FOLDERS: Final = (".", "crd", "v1", "overlays/cluster", "overlays/ha")
FOLDERS_OF_ALL: Final = (*FOLDERS, "overlays/namespaced")
OLDEST: Final = "1.33"


@pytest.mark.parametrize("folder", FOLDERS_OF_ALL)
def test_every_object_is_valid(folder: str) -> None:
    """By the schemas of the oldest version that is tested; no field is unknown."""
    for one in objects(rendered(folder)):
        kubernetes_validate.validate(one, OLDEST, strict=True)


def test_the_default_is_the_cluster_overlay() -> None:
    """`kubectl apply -k deploy`."""
    assert rendered(".") == rendered("overlays/cluster")


def container(text: str) -> dict[str, Any]:
    """Give the operator's container."""
    (found,) = only(text, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def images(text: str) -> list[str]:
    """Give the operator's image, and the one that brings kubectl."""
    found = container(text)
    (kubectl,) = (
        one["value"] for one in found["env"] if one["name"] == "MPIOP_KUBECTL_IMAGE"
    )
    return [found["image"], kubectl]


def test_images_are_of_this_version_and_overridable(tmp_path: Path) -> None:
    """One entry in `images` reaches the image of launchers, too."""
    assert images(rendered()) == [f"mpiop/mpiop:{__version__}"] * 2
    mirror = {"name": "mpiop/mpiop", "newName": "example.test:5000/m", "newTag": "9"}
    found = composed(tmp_path, images=[mirror])
    assert images(found) == ["example.test:5000/m:9"] * 2


def test_the_deployment_says_what_the_operator_understands() -> None:
    """Flags, ports and paths, and where its Lease is."""
    found = container(rendered())
    assert found["command"] == ["mpiop", "operator"]
    assert list(respelt(found["args"])) == found["args"]
    assert "--lock-namespace=$(POD_NAMESPACE)" in found["args"]
    (port,) = found["ports"]
    assert port["containerPort"] == Settings().health_port
    assert found["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert found["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    lease = only(rendered(), "Lease")
    assert lease["metadata"]["name"] == Settings().lock_name
    assert lease["metadata"]["namespace"] == Settings().lock_namespace
    assert "spec" not in lease


@pytest.mark.defect("D31")
def test_the_deployment_may_do_nothing_on_its_node() -> None:
    """Probes, resources, no root, nothing to write to."""
    pod = only(rendered(), "Deployment")["spec"]["template"]["spec"]
    found = container(rendered())
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert found["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert set(found["resources"]) == {"requests", "limits"}
    assert "volumes" not in pod


def test_two_replicas_are_spread() -> None:
    """And one may be drained at a time, of one replica as of two."""
    found = only(rendered("overlays/ha"), "Deployment")["spec"]
    assert found["replicas"] == 2
    assert found["template"]["spec"]["topologySpreadConstraints"]
    assert only(rendered(), "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert only(rendered(), "Deployment")["spec"]["replicas"] == 1


def test_another_namespace_reaches_the_bindings(tmp_path: Path) -> None:
    """Also those of the components, whatever the order."""
    parts = ("kubectl-exec", "gang-volcano", "namespaced")
    found = objects(composed(tmp_path, *parts, namespace="hpc"))
    assert {one["metadata"]["namespace"] for one in found} == {"hpc"}
    subjects = [one for obj in found for one in obj.get("subjects", ())]
    assert len(subjects) == 5
    account = {"kind": "ServiceAccount", "name": NAME, "namespace": "hpc"}
    assert all(one == account for one in subjects)


@pytest.mark.parametrize("scheduler", sorted(DEFINITIONS))
def test_a_gang_component_sets_its_flag(scheduler: str, tmp_path: Path) -> None:
    found = container(composed(tmp_path, f"gang-{scheduler}"))
    assert f"--gang-scheduling={scheduler}" in found["args"]


def test_what_a_namespaced_operator_looks_after() -> None:
    """Its own namespace alone."""
    found = container(rendered("overlays/namespaced"))
    assert "--namespace=$(POD_NAMESPACE)" in found["args"]


def test_the_docs_kustomization_is_one(tmp_path: Path) -> None:
    """The example of docs/install.md renders."""
    page = (ONE_FILE.parents[2] / "docs" / "install.md").read_text(encoding="utf-8")
    _, _, rest = page.partition("    # kustomization.yaml\n")
    block, _, _ = rest.partition("\n\n")
    checkout = tmp_path / "mpiop"
    checkout.symlink_to(ONE_FILE.parents[2])
    mine = tmp_path / "mine"
    mine.mkdir()
    lines = [line.removeprefix("    ") for line in block.splitlines()]
    (mine / "kustomization.yaml").write_text("\n".join(lines), encoding="utf-8")
    found = kustomized(mine)
    assert images(found) == [f"registry.example/hpc/mpiop:{__version__}"] * 2
    bound = only(found, "ClusterRoleBinding", "mpi-operator-kubectl-exec")
    assert bound["subjects"][0]["namespace"] == NAME


def test_the_readmes_install_names_ones_own_image() -> None:
    """Its `sed` over the one file reaches both images."""
    root = ONE_FILE.parents[2]
    page = (root / "README.md").read_text(encoding="utf-8")
    [own] = re.findall(r"^ +IMAGE=(.*)$", page, re.MULTILINE)
    [sed] = re.findall(r"^ +(sed .*mpi-operator\.yaml) \|", page, re.MULTILINE)
    command = ["sh", "-c", f"IMAGE={own}; {sed}"]
    told = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert images(told.stdout) == [own, own]


def test_the_embedded_server_takes_what_it_knows(tmp_path: Path) -> None:
    """Without a warning, and again without a change; it runs no Deployments."""
    unknown = {"Deployment", "NetworkPolicy", "PodDisruptionBudget"}
    known = [one for one in objects(rendered("v1")) if one["kind"] not in unknown]
    apply = ("apply", "--warnings-as-errors", "-f", "-")
    with served(tmp_path):
        kubectl = Kubectl(tmp_path, NAME)
        out, _ = kubectl.run(*apply, stdin=yaml.safe_dump_all(known))
        assert out.count(" created") == len(known)
        out, _ = kubectl.run(*apply, stdin=yaml.safe_dump_all(known))
        assert out.count(" unchanged") == len(known)
