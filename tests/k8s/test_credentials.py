"""Where credentials come from, and what is told where there are none."""

import base64
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import attrs
import pytest
import yaml

from mpiop.k8s import credentials
from mpiop.k8s.access import Access
from mpiop.k8s.clock import Clock
from mpiop.k8s.credentials import load
from mpiop.k8s.http import HttpTransport
from mpiop.k8s.settings import Settings, SettingsError
from mpiop.k8s.transport import Call
from tests.support.served import Served, served

LIST = Call("GET", "/api/v1/namespaces/default/pods")


@attrs.frozen
class Pod:
    """What a Pod has: its ServiceAccount's files, and where the API server is."""

    folder: Path
    environment: dict[str, str]
    token: str


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Served]:
    """Serve an empty cluster."""
    with served(tmp_path) as found:
        yield found


@pytest.fixture
def pod(server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pod:
    """Give this process what a Pod of that cluster has."""
    told: Any = yaml.safe_load(Path(server.kubeconfig).read_text())
    cluster, user = told["clusters"][0]["cluster"], told["users"][0]["user"]
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "ca.crt").write_bytes(
        base64.b64decode(cluster["certificate-authority-data"])
    )
    (folder / "token").write_text(user["token"] + "\n")
    address = urlsplit(cluster["server"])
    environment = {
        "KUBERNETES_SERVICE_HOST": str(address.hostname),
        "KUBERNETES_SERVICE_PORT": str(address.port),
    }
    monkeypatch.setattr(credentials, "SERVICE_ACCOUNT", folder)
    client = "kubernetes.config.incluster_config.SERVICE_"
    monkeypatch.setattr(f"{client}TOKEN_FILENAME", str(folder / "token"))
    monkeypatch.setattr(f"{client}CERT_FILENAME", str(folder / "ca.crt"))
    return Pod(folder, environment, user["token"])


def status(access: Access) -> int:
    """Ask for something that only the known may see."""
    transport = HttpTransport(lambda: access, Clock.system())
    try:
        return transport.request(LIST).status
    finally:
        transport.close()


def test_a_pod_speaks_for_its_service_account(pod: Pod) -> None:
    """By the files that the kubelet keeps, whose token is read anew: it expires."""
    access = load(Settings(), pod.environment)
    assert access.authorization() == f"Bearer {pod.token}"
    assert status(access) == 200
    (pod.folder / "token").write_text("renewed")
    assert access.authorization() == "Bearer renewed"
    assert status(access) == 401


def test_a_pod_trusts_its_cluster_alone(pod: Pod, tmp_path: Path) -> None:
    """Another cluster's authority has not signed this server."""
    with served(tmp_path / "..") as other:
        text = Path(other.kubeconfig).read_text()
    told: Any = yaml.safe_load(text)["clusters"][0]["cluster"]
    authority = base64.b64decode(told["certificate-authority-data"])
    (pod.folder / "ca.crt").write_bytes(authority)
    with pytest.raises(Exception, match="certificate verify failed"):
        status(load(Settings(), pod.environment))


@pytest.mark.parametrize("file", ["token", "ca.crt"])
@pytest.mark.parametrize("proxy", [{}, {"HTTPS_PROXY": "http://127.0.0.1:1"}])
def test_a_pod_without_its_files_is_told(
    pod: Pod, file: str, proxy: dict[str, str]
) -> None:
    """A Pod may have no token on purpose; an empty file is none."""
    for broken in (lambda path: path.write_text(""), Path.unlink):
        broken(pod.folder / file)
        with pytest.raises(SettingsError, match=r"in-cluster.*--kubeconfig"):
            load(Settings(), {**pod.environment, **proxy})


def test_a_pod_asks_the_proxy_that_it_was_given(pod: Pod) -> None:
    """Then the official client decides, which knows the exceptions from it too."""
    proxied = {**pod.environment, "HTTPS_PROXY": "http://127.0.0.1:1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in proxied.items():
            patch.setenv(name, value)
        access = load(Settings(), proxied)
        assert access.connect(1).proxy is not None
        patch.setenv("NO_PROXY", "127.0.0.0/8")
        access = load(Settings(), proxied)
    assert access.connect(1).proxy is None
    assert access.authorization() == f"bearer {pod.token}"
    assert status(access) == 200


@pytest.mark.parametrize(
    ("address", "host"), [("10.0.0.1", "10.0.0.1"), ("fd00::1", "[fd00::1]")]
)
@pytest.mark.usefixtures("pod")
def test_an_address_may_be_of_either_family(address: str, host: str) -> None:
    """In an URL the longer one has brackets."""
    environment = {
        "KUBERNETES_SERVICE_HOST": address,
        "KUBERNETES_SERVICE_PORT": "6443",
    }
    assert credentials.of_pod(environment).host == f"https://{host}:6443"


def test_a_pod_does_without_the_official_client() -> None:
    """Its packages are a third of what an operator at rest would hold."""
    code = "import mpiop.cli.operating, sys; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("text", ["", "nonsense: [", "apiVersion: v1\nkind: Config\n"])
def test_bad_credentials_are_told(tmp_path: Path, text: str) -> None:
    """A kubeconfig that leads nowhere is an error of the settings."""
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(SettingsError, match="kubeconfig"):
        load(Settings(kubeconfig=str(path)))
    with pytest.raises(SettingsError, match="kubeconfig"):
        load(Settings(), {"KUBECONFIG": str(tmp_path / "missing")})


def test_master_names_another_server(server: Served) -> None:
    """Its URL wins over the kubeconfig's, whose credentials are still used."""
    usual = load(Settings(kubeconfig=server.kubeconfig))
    found = load(Settings(kubeconfig=server.kubeconfig, master="https://127.0.0.1:1/"))
    assert found.host == "https://127.0.0.1:1"
    assert found.authorization() == usual.authorization() != ""


def test_master_alone_is_enough(tmp_path: Path) -> None:
    """Without any kubeconfig it is spoken to without credentials."""
    config = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(config, str(tmp_path / "none"))
        alone = load(Settings(master="http://127.0.0.1:1/"), {})
        assert (alone.host, alone.authorization()) == ("http://127.0.0.1:1", "")
        with pytest.raises(SettingsError, match="kubeconfig"):
            load(Settings(), {})


@pytest.mark.compat("operator.kubeconfig")
def test_the_flag_wins_over_the_variable(server: Served) -> None:
    """As kubectl has it."""
    told = Settings(kubeconfig=server.kubeconfig)
    host = load(told, {"KUBECONFIG": "/nowhere"}).host
    assert host == load(told, {}).host
    with pytest.raises(SettingsError):
        load(Settings(), {"KUBECONFIG": "/nowhere"})
