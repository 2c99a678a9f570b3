"""Open MPI's start as a tree, forced by radix 2: where ranks run and who started them.

Above 64 daemons a start becomes a tree by itself; a radix of 2 makes one of three.
"""

import re
from collections.abc import Iterator

import pytest

from tests.support.manifests import job
from tests.support.whole import Submitted, World

pytestmark = [pytest.mark.needs("namespaces"), pytest.mark.slow]
SIZES = (3, 5, 7)
RANK = """
started=$(ps -eo args | sed -n "s|^/bin/sh /etc/mpi/agent.sh \\([^ ]*\\).*|\\1|p")
echo "rank $OMPI_COMM_WORLD_RANK on $(hostname) started:" $started
"""
SAID = re.compile(r"rank (\d+) on (\S+) started:(.*)")


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


def start(world: World, size: int, shell: str) -> Submitted:
    name = f"tree-{size}-{shell.lower()}"
    command = 'exec mpirun -np "$SIZE" /bin/sh -c "$RANK"'
    manifest = job(name, command, workers=size, shell=shell)
    main = manifest["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]
    main["containers"][0]["env"] += [
        {"name": "SIZE", "value": str(size)},
        {"name": "RANK", "value": RANK},
        {"name": "PRTE_MCA_rml_base_radix", "value": "2"},
    ]
    return world.submit(manifest)


def told(one: Submitted) -> dict[str, list[str]]:
    """Wait for the end; give what each host started, by host, in order of ranks."""
    status = one.until_phase("Cleaned")
    assert status["result"] == "Succeeded", status
    said = SAID.findall(one.log(f"{one.name}-launcher"))
    return {host: more.split() for _, host, more in sorted(said)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.needs("sshd")
def test_over_ssh(world: World, size: int) -> None:
    """Workers start workers: each but the first two was started by another one."""
    one = start(world, size, "SSH")
    found = told(one)
    hosts = [f"{one.name}-worker-{index}" for index in range(size)]
    assert list(found) == hosts
    by_workers = sorted(child for children in found.values() for child in children)
    assert by_workers == hosts[2:]
    assert all(len(children) <= 2 for children in found.values())
    _, _, started = one.status["message"].partition("hosts started by the launcher: ")
    assert sorted(started.split(", ")) == ["worker-0", "worker-1"]


@pytest.mark.parametrize("size", SIZES)
def test_over_kubectl(world: World, size: int) -> None:
    """No worker starts another: the launcher starts every one itself."""
    one = start(world, size, "KubectlExec")
    found = told(one)
    hosts = [f"{one.name}-worker-{index}" for index in range(size)]
    assert found == {host: [] for host in hosts}
    record = one.pods()[f"{one.name}-launcher"]["status"]["containerStatuses"][0]
    lines = record["state"]["terminated"]["message"].splitlines()
    assert sorted(lines) == [f"+{index}" for index in range(size)]
