"""What a job costs in API writes, counted by verb and kind."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from mpiop.local.client import PODS
from mpiop.reconcile.plan import plan
from mpiop.states import Phase
from tests.support.deployed import definition
from tests.support.harness import Harness
from tests.support.transport import by_verb

SAMPLES = Path("deploy/samples")
CRD = definition()
TRANSPORTS = {
    "KubectlExec": "openmpi-helloworld.yaml",
    "SSH": "openmpi-helloworld-ssh.yaml",
}
WITHOUT_RETRY = {"backoffLimit": 0, "cleanPodPolicy": "None"}
POLICIES: dict[str, dict[str, object]] = {  # what it takes to rest in a phase
    "Suspended": {"suspend": True},
    "Succeeded": WITHOUT_RETRY,
    "Failed": WITHOUT_RETRY,
}


def world(sample: str, phase: str = "") -> Harness:
    """Give a cluster with the CRD as shipped and a sample job in it.

    With a phase, the job is one that comes to rest there.
    """
    found = Harness(plan, crd=CRD)
    job: Any = yaml.safe_load((SAMPLES / sample).read_text(encoding="utf-8"))
    spec = job["spec"]
    if phase in POLICIES:
        spec.pop("cleanPodPolicy", None)
        spec["runPolicy"] = {**spec.get("runPolicy", {}), **POLICIES[phase]}
    if phase == "Invalid":
        template = spec["mpiReplicaSpecs"]["Launcher"]["template"]
        template["spec"]["containers"][0]["command"] = "mpirun"
    found.create(job)
    return found


def name(sample: str) -> str:
    """Name the sample's job."""
    return sample.removesuffix(".yaml")


def ended(found: Harness, sample: str) -> Callable[[], bool]:
    """Ask whether the job has come to its end."""
    return lambda: found.phase(name(sample)) == "Cleaned"


@pytest.mark.defect("D17")
def test_a_normal_life_over_ssh() -> None:
    """At most 2N+12 writes: N+4 creates, 5 status writes, 3 Events, N deletes."""
    sample = "openmpi-helloworld-ssh.yaml"
    found = world(sample)
    found.run_until(ended(found, sample))
    found.advance(600)

    assert found.transport.counts == Counter(
        {
            ("create", "services"): 1,
            ("create", "configmaps"): 1,
            ("create", "secrets"): 1,
            ("create", "pods"): 2,
            ("create", "jobs"): 1,
            ("patch", "mpijobs/status"): 5,
            ("create", "events"): 3,
            ("delete", "pods"): 2,
        }
    )
    assert sum(by_verb(found.transport.counts).values()) == 2 * 2 + 12


def test_a_normal_life_over_kubectl_exec() -> None:
    """At most 2N+14 writes, and one Event more: the API server warned of `request`."""
    sample = "openmpi-helloworld.yaml"
    found = world(sample)
    found.run_until(ended(found, sample))
    found.advance(600)

    assert found.transport.counts == Counter(
        {
            ("create", "services"): 1,
            ("create", "configmaps"): 1,
            ("create", "serviceaccounts"): 1,
            ("create", "roles"): 1,
            ("create", "rolebindings"): 1,
            ("create", "pods"): 2,
            ("create", "jobs"): 1,
            ("patch", "mpijobs/status"): 5,
            ("create", "events"): 4,
            ("delete", "pods"): 2,
        }
    )
    assert sum(by_verb(found.transport.counts).values()) == 2 * 2 + 14 + 1


def hold(found: Harness, phase: str) -> None:
    """Stop the world where the job rests in a phase."""
    while phase == "WorkersReady" and not found.node.held:
        found.node.workers_ready = False
        found.step()
        found.node.held |= {
            pod["metadata"]["name"]
            for pod in found.client.list(PODS)["items"]
            if "-launcher-" in pod["metadata"]["name"]
        }
    found.node.workers_ready = phase != "Created"
    if phase == "LauncherRunning":
        found.node.launcher_seconds = 1e6
    if phase == "Failed":
        found.node.exits = [3]


@pytest.mark.defect("D9", "E4")
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("phase", Phase)
def test_a_second_reconcile_costs_nothing(phase: str, transport: str) -> None:
    """In every phase, an operator that starts anew finds nothing to write."""
    sample = TRANSPORTS[transport]
    found = world(sample, phase)
    hold(found, phase)
    found.run_until(lambda: found.phase(name(sample)) == phase, limit=60)
    found.advance(30)  # words about what keeps the job waiting come after ten seconds
    assert found.phase(name(sample)) == phase
    before = found.transport.writes

    found.restart_operator()
    found.advance(25)

    assert found.transport.writes == before


def test_readiness_that_flaps_in_mid_run_costs_one_status_write() -> None:
    """One write at most, and none for a flap that is over within ten seconds."""
    sample = "openmpi-helloworld-ssh.yaml"
    found = world(sample)
    found.node.launcher_seconds = 1e6
    found.run_until(lambda: found.phase(name(sample)) == "LauncherRunning", limit=60)
    found.advance(60)
    worker: Any = found.client.get(PODS, "default", f"{name(sample)}-worker-0")
    before = found.transport.counts["patch", "mpijobs/status"]

    found.cluster.kubelet.unready(worker)
    found.advance(1)

    assert found.transport.counts["patch", "mpijobs/status"] <= before + 1
    assert found.phase(name(sample)) == "LauncherRunning"
