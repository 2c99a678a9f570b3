"""Deletion, suspend and resume in every phase: what runs ends, nothing is left."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.support.manifests import job
from tests.support.whole import Submitted, World

pytestmark = [pytest.mark.needs("namespaces"), pytest.mark.slow]
Manifest = Mapping[str, Any]
WAITS = "until [ -e /tmp/go ]; do sleep 0.1; done; exec mpirun -np 2 hostname"
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
    return job(name, "mpirun -np 2 true", policy={"cleanPodPolicy": "None"})


def failed(name: str) -> Manifest:
    policy = {"cleanPodPolicy": "None", "backoffLimit": 0}
    return job(name, "exit 3", policy=policy)


def cleaned(name: str) -> Manifest:
    return job(name, "mpirun -np 2 true")


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
