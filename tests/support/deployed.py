"""What deploy/ installs: rendered as `kubectl apply -k` would, and its rights."""

import functools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from mpiop.k8s.rights import Right

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"
CRD_FILE: Final = DEPLOY / "crd" / "mpijobs.yaml"
ONE_FILE: Final = DEPLOY / "v1" / "mpi-operator.yaml"
NAME: Final = "mpi-operator"  # of the namespace, and of what is in it
KUBECTL: Final = Path(sys.executable).parent / "kubectl"
_ROLES: Final = frozenset({"Role", "ClusterRole"})

Obj = dict[str, Any]


@functools.cache
def rendered(folder: str = ".") -> str:
    """Render a folder of deploy/ as `kubectl apply -k` would apply it."""
    return kustomized(DEPLOY / folder)


def kustomized(folder: Path) -> str:
    """Render a kustomization.

    Raises:
        CalledProcessError: kustomize refuses it.
    """
    command = [str(KUBECTL), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)  # noqa: PLW1510 (looked at below)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr  # what is deprecated
    return done.stdout


def composed(folder: Path, *components: str, **fields: object) -> str:
    """Render base and components, in this order, as a user's kustomization would.

    Args:
        folder: where the kustomization is written.
        components: names in deploy/components.
        fields: more of the kustomization, such as `images`.
    """
    up = Path(os.path.relpath(DEPLOY, folder.resolve()))
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": NAME,
        "resources": [str(up / "base")],
        "components": [str(up / "components" / one) for one in components],
        **fields,
    }
    path = folder / "kustomization.yaml"
    path.write_text(yaml.safe_dump(kustomization), encoding="utf-8")
    return kustomized(folder)


def objects(text: str) -> list[Obj]:
    """Read every object of a rendered folder."""
    return [one for one in yaml.load_all(text, yaml.CSafeLoader) if one]


def definition() -> Obj:
    """Read the CustomResourceDefinition, as it is shipped."""
    (found,) = objects(CRD_FILE.read_text("utf-8"))
    return found


def only(text: str, kind: str, name: str = NAME) -> Obj:
    """Give the object of this kind and name."""
    (found,) = (
        one
        for one in objects(text)
        if (one["kind"], one["metadata"]["name"]) == (kind, name)
    )
    return found


def roles(text: str) -> Iterator[Obj]:
    """Give the operator's roles, without those of users."""
    for one in objects(text):
        if one["kind"] in _ROLES and one["metadata"]["name"].startswith(NAME):
            yield one


def rights(text: str) -> frozenset[Right]:
    """Give all that the operator's roles allow."""
    return frozenset(
        right
        for role in roles(text)
        for rule in role["rules"]
        for right in allowed(rule)
    )


def allowed(rule: Mapping[str, Sequence[str]]) -> Iterator[Right]:
    """Give all that one rule allows."""
    for group in rule["apiGroups"]:
        for resource in rule["resources"]:
            for verb in rule["verbs"]:
                for name in rule.get("resourceNames") or ("",):
                    yield Right(verb, resource, group, name=name)


def rules(*folders: str) -> Iterator[Mapping[str, Sequence[str]]]:
    """Give the rules in these folders of deploy/, as they are written there."""
    for folder in folders:
        for one in objects((DEPLOY / folder / "roles.yaml").read_text("utf-8")):
            yield from one.get("rules", ())
