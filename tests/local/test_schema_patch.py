"""Patches of all three kinds."""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpiop.local.apiserver.schema import CustomKind, Gvk, PatchError, apply_patch

POD = Gvk("v1", "Pod")
STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json; charset=utf-8"

KEYS = st.sampled_from(["a", "b", "c/d", "e~f", ""])
SCALARS = st.booleans() | st.integers(-3, 3) | st.text(max_size=2)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


def merge_diff(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    patch: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        was = old.get(key)
        if isinstance(was, dict) and isinstance(value, dict):
            patch[key] = merge_diff(was, value)
        else:
            patch[key] = value
    return patch


@settings(deadline=None)
@given(OBJECTS, OBJECTS)
def test_merge_patch_round_trip(old: dict[str, Any], new: dict[str, Any]) -> None:
    """The difference of two objects, applied to the first, gives the second."""
    before = copy.deepcopy(old)
    assert apply_patch(MERGE, POD, old, merge_diff(old, new)) == new
    assert old == before


def json_diff(old: dict[str, Any], new: dict[str, Any], at: str) -> list[Any]:
    patch: list[Any] = []
    for key in old.keys() | new.keys():
        path = f"{at}/{key.replace('~', '~0').replace('/', '~1')}"
        if key not in new:
            patch.append({"op": "remove", "path": path})
        elif key not in old:
            patch.append({"op": "add", "path": path, "value": new[key]})
        elif isinstance(old[key], dict) and isinstance(new[key], dict):
            patch += json_diff(old[key], new[key], path)
        else:
            patch.append({"op": "test", "path": path, "value": old[key]})
            patch.append({"op": "replace", "path": path, "value": new[key]})
    return patch


@settings(deadline=None)
@given(OBJECTS, OBJECTS)
def test_json_patch_round_trip(old: dict[str, Any], new: dict[str, Any]) -> None:
    """A patch of tests, adds, removes and replaces leads from one to the other."""
    before = copy.deepcopy(old)
    assert apply_patch(JSON, POD, old, json_diff(old, new, "")) == new
    assert old == before


def status(media: str, old: dict[str, Any], patch: object) -> int:
    try:
        apply_patch(media, POD, old, patch)
    except PatchError as error:
        return error.status
    return 200


@settings(deadline=None)
@given(OBJECTS, VALUES)
def test_json_patch_fails_in_its_own_way(old: dict[str, Any], value: object) -> None:
    """Whatever is sent as a patch, the only failure is PatchError."""
    for patch in (value, [value], [{"op": "copy", "from": "/a/0", "path": "/b/-"}]):
        assert status(JSON, old, patch) in {200, 400, 422}


@pytest.mark.parametrize(
    ("patch", "result"),
    [
        ([{"op": "add", "path": "/l/1", "value": 9}], [1, 9, 2, 3]),
        ([{"op": "add", "path": "/l/-", "value": 9}], [1, 2, 3, 9]),
        ([{"op": "remove", "path": "/l/0"}], [2, 3]),
        ([{"op": "replace", "path": "/l/2", "value": 9}], [1, 2, 9]),
        ([{"op": "move", "from": "/l/0", "path": "/l/2"}], [2, 3, 1]),
        ([{"op": "copy", "from": "/l/0", "path": "/l/0"}], [1, 1, 2, 3]),
        ([{"op": "test", "path": "/absent", "value": None}], [1, 2, 3]),
    ],
)
def test_json_patch_on_lists(patch: list[Any], result: list[int]) -> None:
    """Indices, the end, and an absent field that is tested for null."""
    assert apply_patch(JSON, POD, {"l": [1, 2, 3]}, patch) == {"l": result}


@pytest.mark.parametrize(
    ("operation", "why"),
    [
        ({"op": "test", "path": "/a", "value": 2}, "testing value /a failed"),
        ({"op": "test", "path": "/a", "value": True}, "testing value /a failed"),
        ({"op": "replace", "path": "/b/c", "value": 2}, "missing path: /b/c"),
        ({"op": "remove", "path": "/b"}, "missing path: /b"),
        ({"op": "add", "path": "/b/c", "value": 2}, "missing path: /b/c"),
        ({"op": "add", "path": "/l/5", "value": 2}, "no index '5'"),
        ({"op": "jump", "path": "/a"}, "unexpected kind: jump"),
        ({"op": "add", "path": "/a"}, "add needs value"),
        ({"op": "move", "from": "/l", "path": "/l/0"}, "into itself"),
    ],
)
def test_json_patch_that_does_not_fit_is_422(
    operation: dict[str, Any], why: str
) -> None:
    """A failed test, above all, is Invalid, and leaves the object as it was."""
    old = {"a": 1, "l": [1]}
    with pytest.raises(PatchError, match=why) as caught:
        apply_patch(
            JSON, POD, old, [{"op": "add", "path": "/z", "value": 1}, operation]
        )
    assert (caught.value.status, caught.value.reason) == (422, "Invalid")
    assert old == {"a": 1, "l": [1]}


@pytest.mark.parametrize(
    ("media", "patch", "answer"),
    [
        (JSON, {}, 400),
        (JSON, [{"op": "add"}], 400),
        (MERGE, [], 400),
        (STRATEGIC, "x", 400),
        ("application/apply-patch+yaml", {}, 415),
        ("text/plain", {}, 415),
        (STRATEGIC, {"spec": {"$patch": "burn"}}, 400),
        (STRATEGIC, {"spec": {"containers": [{"image": "b"}]}}, 400),
        (JSON, [{"op": "replace", "path": "", "value": 3}], 400),
    ],
)
def test_malformed_patches(media: str, patch: object, answer: int) -> None:
    """What is no patch is a BadRequest, what is not served a 415."""
    assert status(media, {"spec": {}}, patch) == answer


def test_custom_resources_take_no_strategic_patch() -> None:
    """As on a real server, a custom resource answers 415 and names what it takes."""
    kind = CustomKind(Gvk("g/v1", "K"), "ks", "k", "KList", namespaced=True)
    with pytest.raises(PatchError) as caught:
        apply_patch(STRATEGIC, kind, {}, {})
    assert caught.value.status == 415
    assert STRATEGIC not in caught.value.message
    assert apply_patch(MERGE, kind, {"a": 1}, {"a": None}) == {}


def spec(**fields: object) -> dict[str, Any]:
    return {"spec": fields}


CONTAINERS = spec(
    containers=[
        {"name": "a", "image": "1", "ports": [{"containerPort": 1, "name": "x"}]},
        {"name": "b", "image": "2"},
        {"name": "c", "image": "3"},
    ]
)


def strategic(old: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    before = copy.deepcopy((old, patch))
    result = apply_patch(STRATEGIC, POD, old, patch)
    assert (old, patch) == before
    return result


def names(obj: dict[str, Any]) -> list[str]:
    return [container["name"] for container in obj["spec"]["containers"]]


def test_items_are_merged_by_key() -> None:
    """A container is found by name, a port by number, and the rest is kept."""
    patch = spec(
        containers=[
            {"name": "a", "ports": [{"containerPort": 1, "protocol": "UDP"}]},
            {"name": "b", "image": None, "tty": True},
            {"name": "d"},
        ]
    )
    result = strategic(CONTAINERS, patch)
    assert sorted(names(result)) == ["a", "b", "c", "d"]
    found = {one["name"]: one for one in result["spec"]["containers"]}
    assert found["a"] == {
        "name": "a",
        "image": "1",
        "ports": [{"containerPort": 1, "name": "x", "protocol": "UDP"}],
    }
    assert found["b"] == {"name": "b", "tty": True}


@pytest.mark.parametrize(
    ("patch", "wanted"),
    [
        ({"containers": [{"name": "b", "$patch": "delete"}]}, ["a", "c"]),
        ({"containers": [{"name": "z"}, {"$patch": "replace"}]}, ["z"]),
        (
            {
                "$setElementOrder/containers": [{"name": n} for n in "cba"],
                "containers": [{"name": "a", "tty": True}],
            },
            ["c", "b", "a"],
        ),
        (
            {"$setElementOrder/containers": [{"name": n} for n in "cba"]},
            ["c", "b", "a"],
        ),
        # d is new and asked to be first; a is the server's and stays before b
        (
            {
                "$setElementOrder/containers": [{"name": n} for n in "dbc"],
                "containers": [{"name": "d"}],
            },
            ["d", "a", "b", "c"],
        ),
        ({"$patch": "replace", "containers": [{"name": "q"}]}, ["q"]),
        ({"$retainKeys": ["containers"]}, ["a", "b", "c"]),
    ],
)
def test_directives_on_lists(patch: dict[str, Any], wanted: list[str]) -> None:
    """Deletion, replacement and order of the items of a keyed list."""
    assert names(strategic(CONTAINERS, {"spec": patch})) == wanted


def test_retain_keys_switches_a_volume() -> None:
    """An apply changes the source of a volume with $retainKeys."""
    old = spec(volumes=[{"name": "v", "emptyDir": {}}])
    patch = spec(
        volumes=[{"name": "v", "$retainKeys": ["name", "secret"], "secret": {"x": "y"}}]
    )
    assert strategic(old, patch) == spec(volumes=[{"name": "v", "secret": {"x": "y"}}])


def test_finalizers_are_a_set() -> None:
    """Lists of plain values merge by union, and lose values by directive."""
    old = {"metadata": {"finalizers": ["a", "b"]}}
    added = strategic(old, {"metadata": {"finalizers": ["b", "c"]}})
    assert sorted(added["metadata"]["finalizers"]) == ["a", "b", "c"]
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}}
    assert strategic(old, patch) == {"metadata": {"finalizers": ["b"]}}


def test_owners_merge_by_uid() -> None:
    """Owners are found by uid, conditions by type."""
    old = {
        "metadata": {"ownerReferences": [{"uid": "1", "name": "a"}]},
        "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "x"}]},
    }
    patch = {
        "metadata": {"ownerReferences": [{"uid": "2", "name": "b"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    }
    result = strategic(old, patch)
    owners = result["metadata"]["ownerReferences"]
    assert {owner["uid"] for owner in owners} == {"1", "2"}
    assert result["status"]["conditions"] == [
        {"type": "Ready", "status": "True", "reason": "x"}
    ]


def test_other_lists_are_replaced() -> None:
    """Lists such as tolerations have no merge key."""
    old = spec(tolerations=[{"key": "a"}], nodeSelector={"x": "1", "y": "2"})
    patch = spec(tolerations=[{"key": "b"}], nodeSelector={"x": None})
    assert strategic(old, patch) == spec(
        tolerations=[{"key": "b"}], nodeSelector={"y": "2"}
    )


NAMED = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from("abcd")}, optional={"image": SCALARS}
    ),
    max_size=4,
    unique_by=lambda item: item["name"],
)


@settings(deadline=None)
@given(NAMED, NAMED, st.permutations("abcd"))
def test_strategic_merge_is_idempotent(
    live: list[Any], patch: list[Any], order: list[str]
) -> None:
    """Applied twice is applied once; every name is there once; the order is kept."""
    change = spec(
        **{
            "containers": patch,
            "$setElementOrder/containers": [{"name": name} for name in order],
        }
    )
    once = strategic(spec(containers=live), change)
    assert strategic(once, change) == once
    wanted = {item["name"] for item in (*live, *patch)}
    assert names(once) == [name for name in order if name in wanted]


PATCHES: st.SearchStrategy[Any] = st.recursive(
    SCALARS | st.none(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "containers",
                    "name",
                    "env",
                    "$patch",
                    "$retainKeys",
                    "$setElementOrder/containers",
                    "finalizers",
                    "$deleteFromPrimitiveList/finalizers",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(PATCHES, PATCHES)
def test_strategic_merge_fails_in_its_own_way(meta: object, change: object) -> None:
    """Whatever is sent, the only failure is a PatchError."""
    old = CONTAINERS | {"metadata": {"finalizers": ["a"]}}
    patch = {"metadata": meta, "spec": change}
    assert status(STRATEGIC, old, patch) in {200, 400}
