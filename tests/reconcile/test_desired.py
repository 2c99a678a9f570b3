"""Children as users of upstream know them, and as an API server accepts them."""

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from mpiop.k8s.keys import make_keys
from mpiop.reconcile import names
from mpiop.reconcile.desired import config_map, launcher, worker
from mpiop.reconcile.mpijob import Install, Json, MPIJob
from mpiop.reconcile.parse import parse
from mpiop.reconcile.views import job_view
from tests.local.apiserver_world import World
from tests.reconcile.test_desired_golden import (
    CASES,
    MPIRUN,
    children,
    container,
    job_of,
    manifest,
)

INSTALL = Install()
PATHS = {
    "Service": "/api/v1/namespaces/team/services",
    "ConfigMap": "/api/v1/namespaces/team/configmaps",
    "Secret": "/api/v1/namespaces/team/secrets",
    "ServiceAccount": "/api/v1/namespaces/team/serviceaccounts",
    "Pod": "/api/v1/namespaces/team/pods",
    "Job": "/apis/batch/v1/namespaces/team/jobs",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/team/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/team/rolebindings",
}
BINDING = {
    "OMPI_MCA_hwloc_base_binding_policy",
    "PRTE_MCA_hwloc_default_binding_policy",
}
Obj = dict[str, Any]


def job(
    spec: Obj | None = None,
    main: Obj | None = None,
    worker: Obj | None = None,
    version: str = "v2beta1",
) -> MPIJob:
    """Parse a job of two workers."""
    found = manifest("pi", spec or {}, main or MPIRUN, worker or container())
    parsed = parse({**found, "apiVersion": f"kubeflow.org/{version}"})
    assert isinstance(parsed, MPIJob), parsed
    return parsed


def launcher_spec(found: MPIJob, install: Install = INSTALL) -> Obj:
    """Give the Pod spec of a job's launcher."""
    made: Any = launcher.launcher_job(found, install, 0, suspend=False)
    return dict(made["spec"]["template"]["spec"])


def worker_pod(found: MPIJob, index: int = 0, install: Install = INSTALL) -> Obj:
    """Give a worker Pod."""
    made: Any = next(worker.workers(found, install, (index,)))
    return dict(made)


def env(pod_spec: Obj) -> dict[str, str]:
    """Give the plain environment of a main container."""
    entries = pod_spec["containers"][0]["env"]
    assert len({entry["name"] for entry in entries}) == len(entries)
    return {entry["name"]: entry.get("value") for entry in entries}


def data(found: MPIJob, install: Install = INSTALL) -> dict[str, str]:
    """Give the ConfigMap's files, with all workers running."""
    running = [names.worker(found.name, i) for i in range(found.worker_replicas)]
    made: Any = config_map.config_map(found, install, running)
    return dict(made["data"])


def volume(pod_spec: Obj, name: str) -> Obj:
    """Find a volume."""
    return next(dict(one) for one in pod_spec["volumes"] if one["name"] == name)


def mount(pod_spec: Obj, name: str) -> Obj:
    """Find a mount of the main container."""
    mounts = pod_spec["containers"][0]["volumeMounts"]
    return next(dict(one) for one in mounts if one["name"] == name)


def pod_specs(case: str) -> Iterator[Obj]:
    """Give the Pod specs among the children of a case."""
    for child in children(job_of(case)):
        made: Any = child
        if made["kind"] == "Pod":
            yield made["spec"]
        elif made["kind"] == "Job":
            yield made["spec"]["template"]["spec"]


@pytest.mark.parametrize("case", CASES)
def test_a_strict_api_server_accepts_every_child(case: str) -> None:
    """No unknown field, nothing invalid, the launcher's Pod included."""
    world = World()
    world.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "team"}})
    world.ask("POST", PATHS["ServiceAccount"], {"metadata": {"name": "default"}})
    found: list[Any] = [*children(job_of(case))]
    template = found[-1]["spec"]["template"]
    pod = {**template, "metadata": {**template["metadata"], "name": "launcher-pod"}}
    for child in [*found, {"apiVersion": "v1", "kind": "Pod", **pod}]:
        if child["kind"] == "Secret":
            child["data"] = make_keys()
        made = world.ask("POST", PATHS[child["kind"]], child, fieldValidation="Strict")
        assert made.status == 201, made.body


@pytest.mark.compat("template.mounts")
@pytest.mark.parametrize("case", CASES)
def test_what_is_mounted_exists(case: str) -> None:
    """A key that ConfigMap or Secret lacks would keep the Pod from starting."""
    files = data(job_of(case))
    for spec in pod_specs(case):
        for one in spec["volumes"]:
            sources = one.get("projected", {}).get("sources", [one])
            for source in sources:
                if held := source.get("configMap"):
                    assert {item["key"] for item in held["items"]} <= set(files)
                if held := source.get("secret"):
                    assert {item["key"] for item in held["items"]} <= set(make_keys())


@pytest.mark.parametrize("case", CASES)
def test_programs_that_are_named_are_mounted(case: str) -> None:
    """Every path below /etc/mpi in a command or the environment is a file there."""
    for spec in pod_specs(case):
        held = volume(spec, "mpi-job-config")
        sources = held.get("projected", {}).get("sources", [held])
        there = {
            f"/etc/mpi/{item['path']}"
            for source in sources
            for item in (source.get("configMap") or source["secret"])["items"]
        }
        for one in [*spec["containers"], *spec.get("initContainers", ())]:
            values = [entry.get("value", "") for entry in one.get("env", ())]
            named = {
                word
                for word in (*one.get("command", ()), *values)
                if word.startswith("/etc/mpi/")
            }
            assert named <= there


@pytest.mark.compat("objects.owner", "objects.labels")
@pytest.mark.parametrize("case", CASES)
def test_every_child_is_known_by_its_owner_and_labels(case: str) -> None:
    """Owned by this very job in the stored version; Pods are found by upstream's."""
    owner = {
        "apiVersion": "kubeflow.org/v2beta1",
        "kind": "MPIJob",
        "name": job_of(case).name,
        "uid": "uid-1",
        "controller": True,
        "blockOwnerDeletion": True,
    }
    found: list[Any] = [*children(job_of(case))]
    selector = found[0]["spec"]["selector"]
    for child in found:
        meta = child["metadata"]
        assert meta["ownerReferences"] == [owner]
        assert meta["namespace"] == "team"
        assert meta["labels"]["mpiop/job-uid"] == "uid-1"
        if child["kind"] == "Pod":
            assert selector.items() <= meta["labels"].items()
        else:
            assert meta["labels"]["app"] == job_of(case).name
    template = found[-1]["spec"]["template"]["metadata"]
    assert selector.items() <= template["labels"].items()
    assert found[-1]["metadata"]["labels"]["mpiop/attempt"] == "0"


@pytest.mark.compat(
    "objects.Worker",
    "objects.Launcher",
    "objects.Service",
    "objects.ConfigMap",
    "objects.Secret",
)
def test_children_have_upstreams_names() -> None:
    """All but the Secret's, which carries the uid."""
    over_ssh = children(job())
    assert [
        (one["kind"], one["metadata"]["name"])  # type: ignore[index]
        for one in over_ssh
    ] == [
        ("Service", "pi"),
        ("ConfigMap", "pi-config"),
        ("Secret", "pi-ssh-uid-1"),
        ("Pod", "pi-worker-1"),
        ("Job", "pi-launcher"),
    ]


UPSTREAM = {
    "OpenMPI": {
        "OMPI_MCA_orte_keep_fqdn_hostnames": "true",
        "OMPI_MCA_orte_default_hostfile": "/etc/mpi/hostfile",
        "OMPI_MCA_plm_rsh_args": "-o ConnectionAttempts=10",
        "OMPI_MCA_orte_set_default_slots": "3",
    },
    "Intel": {
        "I_MPI_HYDRA_HOST_FILE": "/etc/mpi/hostfile",
        "I_MPI_HYDRA_BOOTSTRAP_EXEC_EXTRA_ARGS": "-o ConnectionAttempts=10",
        "I_MPI_PERHOST": "3",
    },
    "MPICH": {
        "HYDRA_HOST_FILE": "/etc/mpi/hostfile",
        "HYDRA_LAUNCH_EXTRA_ARGS": "-o ConnectionAttempts=10",
    },
}
AGENTS = {
    "OpenMPI": ("OMPI_MCA_plm_rsh_agent", "PRTE_MCA_plm_ssh_agent"),
    "Intel": ("I_MPI_HYDRA_BOOTSTRAP_EXEC",),
    "MPICH": ("HYDRA_LAUNCHER_EXEC",),
}
HIDDEN = {"NVIDIA_VISIBLE_DEVICES": "", "NVIDIA_DRIVER_CAPABILITIES": ""}


@pytest.mark.compat("env.OpenMPI", "env.Intel", "env.MPICH", "env.agent", "env.role")
@pytest.mark.parametrize("implementation", UPSTREAM)
def test_the_launcher_has_upstreams_environment(implementation: str) -> None:
    """Names and values to the letter; the remote-start agent is ours in addition."""
    found = env(
        launcher_spec(job({"mpiImplementation": implementation, "slotsPerWorker": 3}))
    )
    expected = {"K_MPI_JOB_ROLE": "launcher", **UPSTREAM[implementation], **HIDDEN}
    assert expected.items() <= found.items()
    assert {found[name] for name in AGENTS[implementation]} == {"/etc/mpi/agent.sh"}
    others = {
        name for other in AGENTS if other != implementation for name in AGENTS[other]
    }
    assert not others & set(found)


@pytest.mark.compat("env.agent", "env.OpenMPI")
def test_a_v1_launcher_has_upstreams_environment() -> None:
    """Both v1 operators' names; Intel's too, since v1 had no implementation field."""
    found = env(launcher_spec(job(version="v1")))
    assert {
        "OMPI_MCA_orte_default_hostfile": "/etc/mpi/hostfile",
        "I_MPI_HYDRA_BOOTSTRAP": "rsh",
        "OMPI_MCA_plm_rsh_no_tree_spawn": "1",
        "PRTE_MCA_plm_ssh_no_tree_spawn": "1",
        **HIDDEN,
    }.items() <= found.items()
    agents = {*AGENTS["OpenMPI"], *AGENTS["Intel"]}
    assert {found[name] for name in agents} == {"/etc/mpi/agent.sh"}
    assert "OMPI_MCA_plm_rsh_args" not in found


@pytest.mark.compat("env.OpenMPI")
@pytest.mark.parametrize("case", CASES)
def test_open_mpi_5_is_never_told_to_keep_full_names(case: str) -> None:
    """It would call its own launcher, and hang."""
    for spec in pod_specs(case):
        assert "PRTE_MCA_prte_keep_fqdn_hostnames" not in env(spec)


def test_a_tree_of_daemons_is_left_alone_over_ssh() -> None:
    """Workers can start workers there."""
    assert not [name for name in env(launcher_spec(job())) if "no_tree" in name]


@pytest.mark.compat(
    "hostfile", "hostfile.names", "discover_hosts.sh", "spec.runLauncherAsWorker"
)
@pytest.mark.checklist("7.1.NewConfigMap", "7.1.UpdateDiscoverHosts")
@pytest.mark.parametrize(
    ("spec", "version", "hostfile", "discovered"),
    [
        ({}, "v2beta1", "{0}.pi.team.svc slots=1", "{0}.pi.team.svc"),
        (
            {"slotsPerWorker": 4},
            "v2beta1",
            "{0}.pi.team.svc slots=4",
            "{0}.pi.team.svc",
        ),
        (
            {"mpiImplementation": "Intel", "slotsPerWorker": 2},
            "v2beta1",
            "{0}.pi.team.svc:2",
            "{0}.pi.team.svc",
        ),
        (
            {"mpiImplementation": "MPICH"},
            "v2beta1",
            "{0}.pi.team.svc:1",
            "{0}.pi.team.svc",
        ),
        ({"slotsPerWorker": 2}, "v1", "{0} slots=2", "{0}:2"),
    ],
)
@pytest.mark.parametrize("both", [False, True])
def test_hostfile_and_discovery_are_upstreams_to_the_byte(
    spec: Obj, version: str, hostfile: str, discovered: str, both: bool
) -> None:
    """In the order of the indices, the launcher first where it takes ranks."""
    files = data(job({**spec, "runLauncherAsWorker": both}, version=version))
    hosts = ["pi-launcher"] * both + ["pi-worker-0", "pi-worker-1"]
    assert files["hostfile"] == "".join(hostfile.format(h) + "\n" for h in hosts)
    assert files["discover_hosts.sh"] == "#!/bin/sh\n" + "".join(
        f"echo {discovered.format(h)}\n" for h in hosts
    )


@pytest.mark.compat("discover_hosts.sh")
@pytest.mark.defect("D34")
def test_the_tenth_worker_follows_the_ninth() -> None:
    """Upstream sorts discovered hosts by letters: worker-10 before worker-2."""
    raw = manifest("pi", {}, MPIRUN, container())
    raw["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"] = 12
    found = parse(raw)
    assert isinstance(found, MPIJob)
    lines = data(found)["discover_hosts.sh"].splitlines()[1:]
    assert lines == [f"echo pi-worker-{i}.pi.team.svc" for i in range(12)]


@pytest.mark.compat("spec.runLauncherAsWorker")
@pytest.mark.checklist("7.6.IsGPULauncher", "7.7.gpu")
@pytest.mark.parametrize(
    ("version", "resource", "works"),
    [
        ("v1", "nvidia.com/gpu", True),
        ("v1", "amd.com/gpu", True),
        ("v1", "example.com/gpu-shared", True),
        ("v1", "memory", False),
        ("v2beta1", "nvidia.com/gpu", False),
    ],
)
def test_v1s_gpu_launcher_takes_ranks(version: str, resource: str, works: bool) -> None:
    """It stands first in the hostfile; v2beta1 has runLauncherAsWorker for that."""
    main = {**MPIRUN, "resources": {"limits": {resource: 1}}}
    found = job(main=main, version=version)
    assert data(found)["hostfile"].startswith("pi-launcher ") is works


@pytest.mark.compat("env.NVIDIA")
@pytest.mark.parametrize("version", ["v1", "v2beta1"])
def test_a_launcher_that_asks_for_a_gpu_sees_it(version: str) -> None:
    """Empty NVIDIA_* would hide what the scheduler gave it."""
    main = {**MPIRUN, "resources": {"limits": {"nvidia.com/gpu": 1}}}
    assert (
        not HIDDEN.keys() & env(launcher_spec(job(main=main, version=version))).keys()
    )
    both = {"runLauncherAsWorker": True}
    assert not HIDDEN.keys() & env(launcher_spec(job(both))).keys()


@pytest.mark.parametrize(
    ("resources", "whole"),
    [
        ({"limits": {"cpu": "2"}}, True),
        ({"limits": {"cpu": 2}, "requests": {"cpu": "2000m"}}, True),
        ({"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}, False),
        ({"limits": {"cpu": "500m"}}, False),
        ({"limits": {"cpu": 0}}, False),
        ({"requests": {"cpu": "2"}}, False),
        ({}, False),
    ],
)
def test_binding_is_left_alone_with_whole_cores_only(
    resources: Obj, whole: bool
) -> None:
    """Else the ranks of all Pods of a node would share core 0."""
    found = env(launcher_spec(job(worker=container(resources=resources))))
    assert (not BINDING & found.keys()) is whole
    assert all(found[name] == "none" for name in BINDING & found.keys())


@pytest.mark.parametrize("name", sorted(BINDING))
def test_a_users_binding_policy_stands_alone(name: str) -> None:
    """Where the user sets one of the two, we set neither."""
    main = {**MPIRUN, "env": [{"name": name, "value": "core"}]}
    found = env(launcher_spec(job(main=main)))
    assert {key: found[key] for key in BINDING & found.keys()} == {name: "core"}


@pytest.mark.parametrize(
    ("resources", "own", "pin"),
    [
        ({}, "SOLVER", "0"),
        ({"limits": {"cpu": "2"}}, "SOLVER", None),
        ({}, "I_MPI_PIN", "theirs"),
        ({}, "I_MPI_PIN_DOMAIN", None),
    ],
)
@pytest.mark.parametrize(
    "spec", [{"mpiImplementation": "Intel"}, {"remoteShell": "KubectlExec"}]
)
def test_intel_mpi_does_not_bind_either(
    spec: Obj, resources: Obj, own: str, pin: str | None
) -> None:
    """Unless the user says where; a job of v1 does not say that it is Intel's."""
    main = {**MPIRUN, "env": [{"name": own, "value": "theirs"}]}
    found = env(launcher_spec(job(spec, main, container(resources=resources))))
    assert found.get("I_MPI_PIN") == pin


@pytest.mark.compat("env.order")
@pytest.mark.checklist("7.7.intel-env")
def test_the_users_environment_wins() -> None:
    """Every name of ours can be set by the user, and is there once."""
    ours = launcher_spec(job())["containers"][0]["env"]
    theirs = [{"name": entry["name"], "value": "theirs"} for entry in ours]
    spec = launcher_spec(job(main={**MPIRUN, "env": theirs}))
    assert spec["containers"][0]["env"] == theirs


@pytest.mark.compat("spec.mainContainer")
def test_the_container_to_start_in_is_named() -> None:
    """spec.mainContainer, else the worker's first; never left to kubectl."""
    sidecar = container(name="first one")
    assert (
        "container='first one'" in data(job(version="v1", worker=sidecar))["agent.sh"]
    )
    chosen = job({"mainContainer": "second"}, version="v1", worker=sidecar)
    assert "container=second\n" in data(chosen)["agent.sh"]


@pytest.mark.compat("hostfile.names", "dns.search")
@pytest.mark.checklist("7.1.NewConfigMap")
@pytest.mark.defect("D18")
def test_the_clusters_domain_completes_names() -> None:
    """In the hostfile only where it is set, in the search list always."""
    both = data(job({"runLauncherAsWorker": True}), Install(cluster_domain="a.b"))
    assert both["hostfile"].startswith("pi-launcher.pi.team.svc.a.b slots=1\n")
    assert "echo pi-launcher.pi.team.svc.a.b\n" in both["discover_hosts.sh"]
    install = Install(cluster_domain="corp.example")
    found = data(job(), install)
    assert found["hostfile"].startswith(
        "pi-worker-0.pi.team.svc.corp.example slots=1\n"
    )
    for spec in (launcher_spec(job(), install), worker_pod(job(), 0, install)["spec"]):
        assert spec["dnsConfig"]["searches"] == ["pi.team.svc.corp.example"]
    assert worker_pod(job())["spec"]["dnsConfig"]["searches"] == [
        "pi.team.svc.cluster.local"
    ]


@pytest.mark.compat(
    "objects.Worker",
    "template.mounts",
    "template.file-modes",
    "spec.sshAuthMountPath",
    "env.role",
)
def test_a_worker_with_a_command_keeps_upstreams_contract() -> None:
    """Keys where the image wants them, nothing of ours in their place."""
    own = container(command=["/usr/sbin/sshd", "-De"])
    home = job({"sshAuthMountPath": "/home/x/.ssh"}, worker=own)
    spec = worker_pod(home)["spec"]
    main = spec["containers"][0]
    assert main["command"] == ["/usr/sbin/sshd", "-De"]
    assert not {"readinessProbe", "args"} & main.keys()
    assert env(spec) == {"K_MPI_JOB_ROLE": "worker"}
    for each in (spec, launcher_spec(home)):
        assert mount(each, "ssh-auth") == {
            "name": "ssh-auth",
            "mountPath": "/home/x/.ssh",
        }
        assert volume(each, "ssh-auth")["secret"] == {
            "secretName": "pi-ssh-uid-1",
            "items": [
                {"key": "ssh-privatekey", "path": "id_rsa"},
                {"key": "ssh-publickey", "path": "id_rsa.pub"},
                {"key": "ssh-publickey", "path": "authorized_keys"},
            ],
        }
    assert not {"sshd.sh", "sshd_config", "ssh_config"} & data(home).keys()
    root = worker_pod(job(worker=own))["spec"]
    assert volume(root, "ssh-auth")["secret"]["defaultMode"] == 0o600


@pytest.mark.compat("objects.Worker")
def test_arguments_alone_are_a_command_over_ssh() -> None:
    """Upstream's condition: an image's entrypoint gets them."""
    main = worker_pod(job(worker=container(args=["sshd", "-De"])))["spec"][
        "containers"
    ][0]
    assert "command" not in main
    assert main["args"] == ["sshd", "-De"]


@pytest.mark.parametrize("version", ["v1", "v2beta1"])
def test_a_probe_of_the_user_is_kept(version: str) -> None:
    """Ours is for a worker that has none, and whose daemon is ours."""
    probe = {"tcpSocket": {"port": 1}}
    main = worker_pod(job(worker=container(readinessProbe=probe), version=version))
    assert main["spec"]["containers"][0]["readinessProbe"] == probe
    plain = worker_pod(job(version=version))["spec"]["containers"][0]
    assert ("readinessProbe" in plain) is (version == "v2beta1")


@pytest.mark.compat("replica-index")
@pytest.mark.checklist("7.8.rank-order")
@pytest.mark.parametrize(
    ("both", "index", "replica_index"),
    [(False, 0, "0"), (True, 0, "1"), (True, 1, "2")],
)
def test_indices_are_upstreams_and_our_own(
    both: bool, index: int, replica_index: str
) -> None:
    """Where the launcher takes ranks, it takes replica-index 0; ours never moves."""
    found = job({"runLauncherAsWorker": both})
    labels = worker_pod(found, index)["metadata"]["labels"]
    assert labels["training.kubeflow.org/replica-index"] == replica_index
    assert labels["mpiop/index"] == str(index)
    made: Any = launcher.launcher_job(found, INSTALL, 0, suspend=False)
    of_launcher = made["spec"]["template"]["metadata"]["labels"]
    expected = "0" if both else None
    assert of_launcher.get("training.kubeflow.org/replica-index") == expected


ODD: Obj = {
    "metadata": {"annotations": {"a": "1"}, "labels": {"l": "1", "app": "theirs"}},
    "spec": {
        "fromTheFuture": {"x": [1, {"y": None}]},
        "hostname": "theirs",
        "dnsConfig": {"searches": ["one"], "nameservers": ["192.0.2.1"]},
        "volumes": [{"name": "v", "emptyDir": {}}],
        "initContainers": [{"name": "theirs", "image": "i", "odd": True}],
        "containers": [
            {
                "name": "mpi",
                "image": "i",
                "resources": {"request": {"cpu": "1"}},
                "volumeMounts": [{"name": "v", "mountPath": "/v"}],
                "terminationMessagePolicy": "File",
                "odd": {"deep": [[]]},
            },
            {"name": "sidecar", "image": "i", "odd": 1},
        ],
    },
}


def without(value: Mapping[str, Any], *keys: str) -> Obj:
    """Leave some keys out."""
    return {key: held for key, held in value.items() if key not in keys}


@pytest.mark.compat("template.pass-through", "template.metadata")
@pytest.mark.parametrize("version", ["v1", "v2beta1"])
def test_templates_pass_through(version: str) -> None:
    """Fields that nobody knows survive, and only what is documented changes."""
    raw: Any = manifest("pi", {}, MPIRUN, container())
    raw["apiVersion"] = f"kubeflow.org/{version}"
    for role in raw["spec"]["mpiReplicaSpecs"].values():
        role["template"] = copy.deepcopy(ODD)
    before = copy.deepcopy(raw)
    found = parse(raw)
    assert isinstance(found, MPIJob)
    made: Any = launcher.launcher_job(found, INSTALL, 0, suspend=False)
    for pod in (worker_pod(found), made["spec"]["template"]):
        spec, main = pod["spec"], pod["spec"]["containers"][0]
        assert pod["metadata"]["annotations"] == {"a": "1"}
        assert {"l": "1", "app": "theirs"}.items() <= pod["metadata"]["labels"].items()
        assert spec["fromTheFuture"] == ODD["spec"]["fromTheFuture"]
        assert spec["containers"][1:] == ODD["spec"]["containers"][1:]
        assert ODD["spec"]["initContainers"][0] in spec["initContainers"]
        assert spec["volumes"][0] == ODD["spec"]["volumes"][0]
        assert spec["dnsConfig"]["nameservers"] == ["192.0.2.1"]
        assert spec["dnsConfig"]["searches"][0] == "one"
        assert spec["hostname"].startswith("pi-")
        theirs = ODD["spec"]["containers"][0]
        own = ("env", "volumeMounts", "command", "args", "readinessProbe")
        assert without(main, *own) == without(theirs, "volumeMounts")
        assert main["volumeMounts"][0] == theirs["volumeMounts"][0]
    assert raw == before


def waits(found: MPIJob) -> list[str]:
    """Name the init containers of a launcher."""
    return [one["name"] for one in launcher_spec(found)["initContainers"]]


@pytest.mark.compat("objects.kubectl-delivery")
def test_the_wait_comes_last_and_kubectl_first() -> None:
    """The user's own init containers run between them."""
    raw: Any = manifest("pi", {"remoteShell": "KubectlExec"}, MPIRUN, container())
    template = raw["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]
    template["spec"]["initContainers"] = [container(name="theirs")]
    found = parse(raw)
    assert isinstance(found, MPIJob)
    assert waits(found) == ["kubectl-delivery", "theirs", "mpiop-wait"]


def test_nothing_is_waited_for_where_nothing_is_to_come() -> None:
    """Without workers, or where the annotation says so."""
    alone = parse(manifest("pi", {}, MPIRUN))
    assert isinstance(alone, MPIJob)
    assert waits(alone) == []
    raw = manifest("pi", {}, MPIRUN, container())
    raw["metadata"]["annotations"] = {"mpiop/wait": "disabled"}
    disabled = parse(raw)
    assert isinstance(disabled, MPIJob)
    assert waits(disabled) == []


def test_the_wait_is_as_the_main_container_is() -> None:
    """What it proves holds for mpirun only under the same user and image."""
    shared = {
        "imagePullPolicy": "Never",
        "securityContext": {"runAsUser": 1000},
        "resources": {"limits": {"cpu": "1"}},
        "envFrom": [{"secretRef": {"name": "s"}}],
    }
    spec = launcher_spec(job(main={**MPIRUN, **shared}))
    wait, main = spec["initContainers"][-1], spec["containers"][0]
    assert {"image": "mpi:1", **shared}.items() <= wait.items()
    assert wait["volumeMounts"] == main["volumeMounts"]
    named = {entry["name"] for entry in wait["env"]}
    assert "MPIOP_RECORD" not in named  # its starts are none of the program's


def test_a_user_who_may_do_nothing_can_bring_kubectl() -> None:
    """The restricted Pod Security profile, as the user of the main container."""
    user = {"runAsUser": 1000, "runAsNonRoot": True, "privileged": True}
    spec = launcher_spec(job(main={**MPIRUN, "securityContext": user}, version="v1"))
    assert spec["initContainers"][0]["securityContext"] == {
        "runAsUser": 1000,
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


@pytest.mark.compat("template.serviceAccountName", "objects.RoleBinding")
@pytest.mark.checklist("7.7.service-account")
def test_an_account_of_the_user_is_used_and_bound() -> None:
    """Launcher and RoleBinding name the same one."""
    raw: Any = manifest("pi", {"remoteShell": "KubectlExec"}, MPIRUN, container())
    template = raw["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]
    for account in ("theirs", ""):
        template["spec"]["serviceAccountName"] = account
        found = parse(raw)
        assert isinstance(found, MPIJob)
        made: list[Json] = children(found)
        binding: Any = next(one for one in made if one["kind"] == "RoleBinding")
        assert binding["subjects"][0]["name"] == (account or "pi-launcher")
        assert launcher_spec(found)["serviceAccountName"] == (account or "pi-launcher")


@pytest.mark.compat("edits.launcher-template")
@pytest.mark.checklist("7.1.ResumeWithExistingLauncher", "7.8.restored")
@pytest.mark.defect("D37")
def test_resuming_carries_scheduling_directives_only() -> None:
    """What a queue has written into the template since; what it took away goes."""
    raw: Any = manifest("pi", {}, MPIRUN, container())
    template = raw["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]
    template["metadata"] = {"labels": {"l": "1"}, "annotations": {"new": "1"}}
    template["spec"]["nodeSelector"] = {"pool": "a"}
    found = parse(raw)
    assert isinstance(found, MPIJob)
    made: Any = launcher.launcher_job(found, INSTALL, 0, suspend=True)
    held = made["spec"]["template"]["metadata"]
    held["labels"] |= {"job-name": "pi-launcher", "old": "1"}
    held["annotations"] = {"old": "1"}
    made["spec"]["template"]["spec"]["nodeSelector"] = {"zone": "b"}
    patch: Any = launcher.scheduling_patch(found, INSTALL, job_view(made))
    template = patch["spec"]["template"]
    assert template["spec"] == {
        "nodeSelector": {"zone": None, "pool": "a"},
        "tolerations": None,
        "schedulingGates": None,
    }
    assert template["metadata"]["annotations"] == {"new": "1", "old": None}
    labels = template["metadata"]["labels"]
    assert {"l": "1", "old": None}.items() <= labels.items()
    assert "job-name" not in labels
    kept = without(labels, "old")
    assert kept == without(held["labels"], "old", "job-name") | {"l": "1"}


def test_a_job_without_workers_has_no_worker_pod() -> None:
    """Asking for one is our own bug."""
    alone = parse(manifest("pi", {}, MPIRUN))
    assert isinstance(alone, MPIJob)
    with pytest.raises(ValueError, match="without a Worker section"):
        next(worker.workers(alone, INSTALL, (0,)))
