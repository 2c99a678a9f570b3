"""Flags as upstream's users write them."""

import attrs
import pytest
from click.testing import CliRunner

from mpiop.cli import operating
from mpiop.cli.main import cli
from mpiop.k8s.settings import Settings, SettingsError, flag_names, variables


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """Note the settings instead of running an operator."""
    found: list[Settings] = []

    def serve(settings: Settings) -> int:
        found.append(settings)
        return 0

    monkeypatch.setattr(operating, "serve", serve)
    return found


def run(*args: str, **env: str) -> str:
    """Run `mpiop operator`; give what it prints."""
    result = CliRunner().invoke(cli, ["operator", *args], env=env)
    return result.output if result.exit_code else ""


@pytest.mark.compat("operator.flags")
@pytest.mark.parametrize(
    "args",
    [
        ("-namespace", "a"),
        ("-namespace=a",),
        ("--namespace", "a"),
        ("--namespace=a",),
        ("-n", "a"),
        ("-n=a",),
    ],
)
def test_every_spelling_means_the_same(
    read: list[Settings], args: tuple[str, ...]
) -> None:
    """One dash or two, an equals sign or a space."""
    assert run(*args) == ""
    assert read[0].namespaces == ("a",)


@pytest.mark.compat("operator.flags")
def test_the_flags_of_an_installed_mpi_operator_are_understood(
    read: list[Settings],
) -> None:
    """A Deployment of upstream's goes on to work with its image changed."""
    output = run(
        "-alsologtostderr",
        "-stderrthreshold=INFO",
        "-v=4",
        "-gang-scheduling",
        "volcano",
        "-launcher-runs-workloads=false",
        "--kubectl-delivery-image=example/kubectl:1",
        "--lock-namespace=science",
        "-threadiness=2",
        "--monitoring-port=9090",
        "--kube-api-qps=5",
        "--kube-api-burst=10",
        "--controller-queue-rate-limit=10",
        "--controller-queue-burst=100",
        "--cluster-domain=cluster.local",
        "--kubeConfig=/config",
        "--master=https://127.0.0.1:1",
        "-namespace=",
    )
    assert output == ""
    (found,) = read
    assert found == Settings(
        kubeconfig="/config",
        master="https://127.0.0.1:1",
        workers=2,
        monitoring_port=9090,
        kube_api_qps=5,
        kube_api_burst=10,
        controller_queue_rate_limit=10,
        controller_queue_burst=100,
        lock_namespace="science",
        gang_scheduling="volcano",
        launcher_runs_workloads=False,
        kubectl_image="example/kubectl:1",
        cluster_domain="cluster.local",
        log_level="debug",
    )
    assert found.ports == (8080, 9090)
    assert found.install.gang_scheduler == "volcano"
    assert not found.install.launcher_runs_workloads


@pytest.mark.compat("operator.flags")
@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["-namespce", "x"], "there is no flag --namespce; did you mean --namespace?"),
        (["--gang-schedulin=x"], "did you mean --gang-scheduling?"),
        (["--xyzzy"], "there is no flag --xyzzy; see mpiop operator --help"),
        (["-threadiness"], "flag --threadiness needs a value"),
        (["-leader-elect=maybe"], "flag --leader-elect must be true or false"),
        (["mpi"], "unexpected argument 'mpi'"),
        (["--workers=two"], "'two' is not a valid integer"),
        (["--workers=0"], "workers: must be above 0, is 0"),
        (["--kube-api-qps=-1"], "kube_api_qps: must be 0 or more"),
        (["--health-port=70000"], "health_port: must be 0 to 65535"),
        (["--namespace=a,B_c"], "namespace: 'B_c' is no namespace"),
        (["--log-format=xml"], "'xml' is not one of"),
        (["--renew-seconds=20"], "lease_seconds: must be above renew_seconds"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    read: list[Settings], args: list[str], said: str
) -> None:
    """With exit code 2 and what to write instead; no operator starts."""
    result = CliRunner().invoke(cli, ["operator", *args])
    assert result.exit_code == 2
    assert said in result.output
    assert not read


@pytest.mark.compat("operator.training-flags")
def test_the_flags_of_an_installed_training_operator_are_understood(
    read: list[Settings],
) -> None:
    """Those that mean something here do; the others are told of, and nothing stops."""
    args = [
        "--gang-scheduler-name=volcano",
        "--controller-threads=3",
        "--mpi-kubectl-delivery-image=example/kubectl:1",
        "--leader-elect",
        "--leader-election-id=training",
        "-metrics-bind-address=127.0.0.1:9090",
        "--health-probe-bind-address",
        ":8081",
        "--enable-scheme=MPIJob",
        "--enable-scheme=tfjob",
        "--webhook-server-port=9443",
        "--pytorch-init-container-image=example/wait:1",
        "--zap-devel",
        "--zap-log-level=info",
    ]
    result = CliRunner().invoke(cli, ["operator", *args])
    assert result.exit_code == 0
    assert read == [
        Settings(
            gang_scheduling="volcano",
            workers=3,
            kubectl_image="example/kubectl:1",
            lock_name="training",
            monitoring_port=9090,
            health_port=8081,
            bind_address="127.0.0.1",
        )
    ]
    assert result.stderr.count("Warning: ") == 5
    for flag in ("enable-scheme=tfjob", "webhook-server-port", "zap-devel"):
        assert f"--{flag} has no effect: " in result.stderr
    assert "ValidatingWebhookConfiguration" in result.stderr


def test_a_bind_address_may_switch_off_or_be_wrong(read: list[Settings]) -> None:
    """`0` is no port, brackets belong to IPv6, and a word is no address."""
    assert run("--metrics-bind-address=0", "--health-probe-bind-address=[::1]:1") == ""
    assert (read[0].ports, read[0].bind_address) == ((1,), "::1")
    said = run("--metrics-bind-address=somewhere")
    assert "must be an address such as :8080, or 0, is 'somewhere'" in said


def test_a_flag_wins_over_a_variable(read: list[Settings]) -> None:
    """Flag, then MPIOP_ and any of the flag's names, then upstream's own variable."""
    run(MPIOP_NAMESPACE="b", KUBEFLOW_NAMESPACE="c", MPIOP_THREADINESS="7")
    run("--namespace=a", MPIOP_NAMESPACE="b")
    run(KUBEFLOW_NAMESPACE="c", MPIOP_LEADER_ELECT="false")
    assert [one.namespace for one in read] == ["b", "a", "c"]
    assert read[0].workers == 7
    assert not read[2].leader_elect


def test_variables_are_checked_like_flags() -> None:
    """A variable that cannot be meant is an error that names the setting."""
    with pytest.raises(SettingsError, match="workers: must be a number, is 'many'"):
        Settings.read({"MPIOP_WORKERS": "many"})
    with pytest.raises(SettingsError, match="leader_elect: must be true or false"):
        Settings.read({"MPIOP_LEADER_ELECT": "perhaps"})
    with pytest.raises(SettingsError, match="log_format: must be text or json"):
        Settings.read({"MPIOP_LOG_FORMAT": "xml"})


def test_no_two_settings_share_a_name() -> None:
    """A flag and a variable mean one thing."""
    fields = attrs.fields(Settings)
    flag_list = [name.lower() for one in fields for name in set(flag_names(one))]
    assert len(set(flag_list)) >= len(flag_list) - 1  # kubeconfig and kubeConfig
    names = [name for one in fields for name in variables(one)]
    assert len(set(names)) == len(names)


def test_several_namespaces_are_each_named_once() -> None:
    """By commas; spaces, empty parts and repetitions mean nothing."""
    assert Settings(namespace="a, b,,a").namespaces == ("a", "b")
    assert Settings().namespaces == ("",)


def test_the_version_is_told() -> None:
    """As upstream's flag, with exit code 0."""
    result = CliRunner().invoke(cli, ["operator", "-version"])
    assert (result.exit_code, result.output[:6]) == (0, "mpiop ")
