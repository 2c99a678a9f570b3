"""The definition in deploy/: small, alike in both versions, strict at the door."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mpiop.local.apiserver.schema.custom import CustomKind
from mpiop.reconcile.mpijob import MPIJob
from mpiop.reconcile.parse import parse
from tests.support.deployed import definition

ROOT = Path(__file__).parents[2]
CRD = definition()
SAMPLES = sorted((ROOT / "deploy" / "samples").glob("*.yaml"))
VERSIONS = ("v1", "v2beta1")
Obj = dict[str, Any]


def kind(version: str) -> CustomKind:
    """Give a version as the API server serves it."""
    return CustomKind.from_crd(CRD, version)


def job(version: str = "v2beta1") -> Obj:
    """Give the smallest job that is accepted."""
    template = {"spec": {"containers": [{"name": "mpi", "image": "i"}]}}
    return {
        "apiVersion": f"kubeflow.org/{version}",
        "kind": "MPIJob",
        "metadata": {"name": "pi", "namespace": "default"},
        "spec": {
            "mpiReplicaSpecs": {
                "Launcher": {"template": copy.deepcopy(template)},
                "Worker": {"replicas": 2, "template": copy.deepcopy(template)},
            }
        },
    }


def without_defaults(schema: Any) -> Any:  # noqa: ANN401
    """Drop what may differ between versions."""
    if isinstance(schema, dict):
        return {k: without_defaults(v) for k, v in schema.items() if k != "default"}
    return [without_defaults(v) for v in schema] if isinstance(schema, list) else schema


@pytest.mark.compat("crd.size")
def test_plain_apply_takes_it() -> None:
    """kubectl's annotation of client-side apply holds 262,144 bytes."""  # noqa: D403
    assert len(yaml.safe_dump(CRD)) < 262_144


@pytest.mark.compat("crd.versions", "crd.names")
def test_both_versions_have_the_same_fields() -> None:
    """Nothing is pruned whichever version is read or written."""
    one, two = (without_defaults(kind(version).schema) for version in VERSIONS)
    assert one == two
    assert [column["name"] for column in kind("v1").columns] == [
        "STATE",
        "RESULT",
        "WORKERS",
        "RESTARTS",
        "AGE",
        "REASON",
    ]
    assert kind("v1").short_names == ("mj", "mpij")


def test_the_schema_has_the_fields_that_are_parsed() -> None:
    """A field in one and not in the other is a field that does nothing."""
    source = (ROOT / "mpiop" / "reconcile" / "parse.py").read_text()
    source += (ROOT / "mpiop" / "reconcile" / "defaults.py").read_text()
    spec = kind("v1").schema["properties"]["spec"]["properties"]
    policy = spec["runPolicy"]["properties"]
    role = spec["mpiReplicaSpecs"]["additionalProperties"]["properties"]
    named = {*spec, *policy, *policy["schedulingPolicy"]["properties"], *role}
    read = set(re.findall(r'\.get\("([a-zA-Z]+)"\)', source))
    meta = {"metadata", "spec", "name", "namespace", "uid", "generation", "labels"}
    meta |= {"resourceVersion", "creationTimestamp", "deletionTimestamp", "annotations"}
    assert read - meta - {"Launcher", "Worker"} == named


@pytest.mark.defect("D41")
@pytest.mark.parametrize("version", VERSIONS)
def test_stored_defaults_are_those_of_parsing(version: str) -> None:
    """A job means the same before and after the API server has seen it."""
    stored = job(version)
    kind(version).default(stored)
    assert kind(version).check(stored) == []
    assert parse(stored) == parse(job(version))


def enums(schema: Obj, path: str = "spec") -> Iterator[tuple[str, list[str]]]:
    """List the fields that take one of several words; in the roles' place, one role."""
    if "enum" in schema:
        yield path, schema["enum"]
    for key, child in schema.get("properties", {}).items():
        yield from enums(child, f"{path}.{key}")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from enums(schema["additionalProperties"], f"{path}.Launcher")


ENUMS = dict(enums(kind("v2beta1").schema["properties"]["spec"]))


@pytest.mark.defect("D41")
@pytest.mark.parametrize("path", ENUMS)
def test_the_words_that_are_listed_are_those_that_are_known(path: str) -> None:
    """What `kubectl explain` shows is what the operator heeds, all of it."""
    *way, last = path.split(".")
    manifest = job()
    at = manifest
    for key in way:
        at = at.setdefault(key, {})
    for word in ENUMS[path]:
        at[last] = word
        assert isinstance(parse(manifest), MPIJob), word
    at[last] = "another"
    refused = parse(manifest)
    assert not isinstance(refused, MPIJob)
    assert [one.path for one in refused] == [path]


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_are_accepted(path: Path) -> None:
    """By schema and by parsing, with nothing unknown outside of templates."""
    manifest = yaml.safe_load(path.read_text())
    manifest["metadata"]["namespace"] = "default"
    found = kind(manifest["apiVersion"].split("/")[1])
    assert found.decode(manifest) == []
    assert found.check(manifest) == []
    assert isinstance(parse(manifest), MPIJob)


def test_templates_keep_what_nobody_knows() -> None:
    """The misspelt `request` of many users' manifests is still there."""
    manifest = job()
    template = manifest["spec"]["mpiReplicaSpecs"]["Worker"]["template"]
    template["spec"]["containers"][0]["resources"] = {"request": {"cpu": "1"}}
    before = copy.deepcopy(manifest)
    kind("v2beta1").decode(manifest)
    assert manifest == before


REFUSED: list[tuple[str, object, str]] = [
    ("spec.mpiReplicaSpecs", {}, "Launcher is missing"),
    ("spec.mpiReplicaSpecs.Launcher.replicas", 2, "Launcher.replicas must be 1"),
    ("spec.mpiReplicaSpecs.Worker.replicas", 0, "greater than or equal to 1"),
    ("spec.mpiReplicaSpecs.Worker.template.spec.containers", [], "at least 1 items"),
    ("spec.mpiReplicaSpecs.Worker.template.spec.containers", [{}], "Required value"),
    ("spec.mpiReplicaSpecs.Worker.template.metadata", {"labels": {"a": 1}}, "string"),
    ("spec.mpiReplicaSpecs.Worker.restartPolicy", "Often", "Unsupported value"),
    ("spec.slotsPerWorker", 0, "greater than or equal to 1"),
    ("spec.cleanPodPolicy", "some", "Unsupported value"),
    ("spec.remoteShell", "rsh", "Unsupported value"),
    ("spec.mpiImplementation", "LAM", "Unsupported value"),
    ("spec.launcherCreationPolicy", "Later", "Unsupported value"),
    ("spec.runPolicy", {"backoffLimit": -1}, "greater than or equal to 0"),
]


@pytest.mark.parametrize(("path", "value", "words"), REFUSED)
@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_wrong_is_refused_at_the_door(
    version: str, path: str, value: object, words: str
) -> None:
    """With words that a user understands."""
    manifest = job(version)
    at = manifest
    *way, last = path.split(".")
    for key in way:
        at = at[key]
    at[last] = value
    errors = kind(version).check(manifest)
    assert any(words in str(error) for error in errors), errors


@pytest.mark.compat("spec.mpiReplicaSpecs")
@pytest.mark.checklist("7.8.unknown-replica")
def test_an_unknown_replica_type_is_named_as_such() -> None:
    """`worker` in lower case is a frequent slip."""
    manifest = job()
    replicas = manifest["spec"]["mpiReplicaSpecs"]
    replicas["worker"] = replicas.pop("Worker")
    errors = kind("v2beta1").check(manifest)
    assert any("must be Launcher or Worker" in str(error) for error in errors)


@pytest.mark.compat("crd.columns", "crd.names")
@pytest.mark.parametrize("version", VERSIONS)
def test_kubectl_get_shows_where_a_job_stands(version: str) -> None:
    """The same columns in both versions: kubectl takes v1 unless told otherwise."""
    found = next(one for one in CRD["spec"]["versions"] if one["name"] == version)
    columns = [
        one["name"] + ("+" if one.get("priority") else "")
        for one in found["additionalPrinterColumns"]
    ]
    assert columns == ["STATE", "RESULT", "WORKERS", "RESTARTS", "AGE", "REASON+"]
    assert CRD["spec"]["names"]["shortNames"] == ["mj", "mpij"]
