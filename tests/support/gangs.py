"""Definitions of the gang schedulers' PodGroups, with the fields that they publish.

Written for these tests: the schedulers' own definitions are theirs. Kubernetes' own
PodGroup is built into a real API server; here it stands in for that.
"""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from mpiop.local.apiserver.schema.structure import Node, named
from mpiop.local.client import Resource

Schema = dict[str, Any]
_TEXT: Final[Schema] = {"type": "string"}
_COUNT: Final[Schema] = {"type": "integer", "format": "int32"}
_OPEN: Final[Schema] = {
    "type": "object",
    "x-kubernetes-preserve-unknown-fields": True,
}
_RESOURCES: Final[Schema] = {
    "type": "object",
    "additionalProperties": {
        "anyOf": [{"type": "integer"}, {"type": "string"}],
        "x-kubernetes-int-or-string": True,
    },
}


def _fields(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties}


def _conditions(time: str) -> Schema:
    names = ("type", "status", "reason", "message", "transitionID", time)
    return {"type": "array", "items": _fields(**dict.fromkeys(names, _TEXT))}


def _definition(group: str, version: str, spec: Schema, status: Schema) -> Schema:
    schema = _fields(spec=spec, status=status)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"podgroups.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {
                "kind": "PodGroup",
                "listKind": "PodGroupList",
                "plural": "podgroups",
                "singular": "podgroup",
            },
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


DEFINITIONS: Final[Mapping[str, Schema]] = {
    "volcano": _definition(
        "scheduling.volcano.sh",
        "v1beta1",
        _fields(
            minMember=_COUNT,
            minTaskMember={"type": "object", "additionalProperties": _COUNT},
            queue={**_TEXT, "default": "default"},
            priorityClassName=_TEXT,
            minResources=_RESOURCES,
        ),
        _fields(
            phase=_TEXT,
            conditions=_conditions("lastTransitionTime"),
            running=_COUNT,
            succeeded=_COUNT,
            failed=_COUNT,
        ),
    ),
    "scheduler-plugins": _definition(
        "scheduling.x-k8s.io",
        "v1alpha1",
        _fields(
            minMember=_COUNT, minResources=_RESOURCES, scheduleTimeoutSeconds=_COUNT
        ),
        _fields(
            phase=_TEXT,
            occupiedBy=_TEXT,
            running=_COUNT,
            succeeded=_COUNT,
            failed=_COUNT,
            scheduleStartTime=_TEXT,
        ),
    ),
    "kubernetes": _definition(
        "scheduling.k8s.io",
        "v1beta1",
        _fields(
            schedulingPolicy=_fields(gang=_fields(minCount=_COUNT), basic=_OPEN),
            disruptionMode=_fields(single=_OPEN, all=_OPEN),
            priorityClassName=_TEXT,
            priority=_COUNT,
        ),
        _fields(conditions=_conditions("lastTransitionTime")),
    ),
}


def know_scheduling_groups(patch: pytest.MonkeyPatch) -> None:
    """Let the embedded server keep the Pod's field, as with gate GenericWorkload."""
    group = Node("struct", "v1.PodSchedulingGroup")
    group.fields["podGroupName"] = Node("string", "string")
    pod = named("io.k8s.api.core.v1.PodSpec")
    patch.setitem(pod.fields, "schedulingGroup", group)


POD_GROUPS: Final[Mapping[str, Resource]] = {
    "volcano": Resource("scheduling.volcano.sh/v1beta1", "podgroups"),
    "scheduler-plugins": Resource("scheduling.x-k8s.io/v1alpha1", "podgroups"),
    "kubernetes": Resource("scheduling.k8s.io/v1beta1", "podgroups"),
}
