"""Children of canonical jobs, as YAML under tests/golden.

`MPIOP_GOLDEN=write` writes them anew; read the diff before it is committed.
"""

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from mpiop.reconcile.desired import (
    access,
    config_map,
    launcher,
    pod_group,
    service,
    ssh_secret,
    worker,
)
from mpiop.reconcile.gang import gang
from mpiop.reconcile.mpijob import Install, Json, MPIJob, RemoteShell
from mpiop.reconcile.parse import parse

GOLDEN = Path(__file__).parents[1] / "golden"
WRITE = os.environ.get("MPIOP_GOLDEN") == "write"
SHOWN = ("hostfile", "discover_hosts.sh", "ssh_config", "sshd_config")
Obj = dict[str, Any]


def container(**fields: object) -> Obj:
    """Give a main container."""
    return {"name": "mpi", "image": "mpi:1", **fields}


def manifest(name: str, spec: Obj, main: Obj, worker: Obj | None = None) -> Obj:
    """Give a job; `main` and `worker` are the first containers."""
    replicas: Obj = {"Launcher": {"template": {"spec": {"containers": [main]}}}}
    if worker is not None:
        template = {"spec": {"containers": [worker]}}
        replicas["Worker"] = {"replicas": 2, "template": template}
    meta = {"name": name, "namespace": "team", "uid": "uid-1"}
    return {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "metadata": meta,
        "spec": {"mpiReplicaSpecs": replicas, **spec},
    }


MPIRUN = container(command=["mpirun", "-np", "2", "/a.out"])


def other_user() -> Obj:
    """Give a job whose containers run as a uid that the image may not know."""
    user = {"securityContext": {"runAsUser": 1000, "runAsNonRoot": True}}
    return manifest("user", {}, {**MPIRUN, **user}, container(**user))


def host_network() -> Obj:
    """Give a job whose Pods share their nodes' network."""
    job = manifest("host", {}, MPIRUN, container())
    for role in job["spec"]["mpiReplicaSpecs"].values():
        role["template"]["spec"]["hostNetwork"] = True
    return job


CASES: dict[str, Obj] = {
    f"{implementation}-{shell}".lower(): manifest(
        "pi",
        {"mpiImplementation": implementation, "remoteShell": shell},
        MPIRUN,
        container(),
    )
    for implementation in ("OpenMPI", "Intel", "MPICH")
    for shell in ("SSH", "KubectlExec")
} | {
    "launcher-as-worker": manifest(
        "both", {"runLauncherAsWorker": True, "slotsPerWorker": 4}, MPIRUN, container()
    ),
    "launcher-alone": manifest("alone", {"runLauncherAsWorker": True}, MPIRUN),
    "host-network": host_network(),
    "other-user": other_user(),
    "worker-with-command": manifest(
        "own",
        {"sshAuthMountPath": "/home/mpiuser/.ssh"},
        MPIRUN,
        container(command=["/usr/sbin/sshd", "-De"]),
    ),
    "elastic": manifest(
        "elastic",
        {"remoteShell": "KubectlExec"},
        container(command=["horovodrun", "--host-discovery-script", "/x"]),
        container(),
    ),
    "suspended": manifest(
        "later", {"runPolicy": {"suspend": True}}, MPIRUN, container()
    ),
    "user-environment": manifest(
        "env",
        {},
        container(
            command=["mpirun"],
            env=[
                {"name": "OMPI_MCA_plm_rsh_args", "value": "-v"},
                {"name": "PRTE_MCA_hwloc_default_binding_policy", "value": "core"},
            ],
            resources={"limits": {"nvidia.com/gpu": 1}},
        ),
        container(resources={"limits": {"cpu": "2"}}),
    ),
}


REQUESTS = {"requests": {"cpu": "4", "memory": "1536Mi"}}
POLICY = {"queue": "gold", "priorityClass": "high", "scheduleTimeoutSeconds": 60}
GANGS = ("volcano", "scheduler-plugins", "kubernetes")
CASES |= {
    f"gang-{name}": manifest(
        "pi",
        {"runPolicy": {"schedulingPolicy": POLICY}},
        container(command=["mpirun", "/a.out"], resources=REQUESTS),
        container(resources=REQUESTS),
    )
    for name in GANGS
}


def job_of(case: str) -> MPIJob:
    """Parse a case."""
    job = parse(CASES[case])
    assert isinstance(job, MPIJob)
    return job


def children(job: MPIJob, scheduler: str = "") -> list[Json]:
    """Render all children, in the order in which they are made."""
    install = Install(kubectl_image="mpiop/mpiop:1", gang_scheduler=scheduler)
    found = [service.service(job), config_map.config_map(job, install, [])]
    if job.remote_shell is RemoteShell.SSH:
        found.append(ssh_secret.ssh_secret(job))
    else:
        found += [access.service_account(job), access.role(job)]
        found.append(access.role_binding(job))
    if (found_gang := gang(scheduler)) is not None:
        found.append(pod_group.pod_group(job, found_gang))
    if job.worker_replicas and not job.run_policy.suspend:
        found += worker.workers(job, install, (1,))
    suspend = job.run_policy.suspend
    return [*found, launcher.launcher_job(job, install, 0, suspend=suspend)]


def gang_of(case: str) -> str:
    """Name the gang scheduler of a case, "" for none."""
    return case.removeprefix("gang-") if case.startswith("gang-") else ""


def without_scripts(manifest: Json) -> Json:
    """Leave the text of scripts out: it has tests of its own."""
    data = manifest.get("data")
    if not isinstance(data, dict):
        return manifest
    shown = {k: v if k in SHOWN else "a script" for k, v in data.items()}
    return {**manifest, "data": shown}


class Plain(yaml.SafeDumper):
    """Writes each value out, without anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def _text(dumper: Plain, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


Plain.add_representer(str, _text)


@pytest.mark.compat(
    "objects.Launcher",
    "objects.Worker",
    "template.hostNetwork",
    "objects.Service",
    "objects.ConfigMap",
    "objects.Role",
    "objects.RoleBinding",
    "objects.ServiceAccount",
)
@pytest.mark.checklist("7.1.NewLauncherAndWorker")
@pytest.mark.defect("D23")
@pytest.mark.parametrize("case", CASES)
def test_children_are_as_reviewed(case: str) -> None:
    """Every byte that reaches the API server was read by a person."""
    manifests = [without_scripts(one) for one in children(job_of(case), gang_of(case))]
    text = yaml.dump_all(manifests, Dumper=Plain, sort_keys=False, width=100)
    path = GOLDEN / f"{case}.yaml"
    if WRITE:
        path.write_text(text)
    assert path.read_text() == text
