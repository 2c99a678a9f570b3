"""The election and the question for rights, at both kinds of server."""

from typing import Any

import attrs
import orjson

from mpiop.k8s.leader import Elector, Lock
from mpiop.k8s.rights import Rights
from mpiop.k8s.settings import Settings
from mpiop.k8s.transport import Call, Reply, Stream
from tests.contract.servers import Api, Ask
from tests.contract.test_access import grant, rule
from tests.support.timing import FakeTime
from tests.support.transport import OneByOne


@attrs.frozen
class Through(OneByOne):
    """An operator's transport to the server under test, as some user."""

    api: Api
    user: str = ""

    def request(self, call: Call) -> Reply:
        body: Any = orjson.loads(call.body) if call.body else None
        ask = Ask(call.method, call.path, body, dict(call.query), call.content_type)
        reply = self.api.ask(attrs.evolve(ask, user=self.user))
        return Reply(reply.status, orjson.dumps(reply.body))

    def watch(self, call: Call, silence: float) -> Stream | Reply:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is kept open."""


def path(ns: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{ns}/leases"


def elector(api: Api, ns: str, name: str, time: FakeTime) -> Elector:
    return Elector(Through(api), time.clock, Lock(ns, "mpi-operator", name))


def leads(*electors: Elector) -> list[bool]:
    return [one.leading for one in electors]


def wait(time: FakeTime, seconds: float, *electors: Elector) -> None:
    """Let the electors look as often as they do in a process."""
    end = time.seconds + seconds
    while time.seconds < end:
        time.seconds += min([max(one.step(), 0.1) for one in electors])


def test_a_lease_is_taken_kept_given_back_and_taken_over(api: Api, ns: str) -> None:
    """The whole life of an election."""
    time = FakeTime()
    lease = {"metadata": {"name": "mpi-operator"}}
    assert api.ask(Ask("POST", path(ns), lease)).status == 201
    one, two = elector(api, ns, "one", time), elector(api, ns, "two", time)
    one.step()
    two.step()
    assert leads(one, two) == [True, False]
    for _ in range(10):
        time.seconds += 2.5
        one.step()
        two.step()
        assert leads(one, two) == [True, False]
    one.release()
    time.seconds += 2.5
    two.step()
    assert leads(one, two) == [False, True]
    found = api.ask(Ask("GET", f"{path(ns)}/mpi-operator")).body["spec"]
    assert (found["holderIdentity"], found["leaseTransitions"]) == ("two", 2)
    for _ in range(12):
        time.seconds += 1.5
        one.step()
    assert leads(one, two) == [True, False]
    two.step()
    assert leads(one, two) == [True, False]


def test_a_lease_is_made_again(api: Api, ns: str) -> None:
    """By its holder at once, by a newcomer after a lease's time."""
    time = FakeTime()
    one, two = elector(api, ns, "one", time), elector(api, ns, "two", time)
    one.step()
    assert leads(one) == [False]
    wait(time, 15.1, one)
    assert leads(one) == [True]
    assert api.ask(Ask("DELETE", f"{path(ns)}/mpi-operator")).status == 200
    two.step()
    time.seconds += 2.1
    one.step()
    two.step()
    assert leads(one, two) == [True, False]


def test_a_missing_namespace_is_named(api: Api, ns: str) -> None:
    """In words for whoever installs it."""
    time = FakeTime()
    one = elector(api, f"{ns}-no", "one", time)
    wait(time, 15.1, one)
    assert f'namespaces "{ns}-no" not found' in one.trouble


def test_rights_are_told_apart(api: Api, ns: str) -> None:
    """What is granted is not missing, whatever its subresource or group."""
    user = grant(
        api,
        ns,
        rule("pods pods/log", "get list watch create patch delete"),
        rule("jobs", "get list watch create patch", apiGroups=["batch"]),
    )
    settings = Settings(namespace=ns, leader_elect=False)
    found = Rights(Through(api, user), FakeTime().clock, settings)
    found.step()
    assert found.asked
    words = {str(right).removesuffix(f" in {ns}") for right in found.missing}
    assert not any("pods" in w and "exec" not in w for w in words)
    assert not any("jobs.batch" in word for word in words)
    assert {"create secrets", "patch mpijobs/status.kubeflow.org"} <= words
    assert {"KubectlExec", "events"} <= set(found.degraded)
    assert "logs" not in found.degraded
