"""Which rights are asked for, and how one that is missing is named."""

import logging
from typing import Any

import orjson
import pytest

from mpiop.k8s.errors import Unreachable
from mpiop.k8s.rights import Right, Rights, needed
from mpiop.k8s.settings import Settings
from mpiop.k8s.transport import Call, Reply
from tests.support.timing import FakeTime
from tests.support.transport import OneByOne, status_reply

NO_ELECTION = Settings(leader_elect=False)


class Reviewer(OneByOne):
    """Grants everything but what it is told to refuse."""

    def __init__(self, *refused: str) -> None:
        self.refused = set(refused)
        self.asked: list[dict[str, Any]] = []
        self.answer: Reply | Exception | None = None

    def request(self, call: Call) -> Reply:
        if isinstance(self.answer, Exception):
            raise self.answer
        assert call.path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        body = orjson.loads(call.body)
        what = body["spec"]["resourceAttributes"]
        self.asked.append(what)
        name = what["resource"]
        name += f"/{what['subresource']}" if "subresource" in what else ""
        allowed = f"{what['verb']} {name}" not in self.refused
        reply = Reply(201, orjson.dumps({"status": {"allowed": allowed}}))
        return self.answer or reply

    def watch(self, call: Call, silence: float) -> Reply:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is kept open."""


def rights(reviewer: Reviewer, settings: Settings = NO_ELECTION) -> tuple[Rights, Any]:
    time = FakeTime()
    return Rights(reviewer, time.clock, settings), time


def words(settings: Settings) -> set[str]:
    return {str(right) for right in needed(settings)}


def test_no_right_is_wider_than_the_code() -> None:
    """Secrets are only created, launcher Jobs never deleted, nothing has a wildcard."""
    found = words(NO_ELECTION)
    assert {word for word in found if "secrets" in word} == {"create secrets"}
    assert "delete jobs.batch" not in found
    assert "update mpijobs.kubeflow.org" not in found
    assert not any("*" in word for word in found)
    assert {"create pods", "delete pods", "patch mpijobs/status.kubeflow.org"} <= found


def test_the_lease_is_asked_for_where_it_is() -> None:
    """Only with an election, in its namespace and by its name."""
    assert not any("leases" in word for word in words(NO_ELECTION))
    found = [r for r in needed(Settings(lock_namespace="x")) if r.resource == "leases"]
    assert {(r.verb, r.name) for r in found} == {
        ("get", "mpi-operator"),
        ("patch", "mpi-operator"),
        ("create", ""),
    }
    assert {r.namespace for r in found} == {"x"}


def test_each_namespace_is_asked_for() -> None:
    """A namespaced operator needs nothing anywhere else."""
    found = needed(Settings(namespace="a,b", leader_elect=False))
    assert {right.namespace for right in found} == {"a", "b"}
    assert "create pods in b" in {str(right) for right in found}


def test_a_gang_scheduler_brings_its_own() -> None:
    """Its PodGroups, and the classes that say who goes first."""
    more = words(Settings(gang_scheduling="volcano")) - words(Settings())
    assert "create podgroups.scheduling.volcano.sh" in more
    assert "get priorityclasses.scheduling.k8s.io" in more


def test_a_gang_goes_without_priority_classes() -> None:
    """An operator with Roles alone cannot read them: that is all it lacks."""
    settings = Settings(gang_scheduling="volcano", leader_elect=False)
    found, _ = rights(Reviewer("get priorityclasses"), settings)
    found.step()
    assert (found.blocking, list(found.degraded)) == ((), ["priority classes"])


def test_all_granted_is_asked_once() -> None:
    """At rest nothing is asked."""
    reviewer = Reviewer()
    found, time = rights(reviewer)
    assert not found.asked
    wait = found.step()
    assert (found.asked, found.missing) == (True, ())
    number = len(reviewer.asked)
    assert number == len(needed(NO_ELECTION))
    time.seconds += 3600
    assert found.step() == pytest.approx(wait - 3600)
    assert len(reviewer.asked) == number


def test_a_missing_right_is_named_until_it_is_granted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """By verb and resource, in the log once; asked again until it is there."""
    reviewer = Reviewer("create pods")
    found, time = rights(reviewer)
    found.step()
    assert found.blocking == (Right("create", "pods"),)
    time.seconds += found.step()
    found.step()
    errors = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert [(r.message, r.__dict__["right"]) for r in errors] == [
        ("a right is missing", "create pods")
    ]
    reviewer.refused.clear()
    time.seconds += 30
    found.step()
    assert not found.blocking


def test_a_component_that_is_not_installed_only_degrades(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is named, with what does not go without it."""
    found, _ = rights(Reviewer("create roles", "get pods/exec", "get pods/log"))
    found.step()
    assert found.blocking == ()
    assert {k: [str(r) for r in v] for k, v in found.degraded.items()} == {
        "KubectlExec": ["create roles.rbac.authorization.k8s.io", "get pods/exec"],
        "logs": ["get pods/log"],
    }
    assert [r.levelno for r in caplog.records] == [logging.WARNING] * 2


@pytest.mark.parametrize(
    "answer", [Unreachable(0, "Unreachable", "away"), status_reply(403, "Forbidden")]
)
def test_rights_that_cannot_be_asked_for_are_asked_later(
    answer: Reply | Exception,
) -> None:
    """Nothing is known until then."""
    reviewer = Reviewer()
    reviewer.answer = answer
    found, time = rights(reviewer)
    time.seconds += found.step()
    assert not found.asked
    reviewer.answer = None
    found.step()
    assert found.asked
