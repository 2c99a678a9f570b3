"""Rights that are missing on a real API server: named, and missed no longer later."""

from pathlib import Path
from typing import Final

import pytest

from tests.support.cluster import Cluster
from tests.support.deployed import rules
from tests.support.live import operating
from tests.support.process import operator
from tests.support.scene import scene

pytestmark = [pytest.mark.needs("kubernetes"), pytest.mark.slow]
# What deploy/ lets the operator do, for an account in one namespace alone.
OPERATOR: Final = tuple(rules("base", "components/kubectl-exec"))


@pytest.mark.parametrize(
    ("verb", "group", "resource"),
    [
        ("create", "", "services"),
        ("create", "", "pods"),
        ("create", "batch", "jobs"),
        ("create", "", "secrets"),
    ],
)
def test_a_right_that_is_missing_is_named(
    control_plane: Cluster, tmp_path: Path, verb: str, group: str, resource: str
) -> None:
    """In the status, by verb and resource; granted later, the job goes on."""
    less = without(verb, group, resource)
    with scene(control_plane) as found:
        account = control_plane.account(tmp_path, found.namespace, less)
        with operating(account, found.namespace):
            found.submit()
            told = found.until_reason("Denied")
            said = f'cannot {verb} resource "{resource}" in API group "{group}"'
            assert said in told["message"]
            assert told["result"] == ""
            control_plane.grant(account, found.namespace, OPERATOR)
            assert found.succeeds()["restarts"] == 0


def test_a_watch_that_is_not_granted_ends_the_operator(
    control_plane: Cluster, tmp_path: Path
) -> None:
    """Without its eyes it does not start: exit code 1, and the right is named."""
    with scene(control_plane) as found:
        less = without("list", "", "pods")
        account = control_plane.account(tmp_path, found.namespace, less)
        flags = (f"-namespace={found.namespace}", "--leader-elect=false")
        with operator(account.kubeconfig, *flags) as one:
            assert one.process.wait(60) == 1
            one.end()
        said = "\n".join(one.lines)
        assert 'cannot list resource \\"pods\\"' in said
        assert "Traceback" not in said


def without(verb: str, group: str, resource: str) -> list[dict[str, list[str]]]:
    """Give the operator's rules without one right."""
    found: list[dict[str, list[str]]] = []
    for rule in OPERATOR:
        for one in rule["resources"]:
            for part in rule["apiGroups"]:
                lost = {verb} if (part, one) == (group, resource) else set()
                verbs = [name for name in rule["verbs"] if name not in lost]
                found.append({"apiGroups": [part], "resources": [one], "verbs": verbs})
    return [rule for rule in found if rule["verbs"]]
