"""The samples, unmodified, as real processes: what matters is where ranks ran."""

import re

import pytest

from tests.support.commands import SAMPLES, Way, mpiop

NAMESPACES = pytest.param(
    Way(("--isolation", "namespaces")),
    id="namespaces",
    marks=pytest.mark.needs("namespaces"),
)
NAMESPACES_AS_NOBODY = pytest.param(
    Way(("--isolation", "namespaces"), nobody=True),
    id="namespaces-as-nobody",
    marks=[pytest.mark.needs("namespaces"), pytest.mark.needs("other-user")],
)
PLAIN = pytest.param(
    Way(("--isolation", "plain")), id="plain", marks=pytest.mark.needs("compiler")
)
FORBIDDEN = pytest.param(
    Way(nobody=True, forbidden=True),
    id="namespaces-forbidden",
    marks=[pytest.mark.needs("compiler"), pytest.mark.needs("other-user")],
)
BARE = Way(("--isolation", "plain"), bare=True)
WAYS = pytest.mark.parametrize(
    "way", [NAMESPACES, NAMESPACES_AS_NOBODY, PLAIN, FORBIDDEN]
)
SAID = (
    re.compile(r"from processor (?P<host>\S+), rank (?P<rank>\d+) out of"),
    re.compile(r"rank (?P<rank>\d+) of \d+ on (?P<host>\S+)"),
)


def ranks(log: str) -> dict[int, str]:
    """Read where each rank says that it ran."""
    found = [match for pattern in SAID for match in pattern.finditer(log)]
    return {int(match["rank"]): match["host"] for match in found}


def check(sample: str, way: Way, expected: dict[int, str]) -> str:
    """Run a sample and see that its ranks ran where they should; give its log."""
    ran = mpiop("run", "-o", "json", f"{SAMPLES}/{sample}.yaml", way=way)
    assert ran.code == 0, ran.err + ran.out
    assert ranks(ran.err) == expected
    told = ran.document
    assert told["verdict"] == "Succeeded"
    assert told["status"]["phase"] == "Cleaned"
    assert sorted(told["hostsStarted"]) == sorted(set(expected.values()))
    # Sampled, so perhaps not seen; but never wrong.
    shown = {str(rank): host for rank, host in expected.items()}
    assert told["ranks"] in (None, shown)
    assert told["slots"] == {"asked": len(expected), "given": len(expected)}
    reduced = "isolation is reduced" in ran.err
    assert reduced == (way.forbidden or "plain" in way.options)
    return ran.err


@pytest.mark.checklist("7.5.OpenMPI-root")
@pytest.mark.defect("D1", "E21")
@WAYS
def test_helloworld(way: Way) -> None:
    """Each worker runs one rank, started by kubectl exec; the misspelling is told."""
    name = "openmpi-helloworld"
    log = check(name, way, {0: f"{name}-worker-0", 1: f"{name}-worker-1"})
    assert 'warning: unknown field "spec.containers[0].resources.request"' in log


@pytest.mark.checklist("7.5.OpenMPI-root")
@pytest.mark.defect("D1")
@WAYS
@pytest.mark.needs("sshd")
def test_helloworld_over_ssh(way: Way) -> None:
    """Each worker runs one rank, started over ssh by an sshd that mpiop set up."""
    name = "openmpi-helloworld-ssh"
    check(name, way, {0: f"{name}-worker-0", 1: f"{name}-worker-1"})


@pytest.mark.needs("sshd")
@pytest.mark.needs("compiler")
@pytest.mark.needs("root")
def test_sshd_takes_nothing_of_the_machine() -> None:
    """As root, too, sshd needs no folder in /run and no change to the accounts."""
    name = "openmpi-helloworld-ssh"
    check(name, BARE, {0: f"{name}-worker-0", 1: f"{name}-worker-1"})


@pytest.mark.checklist("7.7.e2e")
@WAYS
@pytest.mark.needs("sshd")
def test_pi(way: Way) -> None:
    """Two slots a worker are filled one worker after the other, and pi comes out."""
    name = "pi-mpi4py"
    hosts = [f"{name}-worker-{index // 2}" for index in range(4)]
    log = check(name, way, dict(enumerate(hosts)))
    assert "pi is 3.14159" in log
