"""Reading manifests: defaults of each version, and one clear message per mistake."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpiop.reconcile.desired import access, config_map, launcher, worker
from mpiop.reconcile.mpijob import (
    CleanPodPolicy,
    FieldError,
    Install,
    LauncherCreationPolicy,
    MPIImplementation,
    MPIJob,
    RemoteShell,
    WorkerFailurePolicy,
)
from mpiop.reconcile.parse import parse
from mpiop.reconcile.views import job_view

Obj = dict[str, Any]
TEMPLATE: Obj = {"spec": {"containers": [{"name": "mpi", "image": "i:1"}]}}
REPLICAS = "spec.mpiReplicaSpecs"


def manifest(version: str = "v2beta1") -> Obj:
    """Give the smallest good MPIJob."""
    roles = {role: {"template": copy.deepcopy(TEMPLATE)} for role in ("Launcher",)}
    return {
        "apiVersion": f"kubeflow.org/{version}",
        "kind": "MPIJob",
        "metadata": {"name": "pi"},
        "spec": {
            "mpiReplicaSpecs": {
                **roles,
                "Worker": {"replicas": 2, "template": copy.deepcopy(TEMPLATE)},
            }
        },
    }


def rich() -> Obj:
    """Give an MPIJob that sets nearly everything."""
    job = manifest()
    job["metadata"] |= {
        "annotations": {"a": "b"},
        "labels": {"c": "d"},
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "managedFields": [
            {"apiVersion": "kubeflow.org/v1", "time": "2026-01-01T00:00:00Z"}
        ],
    }
    job["spec"] |= {
        "slotsPerWorker": 2,
        "remoteShell": "SSH",
        "sshAuthMountPath": "/home/u/.ssh",
        "mpiImplementation": "Intel",
        "launcherCreationPolicy": "AtStartup",
        "runPolicy": {
            "suspend": False,
            "backoffLimit": 3,
            "activeDeadlineSeconds": 5,
            "schedulingPolicy": {"minAvailable": 2, "minResources": {"cpu": "1"}},
        },
    }
    for role in job["spec"]["mpiReplicaSpecs"].values():
        role["restartPolicy"] = "Never"
        role["template"] = {
            "metadata": {"labels": {"l": "v"}, "annotations": {"a": "v"}},
            "spec": {
                "hostNetwork": True,
                "dnsConfig": {"searches": ["x"]},
                "volumes": [{"name": "v", "emptyDir": {}}],
                "initContainers": [{"name": "i", "image": "i"}],
                "containers": [
                    {
                        "name": "c",
                        "image": "i",
                        "command": ["mpirun"],
                        "args": ["-np", "2"],
                        "env": [{"name": "E", "value": "1"}],
                        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
                        "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
                    }
                ],
            },
        }
    return job


def good(job: Obj, **more: Any) -> MPIJob:  # noqa: ANN401
    """Parse what must be right."""
    found = parse(job, **more)
    assert isinstance(found, MPIJob), found
    return found


def errors(job: Obj) -> tuple[FieldError, ...]:
    """Parse what must be wrong."""
    found = parse(job)
    assert isinstance(found, tuple), found
    return found


def put(job: Obj, path: str, value: object) -> Obj:
    """Set one field by its dotted path."""
    at = job
    *way, last = path.split(".")
    for key in way:
        at = at.setdefault(key, {})
    at[last] = value
    return job


@pytest.mark.compat(
    "spec",
    "spec.slotsPerWorker",
    "spec.sshAuthMountPath",
    "spec.launcherCreationPolicy",
    "spec.mpiImplementation",
    "spec.mpiReplicaSpecs",
    "spec.mpiReplicaSpecs.*",
    "spec.runPolicy",
    "spec.runPolicy.cleanPodPolicy",
    "spec.runPolicy.backoffLimit",
)
@pytest.mark.checklist("7.3.SetDefaults")
def test_defaults_of_v2beta1() -> None:
    """What a v2beta1 job means where it says nothing."""
    job = good(manifest())
    assert job.remote_shell is RemoteShell.SSH
    assert job.run_policy.backoff_limit == 6
    assert job.run_policy.clean_pod_policy is CleanPodPolicy.NONE
    assert job.run_policy.worker_failure_policy is WorkerFailurePolicy.RESTART_JOB
    assert (job.launcher.replicas, job.launcher.restart_policy) == (1, "OnFailure")
    assert job.worker is not None
    assert (job.worker.replicas, job.worker.restart_policy) == (2, "Never")
    assert (job.slots_per_worker, job.ssh_auth_mount_path) == (1, "/root/.ssh")
    assert job.launcher_creation_policy is LauncherCreationPolicy.AT_STARTUP
    assert job.mpi_implementation is MPIImplementation.OPEN_MPI
    assert (job.namespace, job.uid, job.deleting) == ("default", "", False)


@pytest.mark.compat(
    "spec.remoteShell",
    "spec.mpiReplicaSpecs.*.restartPolicy",
    "spec.runPolicy.backoffLimit",
)
@pytest.mark.checklist("7.7.defaults")
def test_defaults_of_v1() -> None:
    """v1 differs in remote shell, retries and the launcher's restart policy."""
    job = good(manifest("v1"))
    assert job.remote_shell is RemoteShell.KUBECTL_EXEC
    assert job.run_policy.backoff_limit == 0
    assert job.launcher.restart_policy == "Never"


@pytest.mark.compat("spec.mpiReplicaSpecs.*.replicas")
@pytest.mark.defect("D21")
def test_workers_default_to_one_where_the_section_is_there() -> None:
    """Upstream never accepted a Worker section without replicas."""
    job = manifest()
    del job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"]
    assert good(job).worker_replicas == 1
    del job["spec"]["mpiReplicaSpecs"]["Worker"]
    assert good(job).worker_replicas == 0


@pytest.mark.compat("spec.cleanPodPolicy")
@pytest.mark.checklist("7.7.defaults")
@pytest.mark.parametrize(
    ("top", "policy", "expected"),
    [("Running", None, "Running"), (None, "All", "All"), ("Running", "All", "All")],
)
def test_clean_pod_policy_at_the_top_of_spec_is_an_alias(
    top: str | None, policy: str | None, expected: str
) -> None:
    """V1's field counts where runPolicy has none."""
    job = put(manifest("v1"), "spec.cleanPodPolicy", top)
    job = put(job, "spec.runPolicy.cleanPodPolicy", policy)
    assert good(job).run_policy.clean_pod_policy == expected


@pytest.mark.compat("spec.runPolicy.workerFailurePolicy")
@pytest.mark.parametrize(
    "container",
    [
        {"command": ["horovodrun", "--host-discovery-script", "/etc/mpi/x"]},
        {"args": ["sh", "-c", "horovodrun --host-discovery-script=/x"]},
        {"env": [{"name": "DISCOVER", "value": "/etc/mpi/discover_hosts.sh"}]},
    ],
)
def test_a_launcher_that_discovers_hosts_outlives_its_workers(container: Obj) -> None:
    """Horovod elastic of today is KeepLauncher without being told."""
    job = manifest()
    template = job["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]
    template["spec"]["containers"][0] |= container
    assert good(job).elastic
    put(job, "spec.runPolicy.workerFailurePolicy", "RestartJob")
    assert not good(job).elastic


@pytest.mark.compat("spec.remoteShell")
def test_annotation_then_record_then_field_choose_the_remote_shell() -> None:
    """The record wins over the field, the annotation over both."""
    job = put(manifest(), "spec.remoteShell", "SSH")
    kubectl = RemoteShell.KUBECTL_EXEC
    assert good(job).remote_shell is RemoteShell.SSH
    assert good(job, remote_shell=kubectl).remote_shell is kubectl
    job["metadata"]["annotations"] = {"mpiop/remote-shell": "SSH"}
    assert good(job, remote_shell=kubectl).remote_shell is RemoteShell.SSH


@pytest.mark.compat("spec.remoteShell")
def test_the_first_writers_version_breaks_a_tie() -> None:
    """A v1 job that a v2beta1 PUT flipped keeps kubectl exec; a choice is kept."""
    job = put(manifest(), "spec.remoteShell", "SSH")
    v1 = {"apiVersion": "kubeflow.org/v1", "time": "2026-01-01T00:00:00Z"}
    v2 = {"apiVersion": "kubeflow.org/v2beta1", "time": "2026-01-01T00:00:05Z"}
    job["metadata"]["managedFields"] = [v2, v1]
    assert good(job).remote_shell is RemoteShell.KUBECTL_EXEC
    assert good(job).run_policy.backoff_limit == 0
    job["metadata"]["managedFields"] = [{**v2, "time": v1["time"]}]
    put(job, "spec.remoteShell", "KubectlExec")
    assert good(job).remote_shell is RemoteShell.KUBECTL_EXEC


@pytest.mark.compat("spec.mpiReplicaSpecs.*.template")
def test_templates_are_passed_through_untouched() -> None:
    """A field nobody knows is still there."""
    job = manifest()
    template = {**TEMPLATE, "x": {"y": [1, None, "z"]}}
    job["spec"]["mpiReplicaSpecs"]["Worker"]["template"] = template
    worker = good(job).worker
    assert worker is not None
    assert worker.template == template


BAD: list[tuple[str, object, str, str]] = [
    ("apiVersion", "kubeflow.org/v2", "apiVersion", "kubeflow.org/v2beta1"),
    ("apiVersion", None, "apiVersion", "must be set"),
    ("kind", "MpiJob", "kind", "write MPIJob"),
    ("metadata.name", "", "metadata.name", "must be set"),
    ("metadata.name", "Pi", "metadata.name", "lower-case"),
    ("metadata.name", "a" * 55, "metadata.name", "at most 54 characters"),
    ("spec", None, REPLICAS, "must be set"),
    ("spec", "x", "spec", "must be an object"),
    (f"{REPLICAS}.Launcher", None, f"{REPLICAS}.Launcher", "must be set"),
    (f"{REPLICAS}.Launcher.replicas", 2, f"{REPLICAS}.Launcher.replicas", "must be 1"),
    (f"{REPLICAS}.Worker.replicas", 0, f"{REPLICAS}.Worker.replicas", "at least 1"),
    (f"{REPLICAS}.Worker.replicas", -3, f"{REPLICAS}.Worker.replicas", "is -3"),
    (f"{REPLICAS}.Worker.replicas", "2", f"{REPLICAS}.Worker.replicas", "unquoted"),
    (f"{REPLICAS}.worker", {}, f"{REPLICAS}.worker", "write Worker"),
    (f"{REPLICAS}.Worker", [], f"{REPLICAS}.Worker", "must be an object"),
    ("spec.slotsPerWorker", 0, "spec.slotsPerWorker", "at least 1, is 0"),
    ("spec.slotsPerWorker", True, "spec.slotsPerWorker", "a whole number"),
    ("spec.mpiImplementation", "openmpi", "spec.mpiImplementation", "write OpenMPI"),
    ("spec.remoteShell", "ssh", "spec.remoteShell", "write SSH"),
    ("spec.cleanPodPolicy", "Sometimes", "spec.cleanPodPolicy", "None, Running or All"),
    ("spec.launcherCreationPolicy", "AtStart", "spec.launcherCreationPolicy", "AtStar"),
    ("spec.sshAuthMountPath", "keys", "spec.sshAuthMountPath", "absolute"),
    ("spec.runLauncherAsWorker", "True", "spec.runLauncherAsWorker", "write true"),
    ("spec.runPolicy.backoffLimit", -1, "spec.runPolicy.backoffLimit", "at least 0"),
    ("spec.runPolicy.managedBy", "", "spec.runPolicy.managedBy", "write kubeflow.org"),
    (
        "spec.runPolicy.managedBy",
        "kubeflow.org/mpi-operater",
        "spec.runPolicy.managedBy",
        "write kubeflow.org/mpi-operator",
    ),
    (
        "spec.runPolicy.activeDeadlineSeconds",
        -1,
        "spec.runPolicy.activeDeadlineSeconds",
        "at least 0",
    ),
    (
        "spec.runPolicy.schedulingPolicy.minResources",
        {"cpu": "1Gb"},
        "spec.runPolicy.schedulingPolicy.minResources.cpu",
        "not a quantity",
    ),
    (
        "metadata.annotations",
        {"n": 1},
        "metadata.annotations.n",
        'must be a string, is 1; write "1"',
    ),
    (
        "metadata.annotations",
        {"mpiop/remote-shell": "rsh"},
        "metadata.annotations[mpiop/remote-shell]",
        "write",
    ),
]


@pytest.mark.compat(
    "spec.mpiReplicaSpecs",
    "spec.mpiReplicaSpecs.*.replicas",
    "spec.slotsPerWorker",
    "spec.sshAuthMountPath",
    "spec.launcherCreationPolicy",
    "spec.mpiImplementation",
)
@pytest.mark.checklist("7.3.Validate", "7.7.validation", "7.8.unknown-replica")
@pytest.mark.defect("D20")
@pytest.mark.parametrize(("path", "value", "where", "words"), BAD)
def test_a_mistake_gives_one_message_with_its_remedy(
    path: str, value: object, where: str, words: str
) -> None:
    """Exactly one error: the field, what is wrong, what to write."""
    found = errors(put(manifest(), path, value))
    assert [error.path for error in found] == [where]
    assert words in found[0].message


def nodes(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """List the paths of all values in a document."""
    inside: list[tuple[object, object]] = []
    if isinstance(value, dict):
        inside = list(value.items())
    elif isinstance(value, list):
        inside = list(enumerate(value))
    return [path, *(p for key, child in inside for p in nodes(child, (*path, key)))]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.sampled_from(["name", "env"]), inner)
    ),
    max_leaves=5,
)


@pytest.mark.defect("D24", "E1")
@given(st.sampled_from(nodes(rich())[1:]), JSON)
def test_no_mutation_makes_anything_raise(path: tuple[Any, ...], value: object) -> None:
    """Whatever stands in a field, the answer is errors, or a job with children."""
    job = rich()
    at: Any = job
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    found = parse(job)
    if not isinstance(found, MPIJob):
        assert found
        assert all(error.message for error in found)
        return
    config_map.config_map(found, Install(), [])
    made = launcher.launcher_job(found, Install(), 0, suspend=False)
    launcher.scheduling_patch(found, Install(), job_view(made))
    access.role_binding(found)
    if found.worker is not None:
        next(worker.workers(found, Install(), (0,)))
