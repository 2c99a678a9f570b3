"""What a test on a real API server is put together from.

with operating(account, namespace), playing(cluster, namespace) as node:
    create(cluster, namespace, manifest)
    await_phase(cluster, namespace, "pi", "Cleaned")
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import attrs
import pytest
from urllib3.exceptions import HTTPError

from mpiop.k8s.operator import Operator, connect
from mpiop.k8s.settings import Settings
from mpiop.local.client import NODES, PODS, ApiError, Json, Resource
from tests.fake_kubelet import FakeKubelet
from tests.support.cluster import MPIJOBS, Account, Cluster
from tests.support.script import Script

NODE: Final = "mpiop-test-node"
PERIOD: Final = 0.2  # each look is a list of Pods
_STOPPING: Final = 30.0
_MOVED_ON: Final = frozenset({404, 409})
_ITS_OWN: Final = 500  # from here on it is the server's failure


@contextmanager
def operating(
    account: Account | Cluster,
    namespace: str = "",
    **settings: Any,  # noqa: ANN401
) -> Iterator[Operator]:
    """Run an operator as this account, for one namespace or for all."""
    settings = {"leader_elect": False, **settings}
    found = Settings(kubeconfig=account.kubeconfig, namespace=namespace, **settings)
    operator = connect(found)
    stop = threading.Event()
    with _thread("operator", lambda: operator.run(stop), stop):
        yield operator


def _no_real_node(cluster: Cluster) -> None:
    """See that the Pods of a test go to nodes that it plays."""
    for one in cluster.client.list(NODES)["items"]:
        name, info = one["metadata"]["name"], one["status"].get("nodeInfo", {})
        if info.get("kubeletVersion"):
            pytest.fail(
                f"the cluster has a node of its own ({name}), where the test's Pods "
                "would go: name a control plane alone, or run `make e2e-node`"
            )


@contextmanager
def playing(
    cluster: Cluster,
    namespace: str,
    node: str = "",
    **script: Any,  # noqa: ANN401
) -> Iterator[Script]:
    """Play the kubelet of a namespace's Pods; they follow the script.

    They are on the node that is named and there, else on a large one for everybody.
    """
    kubelet = FakeKubelet(cluster.client, now, node or NODE, namespace)
    if not node and cluster.find(NODES, "", NODE) is None:
        _no_real_node(cluster)
        kubelet.register(cpu="1000", memory="1000Gi")
    part = Script(kubelet, now, **{"reports": True, **script})
    stop = threading.Event()

    def play() -> None:
        while not stop.wait(PERIOD):
            try:
                part.step()
            except ApiError as error:
                # Else somebody was faster, or the server is coming up.
                if error.status not in _MOVED_ON and error.status < _ITS_OWN:
                    raise
            except HTTPError:  # the server is away
                continue

    with _thread("kubelet", play, stop):
        yield part


def create(cluster: Cluster, namespace: str, manifest: Json, **meta: object) -> Json:
    """Create an object of a namespace as its manifest has it."""
    plural = f"{manifest['kind'].lower()}s"
    metadata = {**manifest["metadata"], "namespace": namespace, **meta}
    resource = Resource(manifest["apiVersion"], plural)
    return cluster.client.create(resource, {**manifest, "metadata": metadata})


def job(cluster: Cluster, namespace: str, name: str) -> Json:
    """Read an MPIJob."""
    return cluster.client.get(MPIJOBS, namespace, name)


def await_job(
    cluster: Cluster, namespace: str, name: str, holds: Callable[[Json], bool]
) -> Json:
    """Wait until an MPIJob is as wanted; give it."""
    last: list[Json] = []

    def look() -> Json | None:
        last[:] = [job(cluster, namespace, name)]
        return last[0] if holds(last[0]) else None

    try:
        found = cluster.eventually(look)
    except AssertionError as error:
        status = last[0].get("status") if last else None
        raise AssertionError(f"{error}; its status is {status}") from None
    assert found is not None
    return found


def await_phase(cluster: Cluster, namespace: str, name: str, phase: str) -> Json:
    """Wait until an MPIJob is in a phase; give it."""
    return await_job(
        cluster, namespace, name, lambda one: status(one).get("phase") == phase
    )


def status(obj: Json) -> Mapping[str, Any]:
    """An object's status, empty where it has none."""
    found: Mapping[str, Any] = obj.get("status") or {}
    return found


def pods(cluster: Cluster, namespace: str, **query: str) -> list[Json]:
    """List a namespace's Pods."""
    items: list[Json] = cluster.client.list(PODS, namespace, **query)["items"]
    return items


def now() -> datetime:
    return datetime.now(UTC)


@attrs.define
class _Failure:
    error: BaseException | None = None


@contextmanager
def _thread(
    name: str, run: Callable[[], None], stop: threading.Event
) -> Iterator[None]:
    """Run something beside the test; what it raises fails the test in the end."""
    failure = _Failure()

    def guarded() -> None:
        try:
            run()
        except BaseException as error:  # noqa: BLE001 (it is raised below)
            failure.error = error

    thread = threading.Thread(target=guarded, name=name)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(_STOPPING)
    assert not thread.is_alive(), f"{name} does not end"
    if failure.error is not None:
        raise failure.error
