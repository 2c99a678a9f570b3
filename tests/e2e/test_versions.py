"""One object, two versions: whoever reads or writes it through either loses nothing."""

import copy
import itertools
from typing import Any, Final

import attrs
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpiop.local.client import Client, Deletion, Json, Resource
from mpiop.reconcile.plan import plan
from tests.property.strategies import manifests
from tests.support.commands import SAMPLES
from tests.support.deployed import definition
from tests.support.harness import Harness

VERSIONS: Final = ("v1", "v2beta1")
SERVERS: Final = [
    "embedded",
    pytest.param("real", marks=pytest.mark.needs("kubernetes")),
]
# What a client sets who has the types of one version alone, and knows no other field.
SETS: Final[dict[str, dict[str, Any]]] = {
    "v1": {"cleanPodPolicy": "All", "mainContainer": "another"},
    "v2beta1": {"sshAuthMountPath": "/home/mpi/.ssh", "runLauncherAsWorker": True},
}
ALL: Final = [
    one
    for path in sorted(SAMPLES.glob("*.yaml"))
    for one in yaml.safe_load_all(path.read_text(encoding="utf-8"))
    if one and one["kind"] == "MPIJob"
]
_numbers = itertools.count(1)


def at(version: str) -> Resource:
    """Give the place of MPIJobs in a version."""
    return Resource(f"kubeflow.org/{version}", "mpijobs")


@attrs.frozen
class Server:
    """An API server that knows MPIJobs, and a namespace in it."""

    client: Client
    namespace: str


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Server:
    if request.param == "real":
        cluster = request.getfixturevalue("control_plane")
        return Server(cluster.client, request.getfixturevalue("namespace"))
    crd = definition()
    return Server(Harness(plan, crd=crd).client, "default")


def spec(obj: Json) -> Any:  # noqa: ANN401 (JSON)
    return copy.deepcopy(obj["spec"])


def within(part: Any, whole: Any) -> bool:  # noqa: ANN401 (JSON)
    """Whether all of one value is in another, which may have more keys."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and within(value, whole[key]) for key, value in part.items()
        )
    if isinstance(part, list):
        return isinstance(whole, list) and all(
            within(one, other) for one, other in zip(part, whole, strict=True)
        )
    return bool(part == whole)


def lives_in_both(server: Server, wanted: Json, born: str, editor: str) -> None:
    """Create through one version, edit and replace through both; nothing is lost."""
    name = f"job-{next(_numbers)}"
    manifest = {
        "apiVersion": f"kubeflow.org/{born}",
        "kind": "MPIJob",
        "metadata": {"name": name, "namespace": server.namespace},
        "spec": wanted,
    }
    made = server.client.create(at(born), manifest)
    assert within(wanted, made["spec"])
    expected = {**spec(made), **SETS[editor]}
    edited = server.client.patch(at(editor), made, {"spec": SETS[editor]})
    assert edited["spec"] == expected
    for version in VERSIONS:  # a PUT of what was read, as kubectl edit does
        read = server.client.get(at(version), server.namespace, name)
        assert read["apiVersion"] == f"kubeflow.org/{version}"
        assert read["spec"] == expected
        server.client.replace(at(version), read)
    found = server.client.get(at(born), server.namespace, name)
    assert found["spec"] == expected
    server.client.delete(at(born), found, Deletion())


@pytest.mark.compat("crd.versions")
@pytest.mark.parametrize("server", SERVERS, indirect=True)
@pytest.mark.parametrize("born", VERSIONS)
@pytest.mark.parametrize("editor", VERSIONS)
def test_a_sample_loses_nothing(server: Server, born: str, editor: str) -> None:
    """Whichever version it is given, and edited, in."""
    assert ALL
    for one in ALL:
        lives_in_both(server, one["spec"], born, editor)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    manifests(),
    st.booleans(),
    st.sampled_from(VERSIONS),
    st.sampled_from(VERSIONS),
)
@pytest.mark.parametrize("server", SERVERS, indirect=True)
def test_a_generated_job_loses_nothing(
    server: Server, manifest: dict[str, Any], chosen: bool, born: str, editor: str
) -> None:
    """With fields of both versions, unknown ones in its templates, and any policy."""
    wanted = spec(manifest)
    if not chosen:
        del wanted["remoteShell"]  # then the version's own default is stored
    lives_in_both(server, wanted, born, editor)


@pytest.mark.compat("spec.remoteShell")
@pytest.mark.parametrize("server", SERVERS, indirect=True)
@pytest.mark.parametrize(
    ("born", "shell", "retries"), [("v1", "KubectlExec", 0), ("v2beta1", "SSH", 6)]
)
def test_defaults_are_those_of_the_version_it_was_given_in(
    server: Server, born: str, shell: str, retries: int
) -> None:
    """And stay, whichever version it is read in."""
    (one, *_) = ALL
    wanted = {k: v for k, v in one["spec"].items() if k != "remoteShell"}
    lives_in_both(server, wanted, born, "v2beta1")
    meta = {"name": f"job-{next(_numbers)}", "namespace": server.namespace}
    body = {"apiVersion": f"kubeflow.org/{born}", "kind": "MPIJob", "metadata": meta}
    server.client.create(at(born), {**body, "spec": wanted})
    for version in VERSIONS:
        read = server.client.get(at(version), server.namespace, meta["name"])
        assert read["spec"]["remoteShell"] == shell
        assert (
            read["spec"]["runPolicy"]["backoffLimit"] == {"v1": 0, "v2beta1": 6}[born]
        )
