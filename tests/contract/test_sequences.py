"""Generated requests: both servers give the same answers and the same watch streams."""

from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings

from tests.contract.conftest import make_namespace
from tests.contract.kinds import (
    CONFIG_MAPS,
    EVENTS,
    JOBS,
    LEASES,
    MPIJOBS,
    MPIJOBS_V1,
    PODS,
    ROLE_BINDINGS,
    ROLES,
    SECRETS,
    SERVICE_ACCOUNTS,
    SERVICES,
    WIDGETS,
)
from tests.contract.plain import Plain, difference
from tests.contract.requests import Kind, Player, Step, steps
from tests.contract.servers import Ask, Embedded, Real, Reply

pytestmark = pytest.mark.needs("api-server", "newest-kubernetes")
MARK = "zz-mark"


def answer(reply: Reply, plain: Plain) -> list[Any]:
    """What two servers must agree on: all of a success, kind and place of an error."""
    if reply.status < 400:
        return [reply.status, list(reply.warnings), plain(reply.body)]
    details = reply.body.get("details") or {}
    causes = {
        (one.get("reason"), one.get("field")) for one in details.get("causes") or ()
    }
    named = {key: details.get(key) for key in ("name", "kind", "group")}
    return [reply.status, reply.reason, named, sorted(map(str, causes))]


def start(player: Player, kind: Kind) -> str:
    """Tell the revision from which on a kind is to be watched."""
    listed = player.api.ask(Ask("GET", player.collection(kind)))
    return str(listed.body["metadata"]["resourceVersion"])


def stream(player: Player, kind: Kind, since: str, plain: Plain) -> list[Any]:
    """Watch a kind until a mark comes."""
    player.play(Step(kind, "POST", MARK, dict(kind.base)))
    watch = player.api.watch(player.collection(kind), {"resourceVersion": since})
    seen: list[Any] = []
    try:
        while not seen or seen[-1][1]["metadata"]["name"] != MARK:
            (event,) = watch.take(1)
            seen.append([event["type"], plain(event["object"])])
    finally:
        watch.close()
    return seen


KINDS: Final = [
    (CONFIG_MAPS,),
    (SECRETS,),
    (SERVICES,),
    (PODS,),
    (JOBS,),
    (WIDGETS,),
    (LEASES,),
    (SERVICE_ACCOUNTS,),
    (ROLES,),
    (ROLE_BINDINGS,),
    (EVENTS,),
    (MPIJOBS, MPIJOBS_V1),  # written and read through either version
]


@pytest.mark.parametrize("kinds", KINDS, ids=lambda kinds: kinds[0].kind)
def test_the_same_answers(kinds: tuple[Kind, ...], real: Real) -> None:
    """Status, reason, place of errors, warnings, bodies, and what watchers see."""
    kind = kinds[0]

    @settings(
        max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(steps(kinds))
    def same(sequence: list[Step]) -> None:
        told: list[list[Any]] = []
        for api in (Embedded(), real):
            kind.define(api)
            player = Player(api, make_namespace(api))
            plain = Plain(player.namespace, versions=True)
            since = start(player, kind)
            answers = [answer(player.play(step), plain) for step in sequence]
            told.append([*answers, stream(player, kind, since, plain)])
        compare(sequence, *told)

    same()


def compare(sequence: list[Step], ours: list[Any], theirs: list[Any]) -> None:
    """Fail with the first request whose answers differ."""
    for step, own, other in zip([*sequence, "watch"], ours, theirs, strict=True):
        assert own == other, f"after {step}:\n{difference(own, other)}"
