"""Custom resources: pruning, defaults, validation, CEL rules."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpiop.local.apiserver.schema import (
    CustomKind,
    DecodeError,
    Gvk,
    check,
    check_status_update,
    check_update,
    custom_kinds,
    decode,
    default,
    prepare_create,
)

KEEP = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
REPLICA = {
    "type": "object",
    "properties": {
        "replicas": {"type": "integer", "minimum": 1, "default": 1},
        "template": {
            **KEEP,
            "properties": {
                "spec": {
                    **KEEP,
                    "required": ["containers"],
                    "properties": {
                        "containers": {
                            "type": "array",
                            "minItems": 1,
                            "items": {
                                **KEEP,
                                "required": ["name"],
                                "properties": {"name": {"type": "string"}},
                            },
                        }
                    },
                }
            },
        },
    },
}
SPEC = {
    "type": "object",
    "required": ["mpiReplicaSpecs"],
    "x-kubernetes-validations": [
        {
            "rule": "self.remoteShell == oldSelf.remoteShell",
            "message": "remoteShell is immutable",
            "fieldPath": ".remoteShell",
            "reason": "FieldValueForbidden",
        },
        {"rule": "!has(self.queue) || self.queue.matches('^[a-z]+$')"},
    ],
    "properties": {
        "slotsPerWorker": {"type": "integer", "minimum": 1, "default": 1},
        "remoteShell": {
            "type": "string",
            "enum": ["SSH", "KubectlExec"],
            "default": "SSH",
        },
        "queue": {"type": "string", "maxLength": 8},
        "when": {"type": "string", "format": "date-time", "nullable": True},
        "port": {"x-kubernetes-int-or-string": True},
        "ratio": {"type": "number", "exclusiveMinimum": True, "minimum": 0},
        "runPolicy": {
            "type": "object",
            "default": {},
            "properties": {"cleanPodPolicy": {"type": "string", "default": "None"}},
        },
        "hosts": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "size": {
                        "type": "integer",
                        "x-kubernetes-validations": [
                            {"rule": "self >= oldSelf", "message": "may only grow"}
                        ],
                    },
                },
            },
        },
        "mpiReplicaSpecs": {
            "type": "object",
            "maxProperties": 2,
            "additionalProperties": REPLICA,
            "x-kubernetes-validations": [
                {"rule": "'Launcher' in self", "message": "a Launcher is needed"},
                {
                    "rule": "self.all(k, k in ['Launcher', 'Worker'])",
                    "messageExpression": "'no such type, ' + string(size(self))",
                },
            ],
        },
    },
}
DEFINITION = {
    "spec": {
        "group": "kubeflow.org",
        "scope": "Namespaced",
        "names": {"plural": "mpijobs", "kind": "MPIJob", "shortNames": ["mj"]},
        "versions": [
            {
                "name": "v2beta1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "required": ["spec"],
                        "properties": {"spec": SPEC, "status": KEEP},
                    }
                },
            },
            {
                "name": "v1",
                "served": False,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            },
        ],
    }
}
(KIND,) = custom_kinds(DEFINITION)


def job(**spec: object) -> dict[str, Any]:
    obj: dict[str, Any] = {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "metadata": {"name": "j", "namespace": "default"},
        "spec": {"mpiReplicaSpecs": {"Launcher": {}}, **spec},
    }
    return obj


def create(obj: dict[str, Any], kind: CustomKind = KIND) -> list[str]:
    decode(kind, obj)
    default(kind, obj)
    prepare_create(kind, obj)
    return [str(error) for error in check(kind, obj)]


def test_only_served_versions_are_kinds() -> None:
    """What discovery needs comes from the definition."""
    assert KIND.gvk == Gvk("kubeflow.org/v2beta1", "MPIJob")
    assert (KIND.plural, KIND.singular, KIND.list_kind) == (
        "mpijobs",
        "mpijob",
        "MPIJobList",
    )
    assert KIND.status
    assert KIND.namespaced
    assert KIND.short_names == ("mj",)
    with pytest.raises(KeyError):
        CustomKind.from_crd(DEFINITION, "v3")


def test_defaults_reach_inside() -> None:
    """Defaults are filled at every level, also in values that are defaults."""
    obj = job()
    assert create(obj) == []
    assert obj["spec"] == {
        "slotsPerWorker": 1,
        "remoteShell": "SSH",
        "runPolicy": {"cleanPodPolicy": "None"},
        "mpiReplicaSpecs": {"Launcher": {"replicas": 1}},
    }
    other = job()
    create(other)
    other["spec"]["runPolicy"]["cleanPodPolicy"] = "All"
    third = job()
    create(third)
    assert third["spec"]["runPolicy"]["cleanPodPolicy"] == "None"


def test_a_status_does_not_come_with_creation() -> None:
    """Where status is a subresource, creation drops it."""
    obj = job() | {"status": {"phase": "Made up"}}
    assert create(obj) == []
    assert "status" not in obj


def test_unknown_fields_are_pruned_unless_kept() -> None:
    """A template passes byte for byte; a stray field of the spec is named."""
    template = {
        "metadata": {"x": {"y": None}},
        "spec": {"containers": [{"name": "a", "resources": {"request": {"cpu": 1}}}]},
    }
    obj = job(foo=1, mpiReplicaSpecs={"Launcher": {"template": template, "bar": 2}})
    obj["metadata"]["stray"] = 3
    obj["other"] = 4
    before = copy.deepcopy(template)
    assert sorted(decode(KIND, obj)) == [
        'unknown field "metadata.stray"',
        'unknown field "other"',
        'unknown field "spec.foo"',
        'unknown field "spec.mpiReplicaSpecs.Launcher.bar"',
    ]
    assert obj == job(mpiReplicaSpecs={"Launcher": {"template": before}})


def test_nulls_vanish_unless_nullable() -> None:
    """A null in a field that takes none is as if it were not there."""
    obj = job(slotsPerWorker=None, queue=None, when=None)
    assert create(obj) == []
    assert obj["spec"]["slotsPerWorker"] == 1
    assert "queue" not in obj["spec"]
    assert obj["spec"]["when"] is None


def test_metadata_is_decoded_strictly() -> None:
    """Metadata is the server's own type in custom resources, too."""
    obj = job()
    obj["metadata"]["labels"] = {"a": 1}
    with pytest.raises(DecodeError, match=r"ObjectMeta\.metadata\.labels\.a"):
        decode(KIND, obj)


R = "spec.mpiReplicaSpecs"


@pytest.mark.parametrize(
    ("spec", "cause"),
    [
        (
            {"slotsPerWorker": 0},
            (
                "spec.slotsPerWorker: Invalid value: 0: spec.slotsPerWorker in body "
                "should "
                "be greater than or equal to 1"
            ),
        ),
        (
            {"slotsPerWorker": "2"},
            (
                'spec.slotsPerWorker: Invalid value: "string": spec.slotsPerWorker '
                "in body "
                'must be of type integer: "string"'
            ),
        ),
        (
            {"slotsPerWorker": 1.5},
            (
                'spec.slotsPerWorker: Invalid value: "number": spec.slotsPerWorker '
                "in body "
                'must be of type integer: "number"'
            ),
        ),
        (
            {"remoteShell": "rsh"},
            (
                'spec.remoteShell: Unsupported value: "rsh": supported values: "SSH", '
                '"KubectlExec"'
            ),
        ),
        ({"queue": "a" * 9}, "spec.queue: Too long: may not be more than 8 bytes"),
        (
            {"when": "tomorrow"},
            (
                'spec.when: Invalid value: "tomorrow": spec.when in body must be of '
                "type "
                'date-time: "tomorrow"'
            ),
        ),
        (
            {"port": []},
            (
                'spec.port: Invalid value: "array": spec.port in body must be of type '
                'integer,string: "array"'
            ),
        ),
        (
            {"ratio": 0},
            "spec.ratio: Invalid value: 0: spec.ratio in body should be greater than 0",
        ),
        (
            {"hosts": [{"name": "a"}, {"name": "a"}]},
            'spec.hosts[1]: Duplicate value: {"name":"a"}',
        ),
        (
            {"mpiReplicaSpecs": {"Launcher": {}, "Worker": {}, "X": {}}},
            f"{R}: Too many: 3: must have at most 2 items",
        ),
        (
            {"mpiReplicaSpecs": {"Launcher": {"template": {"spec": {}}}}},
            f"{R}.Launcher.template.spec.containers: Required value",
        ),
        (
            {
                "mpiReplicaSpecs": {
                    "Launcher": {"template": {"spec": {"containers": []}}}
                }
            },
            (
                f"{R}.Launcher.template.spec.containers: Invalid value: 0: "
                f"{R}.Launcher."
                "template.spec.containers in body should have at least 1 items"
            ),
        ),
        (
            {"mpiReplicaSpecs": {"Worker": {}}},
            f'{R}: Invalid value: "object": a Launcher is needed',
        ),
        (
            {"mpiReplicaSpecs": {"Launcher": {}, "Boss": {}}},
            f'{R}: Invalid value: "object": no such type, 2',
        ),
        (
            {"queue": "UPPER"},
            (
                'spec: Invalid value: "object": failed rule: !has(self.queue) || '
                "self.queue.matches('^[a-z]+$')"
            ),
        ),
    ],
)
def test_a_bad_job_is_told_why(spec: dict[str, Any], cause: str) -> None:
    """The causes read as a real server writes them."""
    assert create(job(**spec))[0] == cause


@pytest.mark.parametrize(
    "spec",
    [
        {"slotsPerWorker": 2.0},
        {"port": 1},
        {"port": "ssh"},
        {"ratio": 1},
        {"ratio": 0.5},
        {"when": "2024-05-01T10:00:00Z"},
        {"when": "2024-05-01T10:00:00.123+02:00"},
        {"queue": "lower"},
    ],
)
def test_a_good_job_passes(spec: dict[str, Any]) -> None:
    """The corners of what is allowed are allowed."""
    assert create(job(**spec)) == []


def test_rules_wait_for_a_sound_object() -> None:
    """Rules are not judged on values of the wrong type, and it is said."""
    causes = create(job(remoteShell=5, mpiReplicaSpecs={}))
    assert len(causes) == 2
    assert causes[1].startswith("<nil>: Invalid value: null: some validation rules")


def test_missing_spec_is_required() -> None:
    """The path of a missing field is where it should be."""
    obj = job()
    del obj["spec"]
    assert create(obj)[0] == "spec: Required value"


def updated(**spec: object) -> list[str]:
    old = job(hosts=[{"name": "a", "size": 3}, {"name": "b", "size": 3}])
    create(old)
    new = copy.deepcopy(old)
    new["spec"] |= spec
    return [str(error) for error in check_update(KIND, old, new)]


@pytest.mark.parametrize(
    ("spec", "causes"),
    [
        ({}, []),
        ({"slotsPerWorker": 2}, []),
        (
            {"remoteShell": "KubectlExec"},
            ["spec.remoteShell: Forbidden: remoteShell is immutable"],
        ),
        ({"hosts": [{"name": "b", "size": 3}, {"name": "a", "size": 4}]}, []),
        (
            {"hosts": [{"name": "b", "size": 2}]},
            ['spec.hosts[0].size: Invalid value: "integer": may only grow'],
        ),
        ({"hosts": [{"name": "c", "size": 1}]}, []),
    ],
)
def test_transition_rules(spec: dict[str, Any], causes: list[str]) -> None:
    """A rule with oldSelf compares with the same place, found by key in map lists."""
    assert updated(**spec) == causes


def test_unchanged_trouble_is_let_through() -> None:
    """A stricter definition does not lock the objects that are there (ratcheting)."""
    old = job(slotsPerWorker=0, queue="UPPER", remoteShell="SSH", runPolicy={})
    new = copy.deepcopy(old)
    new["status"] = {"phase": "Running"}
    assert check_status_update(KIND, old, new) == []
    new["spec"]["runPolicy"] = {"cleanPodPolicy": "All"}
    assert [e.field for e in check_update(KIND, old, new)] == ["spec"]


def test_metadata_stays() -> None:
    """The uid of a custom resource is as fixed as a Pod's."""
    old = job()
    old["metadata"]["uid"] = "1"
    create(old)
    new = copy.deepcopy(old)
    new["metadata"]["uid"] = "2"
    assert [e.field for e in check_update(KIND, old, new)] == ["metadata.uid"]


def ruled(rule: str, **schema: object) -> CustomKind:
    spec = {
        "type": "object",
        "x-kubernetes-validations": [{"rule": rule, "message": "no"}],
        **schema,
    }
    definition = copy.deepcopy(DEFINITION)
    versions: Any = definition["spec"]["versions"]
    versions[0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = spec
    return custom_kinds(definition)[0]


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ("has(self.a) && self.a > 0", True),
        ("has(self.z)", False),
        ("has(self.z) ? self.z > 1 : true", True),
        ("self.m.exists(k, self.m[k].n == 2)", True),
        ("self.m.all(k, self.m[k].n < 2)", False),
        ("self.l.all(x, x.startsWith('h'))", True),
        ("self.l.filter(x, x.endsWith('2')).size() == 1", True),
        ("self.l.exists_one(x, x == 'h1')", True),
        ("size(self.s) <= 5 && self.s.contains('el')", True),
        ("self.s.lowerAscii() == 'hello'", True),
        ("self.l.join('-') == 'h1-h2'", True),
        ("self.a in [1, 2] || self.z == 3", True),
        ("self.a == 2 ? self.s == 'x' : self.s != 'x'", True),
        ("int('3') == 3 && string(self.a) == '1'", True),
        ("self.z > 1", False),
    ],
)
def test_the_language_of_rules(rule: str, *, holds: bool) -> None:
    """What the project's definition may use works as in a real server."""
    kind = ruled(rule, **{"x-kubernetes-preserve-unknown-fields": True})
    obj = job(a=1, s="Hello", l=["h1", "h2"], m={"x": {"n": 1}, "y": {"n": 2}})
    assert (create(obj, kind) == []) == holds


def test_a_rule_that_fails_to_run_refuses() -> None:
    """A missing key is told as the cause, not passed over."""
    (cause,) = create(job(), ruled("self.z > 1", additionalProperties=True))
    assert cause == (
        'spec: Invalid value: "object": no such key: z evaluating rule: no'
    )


def test_embedded_resources_keep_their_identity() -> None:
    """A whole object inside an object has metadata that is pruned as metadata."""
    inner = {"x-kubernetes-embedded-resource": True, **KEEP}
    kind = ruled("true", properties={"pod": inner})
    obj = job(
        pod={"kind": "Pod", "metadata": {"name": "p", "zzz": 1}, "spec": {"a": 1}}
    )
    unknown = decode(kind, obj)
    assert 'unknown field "spec.pod.metadata.zzz"' in unknown
    assert obj["spec"]["pod"] == {
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"a": 1},
    }


def test_alternatives() -> None:
    """anyOf, oneOf, allOf and not are judged."""
    kind = ruled(
        "true",
        properties={
            "a": {"type": "integer", "anyOf": [{"minimum": 5}, {"maximum": 1}]},
            "b": {"type": "integer", "oneOf": [{"minimum": 5}, {"maximum": 6}]},
            "c": {"type": "integer", "allOf": [{"minimum": 5}, {"maximum": 6}]},
            "d": {"type": "integer", "not": {"minimum": 5}},
        },
    )
    fields = [
        cause.partition(":")[0] for cause in create(job(a=3, b=5, c=7, d=6), kind)
    ]
    assert fields == ["spec.a", "spec.b", "spec.c", "spec.d"]
    assert create(job(a=1, b=7, c=5, d=4), kind) == []


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 2)
    | st.floats(-1, 2)
    | st.sampled_from(["", "SSH", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "mpiReplicaSpecs",
                    "Launcher",
                    "replicas",
                    "template",
                    "spec",
                    "containers",
                    "name",
                    "hosts",
                    "size",
                    "queue",
                    "zzz",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(VALUES, VALUES)
def test_judging_is_total_and_pruning_idempotent(spec: object, before: object) -> None:
    """Any JSON is judged without an exception; pruned and defaulted twice is once."""
    obj, old = job() | {"spec": spec}, job() | {"spec": before}
    for one in (obj, old):
        create(one)
    check_update(KIND, old, obj)
    again = copy.deepcopy(obj)
    assert decode(KIND, again) == []
    default(KIND, again)
    assert again == obj
