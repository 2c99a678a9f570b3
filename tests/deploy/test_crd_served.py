"""The definition as an API server serves it: what it stores, and what it refuses."""

import copy
import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from mpiop.reconcile.mpijob import MPIJob
from mpiop.reconcile.parse import parse
from tests.local.apiserver_world import Reply, World
from tests.support.deployed import definition

DEPLOY = Path(__file__).parents[2] / "deploy"
SAMPLES = sorted((DEPLOY / "samples").glob("*.yaml"))
CRD = definition()
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
VERSIONS = ("v1", "v2beta1")
REPLICAS = "spec.mpiReplicaSpecs"
OPAQUE = (f"{REPLICAS}.*.template", "spec.runPolicy.schedulingPolicy.minResources")
GONE = object()
Obj = dict[str, Any]


@pytest.fixture
def world() -> World:
    """Give an API server that has the definition."""
    found = World()
    assert found.ask("POST", CRDS, CRD).status == 201
    return found


def create(world: World, job: Obj, **query: str) -> Reply:
    """Post a job as its own version."""
    version = job["apiVersion"].rpartition("/")[2]
    path = f"/apis/kubeflow.org/{version}/namespaces/default/mpijobs"
    return world.ask("POST", path, job, **query)


def schema(version: str) -> Obj:
    """Give the schema of a version."""
    found = next(one for one in CRD["spec"]["versions"] if one["name"] == version)
    return dict(found["schema"]["openAPIV3Schema"])


def manifest(version: str = "v2beta1") -> Obj:
    """Give the smallest good MPIJob."""
    template: Obj = {"spec": {"containers": [{"name": "mpi", "image": "i:1"}]}}
    roles = ("Launcher", "Worker")
    return {
        "apiVersion": f"kubeflow.org/{version}",
        "kind": "MPIJob",
        "metadata": {"name": "pi", "namespace": "default"},
        "spec": {
            "mpiReplicaSpecs": {
                role: {"template": copy.deepcopy(template)} for role in roles
            }
        },
    }


def put(job: Obj, path: str, value: object) -> Obj:
    """Set a field by its dotted path, or take it away."""
    at = job
    *way, last = path.split(".")
    for key in way:
        at = at.setdefault(key, {})
    at[last] = value
    if value is GONE:
        del at[last]
    return job


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Go through all values of a document by their paths."""
    inside: Iterator[tuple[object, object]] = iter(())
    if isinstance(value, Mapping):
        inside = iter(value.items())
    elif isinstance(value, list):
        inside = enumerate(value)
    else:
        yield path, value
    for key, child in inside:
        yield from leaves(child, f"{path}.{key}".lstrip("."))


@pytest.mark.compat("crd.versions")
def test_the_versions_differ_in_two_defaults_only() -> None:
    """Whatever one version stores, the other one reads."""
    old, new = (dict(leaves(schema(one))) for one in VERSIONS)
    differing = {path for path in old | new if old.get(path) != new.get(path)}
    spec = "properties.spec.properties"
    assert differing == {
        f"{spec}.remoteShell.default",
        f"{spec}.runPolicy.properties.backoffLimit.default",
    }


class Seen(dict[str, object]):
    """An object that tells which of its keys were read."""

    def __init__(self, path: str, value: Mapping[str, object], seen: set[str]) -> None:
        super().__init__(value)
        self._path, self._seen = path, seen

    def get(self, key: str, default: object = None) -> Any:  # noqa: ANN401
        path = f"{self._path}.{key}".lstrip(".")
        self._seen.add(path.replace(".Launcher", ".*").replace(".Worker", ".*"))
        value = super().get(key, default)
        if isinstance(value, dict):
            return Seen(path, value, self._seen)
        return value


def read_fields() -> set[str]:
    """Name the fields of spec that parse asks for, templates apart."""
    job = put(manifest(), "spec.runPolicy.schedulingPolicy.minResources", {"cpu": "1"})
    seen: set[str] = set()
    assert isinstance(parse(Seen("", job, seen)), MPIJob)
    return {
        path
        for path in seen
        if path.startswith("spec.")
        and not any(path.startswith(f"{opaque}.") for opaque in OPAQUE)
    }


def declared_fields(node: Obj, path: str) -> Iterator[str]:
    """Name the fields below a node of the schema, templates apart."""
    if path in OPAQUE:
        return
    named = dict(node.get("properties", {}))
    if isinstance(node.get("additionalProperties"), dict):
        named["*"] = node["additionalProperties"]
    for key, child in named.items():
        yield f"{path}.{key}"
        yield from declared_fields(child, f"{path}.{key}")


@pytest.mark.compat("crd.unknown-fields")
def test_schema_and_parser_know_the_same_fields() -> None:
    """A field that only one of them knows is pruned, or kept and ignored."""
    spec = schema("v2beta1")["properties"]["spec"]
    assert set(declared_fields(spec, "spec")) == read_fields() | {f"{REPLICAS}.*"}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_servers_defaults_mean_what_the_parsers_do(
    world: World, version: str
) -> None:
    """A stored job, read as the operator reads it, is the job of the manifest."""
    meant = parse(manifest(version))
    assert create(world, manifest(version)).status == 201
    path = "/apis/kubeflow.org/v2beta1/namespaces/default/mpijobs/pi"
    stored = world.ask("GET", path).body
    assert stored["spec"]["remoteShell"]
    stored["metadata"] = {
        key: stored["metadata"][key] for key in ("name", "namespace", "managedFields")
    }
    assert parse(stored) == meant


@pytest.mark.compat("crd.unknown-fields")
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: str(path.stem))
def test_samples_pass_strictly_and_untouched(world: World, sample: Path) -> None:
    """What a user wrote into a template stays, the misspelt `request` included."""
    job = yaml.safe_load(sample.read_text(encoding="utf-8"))
    reply = create(world, job, fieldValidation="Strict")
    assert reply.status == 201, reply.body
    assert isinstance(parse(reply.body), MPIJob)
    for role, replica in job["spec"]["mpiReplicaSpecs"].items():
        stored = reply.body["spec"]["mpiReplicaSpecs"][role]
        assert stored["template"] == replica["template"]


def test_a_misspelt_field_of_ours_is_told(world: World) -> None:
    """Outside of templates a strict server knows every field."""
    job = put(manifest(), "spec.runPolicy.backofLimit", 3)
    reply = create(world, job, fieldValidation="Strict")
    assert reply.status == 400
    assert 'unknown field "spec.runPolicy.backofLimit"' in reply.body["message"]


ENUMS = {
    "spec.remoteShell": "ssh",
    "spec.mpiImplementation": "openmpi",
    "spec.launcherCreationPolicy": "Later",
    "spec.cleanPodPolicy": "running",
    "spec.runPolicy.cleanPodPolicy": "Some",
    "spec.runPolicy.workerFailurePolicy": "Retry",
    f"{REPLICAS}.Worker.restartPolicy": "never",
}
BAD: list[tuple[str, object, str, str]] = [
    *(
        (path, word, path, f'Unsupported value: "{word}"')
        for path, word in ENUMS.items()
    ),
    ("spec", GONE, "spec", "Required value"),
    (REPLICAS, GONE, REPLICAS, "Required value"),
    (f"{REPLICAS}.Launcher", GONE, REPLICAS, "Launcher is missing"),
    (f"{REPLICAS}.Launcher.replicas", 2, REPLICAS, "Launcher.replicas must be 1"),
    (
        f"{REPLICAS}.worker",
        manifest()["spec"]["mpiReplicaSpecs"]["Worker"],
        REPLICAS,
        "a replica type must be Launcher or Worker",
    ),
    (f"{REPLICAS}.Worker.replicas", 0, f"{REPLICAS}.Worker.replicas", "equal to 1"),
    (f"{REPLICAS}.Worker.template", GONE, f"{REPLICAS}.Worker.template", "Required"),
    (
        f"{REPLICAS}.Worker.template.spec.containers",
        [],
        f"{REPLICAS}.Worker.template.spec.containers",
        "at least 1 items",
    ),
    ("spec.slotsPerWorker", 0, "spec.slotsPerWorker", "equal to 1"),
    ("spec.slotsPerWorker", "2", "spec.slotsPerWorker", "must be of type integer"),
    ("spec.sshAuthMountPath", "", "spec.sshAuthMountPath", "at least 1 chars"),
    (
        "spec.runPolicy.managedBy",
        "kubeflow.org/mpi-operater",
        "spec.runPolicy.managedBy",
        "must be left out",
    ),
    ("spec.runPolicy.managedBy", "", "spec.runPolicy.managedBy", "must be left out"),
    ("spec.runPolicy.suspend", "yes", "spec.runPolicy.suspend", "of type boolean"),
    *(
        (f"spec.runPolicy.{field}", -1, f"spec.runPolicy.{field}", "equal to 0")
        for field in (
            "backoffLimit",
            "ttlSecondsAfterFinished",
            "activeDeadlineSeconds",
        )
    ),
]


@pytest.mark.compat("validation.report")
@pytest.mark.parametrize(
    ("version", "path", "value", "where", "words"),
    [(v, *bad) for v, bad in itertools.product(VERSIONS, BAD)],
)
def test_bad_values_are_refused_at_the_door(
    world: World, version: str, path: str, value: object, where: str, words: str
) -> None:
    """By both versions alike: the field, and words that a user understands."""
    reply = create(world, put(manifest(version), path, value))
    assert reply.status == 422, reply.body
    causes = [
        f"{cause['field']}: {cause['message']}"
        for cause in reply.body["details"]["causes"]
        if cause["field"] == where
    ]
    assert causes
    assert words in causes[0]


@pytest.mark.parametrize(("path", "value"), [(bad[0], bad[1]) for bad in BAD])
def test_what_the_server_refuses_the_parser_refuses(path: str, value: object) -> None:
    """A manifest that no server has seen gets the same judgement."""
    assert isinstance(parse(put(manifest(), path, value)), tuple)
