"""A watch from a revision that is no longer kept: 410, within the stream."""

import re
from pathlib import Path

import pytest

from tests.contract.servers import Api, Ask, Embedded, Real
from tests.support.controlplane import ControlPlane, Options

MAPS = "/api/v1/namespaces/default/configmaps"


def told(api: Api) -> object:
    """What a watch from the first revision gets, without its numbers."""
    stream = api.watch(MAPS, {"resourceVersion": "1"})
    (event,) = stream.take(1)
    stream.close()
    event["object"]["message"] = re.sub(r"\d+", "N", event["object"]["message"])
    return event


@pytest.mark.needs("api-server")
def test_both_say_that_it_is_too_old(tmp_path: Path) -> None:
    """A server that has come back knows nothing of before; so does a compacted one."""
    embedded = Embedded()
    made = embedded.ask(Ask("POST", MAPS, {"metadata": {"name": "one"}}))
    assert made.status == 201
    embedded.server.compact()
    with ControlPlane(tmp_path / "plane", Options(components=())) as plane:
        plane.stop_server()
        plane.start_server()
        real = told(Real(plane.cluster.http))
    assert (
        told(embedded)
        == real
        == {
            "type": "ERROR",
            "object": {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Failure",
                "message": "too old resource version: N (N)",
                "reason": "Expired",
                "code": 410,
            },
        }
    )
