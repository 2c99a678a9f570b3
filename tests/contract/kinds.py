"""What objects of a few kinds are made of, for generated requests."""

from typing import Any, Final

from tests.contract.conftest import GROUP
from tests.contract.requests import Kind

_META: Final[dict[str, list[Any]]] = {
    "metadata|labels": [{}, {"app": "x"}, {"app": "y", "other": "z"}],
    "metadata|annotations": [{"note": "1"}],
    "metadata|finalizers": [["test/hold"], ["test/hold", "test/more"]],
}
_CONTAINER: Final = {"name": "c", "image": "image:1"}
_POD: Final = {"containers": [_CONTAINER]}

CONFIG_MAPS: Final = Kind(
    "/api/v1/namespaces/{}/configmaps",
    {
        **_META,
        "data": [{}, {"k": "1"}, {"k": "2", "l": "3"}],
        "immutable": [True, False],
        "colour": ["red"],
    },
    kind="ConfigMap",
)
SECRETS: Final = Kind(
    "/api/v1/namespaces/{}/secrets",
    {
        **_META,
        "data": [{"k": "MQ=="}, {"k": "no base64"}],
        "stringData": [{"k": "2"}],
        "immutable": [True],
        "type": ["Opaque", "test/other"],
    },
    kind="Secret",
)
SERVICES: Final = Kind(
    "/api/v1/namespaces/{}/services",
    {
        **_META,
        "spec|publishNotReadyAddresses": [True],
        "spec|ports": [[{"port": 22, "name": "ssh"}], [{"port": 0}]],
    },
    # One without a selector wants both IP families, which no test server has.
    base={"spec": {"clusterIP": "None", "selector": {"app": "x"}}},
    kind="Service",
)
PODS: Final = Kind(
    "/api/v1/namespaces/{}/pods",
    {
        **_META,
        "spec|nodeName": ["n1"],
        "spec|restartPolicy": ["Never", "Sometimes"],
        "spec|containers": [
            [{**_CONTAINER, "image": "image:2"}],
            [{**_CONTAINER, "command": ["true"]}],
            [{**_CONTAINER, "resources": {"request": {"cpu": "1"}}}],
            [],
        ],
        "spec|hostname": ["h"],
        "spec|activeDeadlineSeconds": [10, 5, "soon"],
    },
    base={"spec": _POD},
    kind="Pod",
)
JOBS: Final = Kind(
    "/apis/batch/v1/namespaces/{}/jobs",
    {
        **_META,
        "spec|suspend": [True, False],
        "spec|backoffLimit": [0, 3, -1],
        "spec|parallelism": [0, 1, 2],
        "spec|ttlSecondsAfterFinished": [10],
        "spec|podReplacementPolicy": ["Failed", "TerminatingOrFailed", "Never"],
        "spec|managedBy": ["test/other", "no slash"],
    },
    base={"spec": {"template": {"spec": {**_POD, "restartPolicy": "Never"}}}},
    kind="Job",
    statuses=[{"active": 1}, {"ready": 1, "active": 2}],
    version="batch/v1",
)
WIDGETS: Final = Kind(
    f"/apis/{GROUP}/v2/namespaces/{{}}/widgets",
    {
        **_META,
        "spec|size": [3, 0, 100, "big"],
        "spec|mode": ["A", "C"],
        "spec|fixed": ["x", "y"],
        "spec|open": [{"any": {"thing": 1}}],
        "spec|colour": ["red"],
        "status|phase": ["Made"],
    },
    kind="Widget",
    version=f"{GROUP}/v2",
)
