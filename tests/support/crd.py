"""A stand-in for the MPIJob definition: both versions, everything kept as given."""

from typing import Any, Final

_SCHEMA: Final = {
    "openAPIV3Schema": {
        "type": "object",
        "properties": {
            field: {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
            for field in ("spec", "status")
        },
    }
}


def _version(name: str, *, storage: bool) -> dict[str, Any]:
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "schema": _SCHEMA,
        "subresources": {"status": {}},
    }


PERMISSIVE: Final[dict[str, Any]] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "mpijobs.kubeflow.org"},
    "spec": {
        "group": "kubeflow.org",
        "scope": "Namespaced",
        "names": {
            "kind": "MPIJob",
            "listKind": "MPIJobList",
            "plural": "mpijobs",
            "singular": "mpijob",
        },
        "versions": [_version("v1", storage=False), _version("v2beta1", storage=True)],
    },
}
