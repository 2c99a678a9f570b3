"""Drift: which children are made again, which fields are given back."""

from typing import Any

import pytest

from mpiop.reconcile.actions import Create, Delete, Patch
from mpiop.reconcile.desired import access
from mpiop.reconcile.drift import digests, mended
from mpiop.reconcile.mpijob import MPIJob
from mpiop.reconcile.parse import parse
from tests.reconcile.build import (
    Obj,
    after,
    at,
    base,
    ended,
    launcher_job,
    launcher_pod,
    mpijob,
    owned,
    snapshot,
    step,
    terminated,
    worker,
)

WORLD = [worker(0), worker(1), launcher_job()]


def patches(actions: tuple[Any, ...]) -> list[tuple[str, Any]]:
    """Give kind and content of the patches of children."""
    return [(one.ref.kind, one.patch) for one in actions if isinstance(one, Patch)]


def find(children: list[Obj], kind: str) -> Obj:
    """Find a child by its kind."""
    return next(one for one in children if one["kind"] == kind)


@pytest.mark.compat("objects.drift", "objects.Service")
@pytest.mark.parametrize(
    ("spec", "patch"),
    [
        ({"publishNotReadyAddresses": False}, {"publishNotReadyAddresses": True}),
        ({"publishNotReadyAddresses": None}, {"publishNotReadyAddresses": True}),
        (
            {"selector": {"training.kubeflow.org/job-name": "pi", "more": "1"}},
            {
                "selector": {
                    "more": None,
                    "training.kubeflow.org/operator-name": "mpi-operator",
                }
            },
        ),
    ],
)
def test_a_service_is_given_back_what_makes_names_resolve(
    spec: Obj, patch: Obj
) -> None:
    """Selector and publication, as upstream; a foreign key of the selector goes."""
    children = base()
    service = find(children, "Service")
    service["spec"] = {**service["spec"], **spec}
    assert patches(step(snapshot(mpijob(2), *children, *WORLD))) == [
        ("Service", {"spec": patch})
    ]


@pytest.mark.compat("objects.drift", "objects.ConfigMap")
@pytest.mark.parametrize("wrong", ["changed", None])
def test_a_config_map_is_given_back_its_files(wrong: str | None) -> None:
    """A file that was changed or removed comes back; files of others stay."""
    children = base()
    data = find(children, "ConfigMap")["data"]
    good = dict(data)
    find(children, "ConfigMap")["data"] = {**data, "hostfile": wrong, "theirs": "1"}
    assert patches(step(snapshot(mpijob(2), *children, *WORLD))) == [
        ("ConfigMap", {"data": {"hostfile": good["hostfile"]}})
    ]


@pytest.mark.compat("edits.slotsPerWorker", "hostfile")
@pytest.mark.parametrize(
    ("field", "value", "line"),
    [
        ("slotsPerWorker", 4, "pi-worker-0.pi.default.svc slots=4\n"),
        ("mpiImplementation", "MPICH", "pi-worker-0.pi.default.svc:1\n"),
        ("runLauncherAsWorker", True, "pi-launcher.pi.default.svc slots=1\n"),
    ],
)
def test_an_edit_of_a_live_job_reaches_the_hostfile(
    field: str, value: object, line: str
) -> None:
    """The ConfigMap follows; Pods that are there keep what they have."""
    job = mpijob(2)
    job["spec"][field] = value
    actions = step(snapshot(job, *base(), *WORLD))
    [(kind, patch)] = patches(actions)
    assert kind == "ConfigMap"
    assert patch["data"]["hostfile"].startswith(line)
    assert not [one for one in actions if isinstance(one, Create)]


@pytest.mark.compat("objects.drift")
@pytest.mark.parametrize("kind", ["Service", "ConfigMap"])
def test_a_child_that_was_deleted_is_made_again(kind: str) -> None:
    """While the job lives."""
    left = [one for one in base() if one["kind"] != kind]
    actions = step(snapshot(mpijob(2), *left, *WORLD))
    made = [one.ref.kind for one in actions if isinstance(one, Create)]
    assert made == [kind]


@pytest.mark.compat("objects.ServiceAccount", "template.serviceAccountName")
@pytest.mark.checklist("7.7.service-account")
@pytest.mark.defect("E20")
@pytest.mark.parametrize(("account", "made"), [("", True), ("theirs", False)])
def test_an_account_of_the_user_is_not_ours_to_make(account: str, made: bool) -> None:
    """It is used and bound; nothing of its name, and no account of ours, is made."""
    job = mpijob(2)
    job["spec"]["remoteShell"] = "KubectlExec"
    template = job["spec"]["mpiReplicaSpecs"]["Launcher"]["template"]
    template["spec"]["serviceAccountName"] = account
    actions = step(snapshot(job))
    accounts = [
        one.ref.name
        for one in actions
        if isinstance(one, Create) and one.ref.kind == "ServiceAccount"
    ]
    assert accounts == (["pi-launcher"] if made else [])


@pytest.mark.compat("objects.Role", "edits.replicas")
def test_the_role_follows_the_number_of_workers() -> None:
    """Exec into exactly the workers there are."""
    job = mpijob(3)
    job["spec"]["remoteShell"] = "KubectlExec"
    made = [one for one in step(snapshot(job)) if isinstance(one, Create)]
    children = []
    for one in made:
        if one.ref.kind in {"Service", "ConfigMap", "Role", "RoleBinding"}:
            child = {**one.manifest, **owned(one.ref.kind, one.ref.name)}
            child["spec"] = one.manifest.get("spec", {})
            children.append(child)
    children.append(owned("ServiceAccount", "pi-launcher"))
    job["spec"]["mpiReplicaSpecs"]["Worker"]["replicas"] = 2
    found = dict(patches(step(snapshot(job, *children, *WORLD))))
    names = found["Role"]["rules"][1]["resourceNames"]
    assert names == ["pi-worker-0", "pi-worker-1"]


@pytest.mark.parametrize("started", [False, True])
def test_a_newer_operators_rules_wait_for_the_next_attempt(*, started: bool) -> None:
    """What a launcher was started with it keeps; names are followed all the same."""
    manifest = mpijob(2)
    manifest["spec"]["remoteShell"] = "KubectlExec"
    job = parse(manifest)
    assert isinstance(job, MPIJob)
    role: Any = access.role(job)
    theirs = {**role, "rules": [{"verbs": ["watch"]}, *role["rules"]]}
    fewer = {**role, "rules": role["rules"][:1]}
    kept = mended("Role", role, digests("Role", theirs), started=started)
    assert kept == ({} if started else {"rules": role["rules"]})
    found = mended("Role", role, digests("Role", fewer), started=started)
    assert found == {"rules": role["rules"]}


@pytest.mark.compat("clean-up.None", "clean-up.Running", "clean-up.All")
@pytest.mark.checklist("7.7.delete-pods")
@pytest.mark.parametrize(
    ("policy", "gone"),
    [
        ("None", []),
        ("Running", ["pi-worker-0"]),
        ("All", ["pi-worker-0", "pi-worker-1", "pi-launcher-abcde"]),
    ],
)
def test_workers_that_have_ended_outlive_the_policy_running(
    policy: str, gone: list[str]
) -> None:
    """Their logs are there to be read, as upstream leaves them."""
    job = mpijob(2, cleanPodPolicy=policy)
    workers = [worker(0), worker(1)]
    seen = snapshot(job, *base(), *workers, launcher_job(), launcher_pod())
    job = after(job, step(seen))
    pod = ended(launcher_pod(), terminated(0, -20, message="+0"), "Succeeded")
    dead = ended(worker(1), terminated(0, -5), "Succeeded")
    complete = launcher_job(0, "Complete", lastTransitionTime=at(-20))
    seen = snapshot(job, *base(), worker(0), dead, complete, pod)
    deleted = [one.ref.name for one in step(seen) if isinstance(one, Delete)]
    assert deleted == gone


@pytest.mark.parametrize(
    ("rule", "beside", "kept"),
    [
        ("Never", {}, True),
        ("OnFailure", {}, False),
        ("Never", {"containers": {"running": {}}}, False),
        ("Never", {"initContainers": {"running": {}}}, False),
        ("Never", {"initContainers": terminated(0, -5)}, True),
    ],
)
def test_a_lost_worker_stays_though_its_phase_lags_behind(
    rule: str, beside: Obj, *, kept: bool
) -> None:
    """Its kubelet tells of the container's end first; its log tells why."""
    job = mpijob(2, cleanPodPolicy="Running", backoffLimit=0)
    workers = [worker(0), worker(1)]
    seen = snapshot(job, *base(), *workers, launcher_job(), launcher_pod())
    job = after(job, step(seen))
    lost = ended(worker(1), terminated(137, -25), "Running")
    lost["spec"]["restartPolicy"] = rule
    for field, state in beside.items():
        lost["spec"].setdefault(field, []).append({"name": "other"})
        statuses = lost["status"].setdefault(field[:-1] + "Statuses", [])
        statuses.append({"name": "other", "state": state})
    pod = ended(launcher_pod(), terminated(1, -20), "Failed")
    failed = launcher_job(0, "Failed", lastTransitionTime=at(-20))
    seen = snapshot(job, *base(), worker(0), lost, failed, pod)
    job = after(job, actions := step(seen))
    assert job["status"]["reason"] == "WorkerLost"
    deleted = [one.ref.name for one in actions if isinstance(one, Delete)]
    assert deleted == ["pi-worker-0"] + ["pi-worker-1"] * (not kept)
