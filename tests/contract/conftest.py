import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from tests.contract.servers import Api, Ask, Embedded, Real
from tests.support.controlplane import ControlPlane, Options
from tests.support.deployed import definition

GROUP = "contract.mpiop.test"
MPIJOB = definition()


REAL = pytest.param("real", marks=pytest.mark.needs("api-server"))


@pytest.fixture(scope="package")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """An API server that nobody else talks to: no controller changes anything."""
    options = Options(components=())
    with ControlPlane(tmp_path_factory.mktemp("contract"), options) as plane:
        yield Real(plane.cluster.http)


@pytest.fixture(params=["embedded", REAL])
def api(request: pytest.FixtureRequest) -> Api:
    """Each server in turn."""
    if request.param == "real":
        server: Api = request.getfixturevalue("real")
        return server
    return Embedded()


@pytest.fixture
def ns(api: Api) -> str:
    """A namespace of the test's own, with the account that Pods need."""
    return make_namespace(api)


def make_namespace(api: Api) -> str:
    """Make a namespace where no controller does."""
    body = {"metadata": {"generateName": "contract-"}}
    made = api.ask(Ask("POST", "/api/v1/namespaces", body))
    assert made.status == 201, made.body
    name = str(made.body["metadata"]["name"])
    account = {"metadata": {"name": "default"}}
    path = f"/api/v1/namespaces/{name}/serviceaccounts"
    assert api.ask(Ask("POST", path, account)).status == 201
    return name


def _schema(default: int) -> dict[str, Any]:
    size = {"type": "integer", "default": default, "minimum": 1}
    rule = {
        "rule": "!has(self.size) || self.size < 100",
        "message": "size must stay below 100",
    }
    fixed = {
        "type": "string",
        "x-kubernetes-validations": [
            {"rule": "self == oldSelf", "message": "fixed cannot change"}
        ],
    }
    spec = {
        "type": "object",
        "default": {},
        "properties": {
            "size": size,
            "fixed": fixed,
            "mode": {"type": "string", "enum": ["A", "B"]},
            "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
        "x-kubernetes-validations": [rule],
    }
    status = {"type": "object", "properties": {"phase": {"type": "string"}}}
    return {"type": "object", "properties": {"spec": spec, "status": status}}


def _version(name: str, *, storage: bool, default: int) -> dict[str, Any]:
    column = {"name": "Size", "type": "integer", "jsonPath": ".spec.size"}
    return {
        "name": name,
        "served": True,
        "storage": storage,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": _schema(default)},
        "additionalPrinterColumns": [column],
    }


@pytest.fixture
def widgets(api: Api, ns: str) -> str:
    """The path of a custom resource in version v2 (stored); v1 has another default."""
    define_widgets(api)
    return f"/apis/{GROUP}/v2/namespaces/{ns}/widgets"


def define_widgets(api: Api) -> None:
    """Define a custom resource, and wait until it is served."""
    names = {"plural": "widgets", "kind": "Widget", "shortNames": ["wi"]}
    crd = {
        "metadata": {"name": f"widgets.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": names,
            "versions": [
                _version("v1", storage=False, default=1),
                _version("v2", storage=True, default=2),
            ],
        },
    }
    _define(api, crd, f"/apis/{GROUP}/v2/widgets")


def define_mpijobs(api: Api) -> None:
    """Define the MPIJob as deploy/ does, and wait until it is served."""
    _define(api, MPIJOB, "/apis/kubeflow.org/v1/mpijobs")


def _define(api: Api, crd: Mapping[str, Any], served: str) -> None:
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    assert api.ask(Ask("POST", definitions, crd)).status in {201, 409}
    end = time.monotonic() + 30
    while api.ask(Ask("GET", served)).status != 200:
        assert time.monotonic() < end, "the definition is not served"
        time.sleep(0.1)
