"""Bad input: one clear message that names the field, exit code 2, nothing left."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.commands import SAMPLES, Ran, mpiop

Manifest = dict[str, Any]
LAUNCHER = "spec.mpiReplicaSpecs.Launcher"
WORKER = "spec.mpiReplicaSpecs.Worker"


def sample() -> Manifest:
    """Read the first sample."""
    text = (SAMPLES / "openmpi-helloworld.yaml").read_text(encoding="utf-8")
    found: Manifest = yaml.safe_load(text)
    return found


def at(manifest: Manifest, path: str) -> tuple[Any, str]:
    """Find the parent of a path, and its last step."""
    *steps, last = path.split(".")
    here: Any = manifest
    for step in steps:
        here = here[int(step)] if step.isdecimal() else here[step]
    return here, last


def changed(path: str, value: object) -> Manifest:
    """Give the first sample with one field changed."""
    manifest = sample()
    parent, last = at(manifest, path)
    parent[last] = value
    return manifest


def without(path: str) -> Manifest:
    """Give the first sample without one field."""
    manifest = sample()
    parent, last = at(manifest, path)
    del parent[last]
    return manifest


def refused(text: str, *options: str) -> Ran:
    """Run a manifest that must be refused before anything is started."""
    ran = mpiop("run", "-", *options, stdin=text)
    assert ran.code == 2, ran.err + ran.out
    assert ran.out == ""
    assert "Traceback" not in ran.err
    return ran


CONTAINER = f"{LAUNCHER}.template.spec.containers"
FIELDS: dict[str, tuple[Callable[[], Manifest], str, str]] = {
    "unknown apiVersion": (
        lambda: changed("apiVersion", "kubeflow.org/v3"),
        "apiVersion: ",
        "kubeflow.org/v2beta1",
    ),
    "unknown kind": (lambda: changed("kind", "MpiJob"), "kind: ", "MPIJob"),
    "no Launcher": (lambda: without(LAUNCHER), f"{LAUNCHER}: ", "Launcher"),
    "Launcher replicas 2": (
        lambda: changed(f"{LAUNCHER}.replicas", 2),
        f"{LAUNCHER}.replicas: ",
        "1",
    ),
    "Worker replicas 0": (
        lambda: changed(f"{WORKER}.replicas", 0),
        f"{WORKER}.replicas: ",
        "at least 1",
    ),
    "Worker replicas negative": (
        lambda: changed(f"{WORKER}.replicas", -3),
        f"{WORKER}.replicas: ",
        "at least 1",
    ),
    "unknown replica type": (
        lambda: changed("spec.mpiReplicaSpecs.Wroker", {}),
        "spec.mpiReplicaSpecs.Wroker: ",
        "Worker",
    ),
    "slotsPerWorker 0": (
        lambda: changed("spec.slotsPerWorker", 0),
        "spec.slotsPerWorker: ",
        "at least 1",
    ),
    "bad enum": (
        lambda: changed("spec.cleanPodPolicy", "Runing"),
        "spec.cleanPodPolicy: ",
        "Running",
    ),
    "name too long with the index": (
        lambda: changed("metadata.name", "x" * 55),
        "metadata.name: ",
        "54",
    ),
    "no containers": (
        lambda: changed(CONTAINER, []),
        f"{CONTAINER}: ",
        "container",
    ),
    "bad quantity": (
        lambda: changed(f"{CONTAINER}.0.resources.limits.memory", "1Gb"),
        f"{CONTAINER}[0].resources.limits.memory: ",
        "1Gi",
    ),
}


@pytest.mark.parametrize("case", FIELDS)
def test_a_bad_field_is_named_with_its_remedy(case: str) -> None:
    """One line: the field, what is wrong with it, what to write instead."""
    make, field, remedy = FIELDS[case]
    ran = refused(yaml.safe_dump(make()))
    assert len(ran.err.splitlines()) == 1, ran.err
    assert ran.err.startswith(field)
    assert remedy in ran.err


def test_not_yaml() -> None:
    """Text that is no YAML is refused with the line where it goes wrong."""
    ran = refused("a: b\nc: [1, 2\nd: e\n")
    assert "is not YAML" in ran.err
    assert "line 3" in ran.err


def test_several_documents() -> None:
    """Two jobs in one file are not one job."""
    text = yaml.safe_dump_all([sample(), sample()])
    assert "holds 2 documents" in refused(text).err


def test_no_mapping() -> None:
    """A list is no manifest."""
    assert "a mapping, an MPIJob, is expected" in refused("- a\n- b\n").err


def test_missing_file() -> None:
    """A file that is not there is named."""
    ran = mpiop("run", "no-such-file.yaml")
    assert ran.code == 2
    assert "no-such-file.yaml" in ran.err


def test_missing_image_directory(tmp_path: Path) -> None:
    """An image's directory that is missing is named."""
    missing = tmp_path / "missing"
    ran = refused(yaml.safe_dump(sample()), "--image", f"some/image={missing}")
    assert f'"{missing}" is missing' in ran.err


def test_malformed_image() -> None:
    """An image option without a directory is refused."""
    assert "NAME=DIR" in refused(yaml.safe_dump(sample()), "--image", "name").err


def test_port_in_use() -> None:
    """A port that somebody else has is named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = refused(yaml.safe_dump(sample()), "--port", str(port))
    assert f"--port: {port} is in use" in ran.err
