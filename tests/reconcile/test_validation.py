"""What Pod templates must have, and no more than that."""

from typing import Any

import pytest

from mpiop.reconcile.mpijob import FieldError, MPIJob
from mpiop.reconcile.parse import parse

WHERE = "spec.mpiReplicaSpecs.Worker.template"
FIRST = f"{WHERE}.spec.containers[0]"


def read(template: object) -> MPIJob | tuple[FieldError, ...]:
    """Parse a job with this Worker template."""
    launcher = {"spec": {"containers": [{"name": "mpi", "image": "i:1"}]}}
    return parse(
        {
            "apiVersion": "kubeflow.org/v2beta1",
            "kind": "MPIJob",
            "metadata": {"name": "pi"},
            "spec": {
                "mpiReplicaSpecs": {
                    "Launcher": {"template": launcher},
                    "Worker": {"template": template},
                }
            },
        }
    )


def container(**fields: object) -> dict[str, Any]:
    """Give a template of one container with these fields beside name and image."""
    return {"spec": {"containers": [{"name": "mpi", "image": "i:1", **fields}]}}


@pytest.mark.compat("validation.template", "spec.mpiReplicaSpecs.*.template")
@pytest.mark.checklist("7.3.Validate", "7.7.validation")
@pytest.mark.parametrize(
    ("template", "path", "words"),
    [
        (None, WHERE, "must be set"),
        ("x", WHERE, "must be an object"),
        ({"spec": {}}, f"{WHERE}.spec.containers", "at least one container"),
        ({"spec": {"containers": []}}, f"{WHERE}.spec.containers", "at least one"),
        (container(name=None), f"{FIRST}.name", "must be set"),
        (container(image=""), f"{FIRST}.image", "must be set"),
        (container(command="mpirun"), f"{FIRST}.command", "must be a list"),
        (container(args=[1]), f"{FIRST}.args[0]", 'write "1"'),
        (container(env={}), f"{FIRST}.env", "must be a list"),
        (container(env=["A=1"]), f"{FIRST}.env[0]", "must be an object"),
        (
            container(resources={"limits": {"memory": "1GB"}}),
            f"{FIRST}.resources.limits.memory",
            "write for example 500m, 2 or 1Gi",
        ),
        (
            container(resources={"requests": {"cpu": -1}}),
            f"{FIRST}.resources.requests.cpu",
            "not a quantity",
        ),
        (
            {"metadata": {"labels": {"a": 1}}, **container()},
            f"{WHERE}.metadata.labels.a",
            "must be a string",
        ),
    ],
)
def test_a_broken_template_is_named(template: object, path: str, words: str) -> None:
    """One message, at the field that is wrong."""
    found = read(template)
    assert isinstance(found, tuple)
    assert [error.path for error in found] == [path]
    assert words in found[0].message


@pytest.mark.parametrize("amount", ["1", "500m", "1.5Gi", "1e3", 2, 0.5, "100Ki", "5n"])
def test_every_form_of_quantity_is_accepted(amount: object) -> None:
    """As Kubernetes writes and reads them."""
    assert isinstance(read(container(resources={"limits": {"cpu": amount}})), MPIJob)


def test_unknown_fields_are_the_api_servers_business() -> None:
    """A misspelt key is no reason to refuse a job."""
    assert isinstance(read(container(resources={"request": {"cpu": "1Gb"}})), MPIJob)


@pytest.mark.compat("validation.name")
@pytest.mark.checklist("7.3.Validate")
def test_the_index_counts_for_the_length_of_a_name() -> None:
    """Each further digit costs a character."""
    template = container()
    job: Any = {
        "apiVersion": "kubeflow.org/v1",
        "kind": "MPIJob",
        "metadata": {"name": "a" * 53},
        "spec": {
            "mpiReplicaSpecs": {
                "Launcher": {"template": template},
                "Worker": {"replicas": 100, "template": template},
            }
        },
    }
    assert isinstance(parse(job), MPIJob)
    job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"] = 101
    found = parse(job)
    assert isinstance(found, tuple)
    assert "at most 52 characters" in found[0].message
