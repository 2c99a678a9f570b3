"""Deletion, suspend and resume in every phase: what runs ends, nothing is left."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.support.manifests import MOMENT, job
from tests.support.whole import Submitted, World

pytestmark = [pytest.mark.needs("namespaces"), pytest.mark.slow]
Manifest = Mapping[str, Any]
WAITS = f"until [ -e /tmp/go ]; do sleep 0.1; done; exec mpirun -np 2 {MOMENT}"
NEVER = {"exec": {"command": ["false"]}, "periodSeconds": 1}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


def created(name: str) -> Manifest:
    return job(
        name,
        WAITS,
        worker={"readinessProbe": NEVER},
        launcherCreationPolicy="WaitForWorkersReady",
    )


def workers_ready(name: str) -> Manifest:
    manifest = job(name, WAITS)
    launcher = manifest["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]["spec"]
    wait = {"name": "wait", "image": "none", "command": ["sleep", "600"]}
    launcher["initContainers"] = [wait]
    return manifest


def launcher_running(name: str) -> Manifest:
    return job(name, WAITS)


def suspended(name: str) -> Manifest:
    return job(name, WAITS, policy={"suspend": True})


def invalid(name: str) -> Manifest:
    port = {"name": "too-high", "containerPort": 70000}
    return job(name, WAITS, worker={"ports": [port]})


def succeeded(name: str) -> Manifest:
    return job(name, f"mpirun -np 2 {MOMENT}", policy={"cleanPodPolicy": "None"})


def failed(name: str) -> Manifest:
    policy = {"cleanPodPolicy": "None", "backoffLimit": 0}
    return job(name, "exit 3", policy=policy)


def cleaned(name: str) -> Manifest:
    return job(name, f"mpirun -np 2 {MOMENT}")


PHASES: dict[str, Callable[[str], Manifest]] = {
    "Created": created,
    "WorkersReady": workers_ready,
    "LauncherRunning": launcher_running,
    "Suspended": suspended,
    "Invalid": invalid,
    "Succeeded": succeeded,
    "Failed": failed,
    "Cleaned": cleaned,
}
LIVE = ["Created", "WorkersReady", "LauncherRunning", "Suspended", "Invalid"]
ENDED = ["Succeeded", "Failed", "Cleaned"]


def at(world: World, phase: str, what: str) -> Submitted:
    """Have a job in a phase."""
    one = world.submit(PHASES[phase](f"{what}-{phase.lower()}"))
    one.until_phase(phase)
    return one


def finish(one: Submitted) -> None:
    """Let a job whose launcher waits come to its end; no attempt was spent."""
    one.until_phase("LauncherRunning")
    launcher = f"{one.name}-launcher"
    one.execute(launcher, "touch /tmp/go")
    status = one.until_phase("Cleaned")
    assert (status["result"], status["restarts"]) == ("Succeeded", 0), status
    assert list(one.jobs()) == [launcher]


@pytest.mark.parametrize("phase", PHASES)
def test_deletion(world: World, phase: str) -> None:
    """Everything that was made for the job is collected, and no process is left."""
    at(world, phase, "delete").delete()


@pytest.mark.checklist("7.5.OpenMPI-root")
@pytest.mark.parametrize("phase", LIVE)
def test_suspend_and_resume(world: World, phase: str) -> None:
    """No Pod while suspended, no attempt spent; resumed, it is where it was."""
    one = at(world, phase, "suspend")
    one.suspend()
    status = one.until_phase("Suspended")
    one.until_pods(lambda pods: not pods)
    assert status["restarts"] == 0
    assert not status.get("startTime")
    one.suspend(wanted=False)
    if phase in {"LauncherRunning", "Suspended"}:
        finish(one)
    else:
        status = one.until_phase(phase)
        assert status["restarts"] == 0
        one.delete()


def has_seen(manifest: Manifest) -> Callable[[Manifest], bool]:
    """Tell whether the operator has seen this generation."""
    generation = manifest["metadata"]["generation"]
    return lambda status: bool(status["observedGeneration"] == generation)


@pytest.mark.parametrize("phase", ENDED)
def test_a_verdict_outlives_suspension(world: World, phase: str) -> None:
    """Suspending what has ended changes nothing of it, and resuming runs nothing."""
    one = at(world, phase, "late")
    before, pods = one.status, set(one.pods())
    for wanted in (True, False):
        one.suspend(wanted=wanted)
        status = one.until(has_seen(world.call("GET", one.path)))
        for field in ("phase", "result", "reason", "completionTime", "restarts"):
            assert status[field] == before[field]
    assert set(one.pods()) == pods
    assert list(one.jobs()) == [f"{one.name}-launcher"]


def test_an_invalid_spec_that_is_mended_runs(world: World) -> None:
    """Valid=False names the field; another generation is tried anew."""
    one = at(world, "Invalid", "mend")
    assert "containerPort" in one.status["message"]
    one.until_pods(lambda pods: not pods)
    good = PHASES["LauncherRunning"]("mend")["spec"]["mpiReplicaSpecs"]
    one.patch({"mpiReplicaSpecs": {"Worker": good["Worker"]}})
    finish(one)
