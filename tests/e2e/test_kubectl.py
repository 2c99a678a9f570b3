"""The real kubectl against the embedded API server, over TLS, without a kubelet."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.kubectl import DEADLINE, Kubectl, serve

TOY = """
apiVersion: toys.test/v1
kind: Toy
metadata: {name: one, labels: {app: x}}
spec: {size: 4}
"""
DEFINITION = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: toys.toys.test}
spec:
  group: toys.test
  scope: Namespaced
  names: {kind: Toy, plural: toys, shortNames: [ty], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              size: {type: integer, default: 3, description: How large it is.}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: x}}
spec:
  containers: [{name: main, image: "image:1", command: [sleep, "10"]}]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A server's folder: its kubeconfig, and kubectl's home."""
    path = tmp_path_factory.mktemp("api")
    up, down = threading.Event(), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(serve(path, up, down)))
    thread.start()
    try:
        assert up.wait(DEADLINE)
        Kubectl(path).run("apply", "-f", "-", stdin=DEFINITION)
        yield path
    finally:
        down.set()
        thread.join(DEADLINE)


@pytest.fixture
def kubectl(folder: Path, request: pytest.FixtureRequest) -> Kubectl:
    name = request.node.name.replace("_", "-").partition("[")[0]
    one = Kubectl(folder, name)
    one.run("create", "namespace", name)
    one.run("create", "serviceaccount", "default")
    return one


def size(kubectl: Kubectl) -> str:
    return kubectl.run("get", "toy", "one", "-o", "jsonpath={.spec.size}")[0]


def test_apply(kubectl: Kubectl) -> None:
    """Applying creates, changes, leaves alone and removes as the file says."""
    for text, said in (
        (TOY, "created"),
        (TOY, "unchanged"),
        (TOY.replace("4", "5"), "configured"),
    ):
        out, err = kubectl.run("apply", "-f", "-", stdin=text)
        assert (out, err) == (f"toy.toys.test/one {said}\n", "")
    assert size(kubectl) == "5"
    labels = kubectl.run("get", "toy", "one", "-o", "jsonpath={.metadata.labels}")[0]
    assert json.loads(labels) == {"app": "x"}
    kubectl.run("apply", "-f", "-", stdin=TOY.replace(", labels: {app: x}", ""))
    assert kubectl.run("get", "toys", "-l", "app=x")[0] == ""


def test_apply_builtin(kubectl: Kubectl) -> None:
    """A built-in kind is applied by a strategic merge patch."""
    kubectl.run("apply", "-f", "-", stdin=POD)
    newer = POD.replace("image:1", "image:2")
    assert kubectl.run("apply", "-f", "-", stdin=newer)[0] == "pod/one configured\n"
    path = "jsonpath={.spec.containers[0].image}"
    assert kubectl.run("get", "pod", "one", "-o", path)[0] == "image:2"


def test_strict_by_default(kubectl: Kubectl) -> None:
    """A misspelt field is refused, or warned about and dropped where asked for."""
    wrong = TOY.replace("size", "sise")
    refused = kubectl.fail("apply", "-f", "-", stdin=wrong)
    assert 'strict decoding error: unknown field "spec.sise"' in refused
    _, err = kubectl.run("apply", "--validate=warn", "-f", "-", stdin=wrong)
    assert err == 'Warning: unknown field "spec.sise"\n'
    assert size(kubectl) == "3"


def test_server_side_apply_is_refused(kubectl: Kubectl) -> None:
    """Server-side apply is not served, and kubectl says so."""
    refused = kubectl.fail("apply", "--server-side", "-f", "-", stdin=TOY)
    assert "Server-side apply not available on the server" in refused


def test_create(kubectl: Kubectl) -> None:
    """Creating twice tells that the object exists."""
    assert kubectl.run("create", "-f", "-", stdin=TOY)[0] == (
        "toy.toys.test/one created\n"
    )
    again = kubectl.fail("create", "-f", "-", stdin=TOY)
    assert again.startswith("Error from server (AlreadyExists): ")
    assert 'toys.toys.test "one" already exists' in again


def test_create_dry_run(kubectl: Kubectl) -> None:
    """A dry run on the server shows the defaults and keeps nothing."""
    text = TOY.replace("{size: 4}", "{}")
    arguments = ("create", "--dry-run=server", "-o", "yaml", "-f", "-")
    assert "size: 3" in kubectl.run(*arguments, stdin=text)[0]
    assert "NotFound" in kubectl.fail("get", "toy", "one")


def test_create_by_name(kubectl: Kubectl) -> None:
    """What kubectl makes itself, and sends as protobuf, arrives whole."""
    kubectl.run("create", "configmap", "c", "--from-literal=a=b")
    kubectl.run("create", "secret", "generic", "s", "--from-literal=a=b")
    kubectl.run("create", "job", "j", "--image=image:1", "--", "true")
    data = "jsonpath={.data}"
    assert kubectl.run("get", "configmap", "c", "-o", data)[0] == '{"a":"b"}'
    assert kubectl.run("get", "secret", "s", "-o", data)[0] == '{"a":"Yg=="}'
    path = "jsonpath={.spec.template.spec.containers[0].command}"
    assert kubectl.run("get", "job", "j", "-o", path)[0] == '["true"]'


def test_invalid(kubectl: Kubectl) -> None:
    """What the schema refuses is shown with its field."""
    refused = kubectl.fail("create", "-f", "-", stdin=TOY.replace("4", "many"))
    assert 'The Toy "one" is invalid: spec.size: Invalid value: "string"' in refused


def test_get(kubectl: Kubectl) -> None:
    """Tables have the columns of the definition and of kubectl's own kinds."""
    assert kubectl.run("get", "toys")[1] == (
        f"No resources found in {kubectl.namespace} namespace.\n"
    )
    kubectl.run("create", "-f", "-", stdin=TOY)
    kubectl.run("create", "-f", "-", stdin=POD)
    lines = kubectl.run("get", "ty")[0].splitlines()
    assert [line.split() for line in lines] == [["NAME", "SIZE"], ["one", "4"]]
    lines = kubectl.run("get", "pods", "-o", "wide")[0].splitlines()
    assert lines[0].split()[:6] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP"]
    assert lines[1].split()[:4] == ["one", "0/1", "Pending", "0"]
    everything = kubectl.run("get", "all", "-o", "name")[0]
    assert everything.split() == ["pod/one", "toy.toys.test/one"]
    text = kubectl.run("get", "toy", "one", "-o", "yaml")[0]
    assert text.startswith("apiVersion: toys.test/v1\nkind: Toy\nmetadata:\n")
    assert "managedFields" not in text


def test_get_selected(kubectl: Kubectl) -> None:
    """Selectors choose by labels and by fields."""
    kubectl.run("create", "-f", "-", stdin=POD)
    for arguments, found in (
        (("-l", "app=x"), "pod/one\n"),
        (("-l", "app notin (x,y)"), ""),
        (("--field-selector", "status.phase=Pending"), "pod/one\n"),
        (("--field-selector", "status.phase=Running"), ""),
    ):
        assert kubectl.run("get", "pods", "-o", "name", *arguments)[0] == found
    refused = kubectl.fail("get", "pods", "--field-selector", "color=red")
    assert "field label not supported: color" in refused


def test_get_watch(kubectl: Kubectl) -> None:
    """A watch prints a line for what is there and for each change."""
    kubectl.run("create", "-f", "-", stdin=TOY)
    watching = kubectl.start("get", "toys", "-w", "--output-watch-events")
    assert watching.stdout is not None
    try:
        assert watching.stdout.readline().split() == ["EVENT", "NAME", "SIZE"]
        assert watching.stdout.readline().split() == ["ADDED", "one", "4"]
        body = json.dumps({"spec": {"size": 9}})
        kubectl.run("patch", "toy", "one", "--type=merge", "-p", body)
        assert watching.stdout.readline().split() == ["MODIFIED", "one", "9"]
        kubectl.run("delete", "toy", "one")
        assert watching.stdout.readline().split() == ["DELETED", "one", "9"]
    finally:
        watching.terminate()
        watching.communicate(timeout=DEADLINE)


def test_describe(kubectl: Kubectl) -> None:
    """A description shows the object and its Events."""
    kubectl.run("create", "-f", "-", stdin=POD)
    uid = kubectl.run("get", "pod", "one", "-o", "jsonpath={.metadata.uid}")[0]
    about = {"kind": "Pod", "name": "one", "namespace": kubectl.namespace, "uid": uid}
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "involvedObject": {**about, "apiVersion": "v1"},
        "reason": "Tested",
        "message": "it was looked at",
        "type": "Normal",
        "source": {"component": "test"},
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "count": 1,
    }
    kubectl.run("create", "-f", "-", stdin=json.dumps(event))
    text = kubectl.run("describe", "pod", "one")[0]
    assert "image:1" in text
    assert "Normal  Tested" in text
    assert "it was looked at" in text
    for arguments in (("events",), ("events", "--for", "pod/one"), ("get", "events")):
        assert "it was looked at" in kubectl.run(*arguments)[0]


def test_edit(kubectl: Kubectl) -> None:
    """An edit is applied, a wrong one refused, an empty one cancelled."""
    kubectl.run("create", "-f", "-", stdin=TOY)
    out = kubectl.run("edit", "toy", "one", KUBE_EDITOR="sed -i s/size:.4/size:\\ 7/")
    assert out[0] == "toy.toys.test/one edited\n"
    assert size(kubectl) == "7"
    unchanged = kubectl.run("edit", "toy", "one", KUBE_EDITOR="true")
    assert "no changes made" in unchanged[1]
    wrong = kubectl.outcome(
        "edit", "toy", "one", stdin="", KUBE_EDITOR="sed -i s/size:.7/size:\\ x/"
    )
    assert wrong.returncode != 0
    assert "is invalid" in wrong.stderr


@pytest.mark.parametrize(
    ("type_", "patch"),
    [
        ("merge", {"metadata": {"labels": {"a": "1"}}}),
        ("strategic", {"metadata": {"labels": {"a": "1"}}}),
        ("json", [{"op": "add", "path": "/metadata/labels/a", "value": "1"}]),
    ],
)
def test_patch(folder: Path, type_: str, patch: object) -> None:
    """All three kinds of patches are taken."""
    kubectl = Kubectl(folder, f"patch-{type_}")
    kubectl.run("create", "namespace", kubectl.namespace)
    kubectl.run("create", "serviceaccount", "default")
    kubectl.run("create", "-f", "-", stdin=POD)
    body = json.dumps(patch)
    out = kubectl.run("patch", "pod", "one", f"--type={type_}", "-p", body)[0]
    assert out == "pod/one patched\n"
    labels = kubectl.run("get", "pod", "one", "-o", "jsonpath={.metadata.labels}")[0]
    assert json.loads(labels) == {"app": "x", "a": "1"}


def test_patch_status(kubectl: Kubectl) -> None:
    """A status is patched through its subresource."""
    kubectl.run("create", "-f", "-", stdin=TOY)
    body = json.dumps({"status": {"phase": "Done"}})
    arguments = ("patch", "toy", "one", "--type=merge", "-p", body)
    kubectl.run(*arguments, "--subresource=status")
    path = "jsonpath={.status.phase}"
    assert kubectl.run("get", "toy", "one", "-o", path)[0] == "Done"


def test_label_and_annotate(kubectl: Kubectl) -> None:
    """Labels and annotations are set and taken away."""
    kubectl.run("create", "-f", "-", stdin=TOY)
    kubectl.run("label", "toy", "one", "a=1", "app-")
    kubectl.run("annotate", "toy", "one", "b=2")
    meta = json.loads(kubectl.run("get", "toy", "one", "-o", "json")[0])["metadata"]
    assert (meta["labels"], meta["annotations"]) == ({"a": "1"}, {"b": "2"})


def test_replace(kubectl: Kubectl) -> None:
    """A stale object does not replace a newer one."""
    kubectl.run("create", "-f", "-", stdin=TOY)
    stale = kubectl.run("get", "toy", "one", "-o", "yaml")[0]
    kubectl.run("label", "toy", "one", "a=1")
    refused = kubectl.fail("replace", "-f", "-", stdin=stale)
    assert "(Conflict)" in refused
    assert "the object has been modified" in refused


def test_wait(kubectl: Kubectl) -> None:
    """Waiting ends with a condition, a field's value, or the object's end."""
    kubectl.run("create", "-f", "-", stdin=TOY)
    condition = {"type": "Ready", "status": "True"}
    body = json.dumps({"status": {"conditions": [condition]}})
    target = ("toy/one", "--timeout=30s")
    waits = [
        kubectl.start("wait", "--for=condition=Ready", *target),
        kubectl.start("wait", "--for=jsonpath={.spec.size}=9", *target),
        kubectl.start("wait", "--for=delete", *target),
    ]
    change = ("patch", "toy", "one", "--type=merge", "-p")
    steps = (
        (*change, body, "--subresource=status"),
        (*change, json.dumps({"spec": {"size": 9}})),
        ("delete", "toy", "one"),
    )
    for wait, step in zip(waits, steps, strict=True):
        kubectl.run(*step)
        out, _ = wait.communicate(timeout=DEADLINE)
        assert (wait.returncode, out) == (0, "toy.toys.test/one condition met\n")
    created = POD.replace("one", "two")
    kubectl.run("create", "-f", "-", stdin=created)
    late = kubectl.fail("wait", "--for=condition=Ready", "pod/two", "--timeout=1s")
    assert "timed out waiting" in late


def test_delete(kubectl: Kubectl) -> None:
    """A deletion waits until the object is gone, finalizers included."""
    held = TOY.replace("labels:", "finalizers: [test/hold], labels:")
    kubectl.run("create", "-f", "-", stdin=held)
    deleting = kubectl.start("delete", "toy", "one")
    end = time.monotonic() + DEADLINE
    path = "jsonpath={.metadata.deletionTimestamp}"
    while not kubectl.run("get", "toy", "one", "-o", path)[0]:
        assert time.monotonic() < end
    body = json.dumps({"metadata": {"finalizers": None}})
    kubectl.run("patch", "toy", "one", "--type=merge", "-p", body)
    out, _ = deleting.communicate(timeout=DEADLINE)
    assert deleting.returncode == 0
    assert out == f'toy.toys.test "one" deleted from {kubectl.namespace} namespace\n'
    assert "NotFound" in kubectl.fail("delete", "toy", "one")
    kubectl.run("delete", "toy", "one", "--ignore-not-found")


def test_delete_collection(kubectl: Kubectl) -> None:
    """Objects are deleted by selector, and all of them."""
    for name, app in (("a", "x"), ("b", "z"), ("c", "x")):
        text = TOY.replace("one", name).replace("app: x", f"app: {app}")
        kubectl.run("create", "-f", "-", stdin=text)
    kubectl.run("delete", "toys", "-l", "app=x")
    assert kubectl.run("get", "toys", "-o", "name")[0] == "toy.toys.test/b\n"
    kubectl.run("delete", "toys", "--all", "--wait=false")
    assert kubectl.run("get", "toys", "-o", "name")[0] == ""


def test_api_resources(kubectl: Kubectl) -> None:
    """Kinds are listed with short names and categories."""
    lines = kubectl.run("api-resources", "--no-headers")[0].splitlines()
    found = {line.split()[0]: line.split()[1:] for line in lines}
    assert found["toys"] == ["ty", "toys.test/v1", "true", "Toy"]
    assert found["jobs"] == ["batch/v1", "true", "Job"]
    assert "toys.test/v1" in kubectl.run("api-versions")[0]


def test_explain(kubectl: Kubectl) -> None:
    """Fields are explained, those of custom resources too."""
    assert "How large it is." in kubectl.run("explain", "toy.spec.size")[0]
    assert "container" in kubectl.run("explain", "pod.spec.containers")[0]


def test_can_i(kubectl: Kubectl) -> None:
    """Rights are told for oneself and, to the administrator, for others."""
    account = f"--as=system:serviceaccount:{kubectl.namespace}:default"
    binding = f"--serviceaccount={kubectl.namespace}:default"
    kubectl.run("create", "role", "r", "--verb=get", "--resource=toys.toys.test")
    kubectl.run("create", "rolebinding", "r", "--role=r", binding)
    assert kubectl.run("auth", "can-i", "create", "pods")[0] == "yes\n"
    assert kubectl.run("auth", "can-i", "get", "toys", account)[0] == "yes\n"
    denied = kubectl.outcome("auth", "can-i", "delete", "toys", account, stdin="")
    assert (denied.returncode, denied.stdout) == (1, "no\n")
    assert "toys.toys.test" in kubectl.run("auth", "can-i", "--list", account)[0]
    assert "Forbidden" in kubectl.fail("get", "pods", account)


def test_unserved(kubectl: Kubectl) -> None:
    """What is not served is refused in words."""
    kubectl.run("create", "-f", "-", stdin=POD)
    refused = kubectl.fail("exec", "one", "--", "true")
    assert "pod one does not have a host assigned" in refused
    refused = kubectl.fail("debug", "one", "--image=image")
    assert "NotImplemented" in refused
