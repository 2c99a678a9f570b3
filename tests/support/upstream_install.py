"""The installation of an operator before this one, without the definition of jobs."""

import json
from typing import Any, Final

from tests.support.deployed import NAME

Obj = dict[str, Any]
ACCOUNT: Final = f"system:serviceaccount:{NAME}:{NAME}"
_LABELS: Final = {"app": "mpi-operator"}
_RBAC: Final = "rbac.authorization.k8s.io"


def manifest(*, namespace: bool = True) -> str:
    """Give it as JSON: ours has the same namespace, account and Deployment by name.

    Args:
        namespace: else it goes into the one that is there, as a chart does.
    """
    items = [_object("v1", "Namespace", "")] if namespace else []
    items += [_object("v1", "ServiceAccount"), _role(), _binding(), _deployment()]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


def _object(version: str, kind: str, namespace: str = NAME, **more: object) -> Obj:
    meta = {"name": NAME, "labels": _LABELS}
    if namespace:
        meta["namespace"] = namespace
    return {"apiVersion": version, "kind": kind, "metadata": meta, **more}


def _role() -> Obj:
    """Give its rights in part: some that ours has not."""
    every = ["create", "get", "list", "watch", "update"]
    rules = [
        {"apiGroups": [""], "resources": ["secrets", "configmaps"], "verbs": every},
        {"apiGroups": ["kubeflow.org"], "resources": ["mpijobs"], "verbs": ["*"]},
    ]
    return _object(f"{_RBAC}/v1", "ClusterRole", "", rules=rules)


def _binding() -> Obj:
    role = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": NAME}
    subject = {"kind": "ServiceAccount", "name": NAME, "namespace": NAME}
    more = {"roleRef": role, "subjects": [subject]}
    return _object(f"{_RBAC}/v1", "ClusterRoleBinding", "", **more)


def _deployment() -> Obj:
    """Give its Deployment, which has neither probes nor a security context."""
    container = {"name": NAME, "image": "theirs:1", "args": ["-alsologtostderr"]}
    pod = {"serviceAccountName": NAME, "containers": [container]}
    spec = {
        "replicas": 1,
        "selector": {"matchLabels": _LABELS},
        "template": {"metadata": {"labels": _LABELS}, "spec": pod},
    }
    return _object("apps/v1", "Deployment", spec=spec)
