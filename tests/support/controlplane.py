"""A real control plane on loopback, for as long as a `with` lasts.

etcd, kube-apiserver, kube-controller-manager and kube-scheduler as a cluster runs them:
with RBAC, each component under its own user. Nodes are missing: a test plays them.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import attrs
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mpiop.local.apiserver.pki import Pki, kubeconfig
from tests.support.assets import NATIVE_GANGS, minor_version, wanted
from tests.support.audit import POLICY, AuditLog
from tests.support.cluster import Cluster

# These programs look for garbage seldom: they live for minutes, and there is memory.
SPENDING_MEMORY: Final = {"GOGC": "400"}
# And compute on a thread each, since many share few cores: of what an idle cluster
# computes, a fifth is threads that look for work.
SPARING_CORES: Final = {**SPENDING_MEMORY, "GOMAXPROCS": "1"}
PATIENCE: Final = 120.0  # seconds; it takes three on a quiet machine
_USERS: Final = ("system:kube-controller-manager", "system:kube-scheduler")
# A node's life and addresses are the business of whoever plays it.
_NOT_RUN: Final = "*,-node-lifecycle-controller,-node-ipam-controller"


@attrs.frozen
class Options:
    """How a control plane differs from the usual one.

    Attributes:
        admission: admission plugins beside those that are on by default.
        components: what runs beside etcd and the API server.
        gates: feature gates of all components; None for native gang scheduling, where
            the version has it.
        flags: more flags of the API server.
        controllers: which ones the controller manager runs.
        environment: what all of its programs find there.
    """

    admission: tuple[str, ...] = ()
    components: tuple[str, ...] = ("kube-controller-manager", "kube-scheduler")
    gates: tuple[str, ...] | None = None
    flags: tuple[str, ...] = ()
    controllers: str = _NOT_RUN
    environment: Mapping[str, str] = SPARING_CORES


@attrs.define
class ControlPlane:
    """Use with `with`; `cluster` is how tests see it.

    Attributes:
        folder: keeps its files and logs.
        assets: the folder with its programs.
    """

    folder: Path
    options: Options = Options()
    assets: Path = attrs.field(factory=wanted)
    cluster: Cluster = attrs.field(init=False)
    _ports: list[int] = attrs.field(factory=lambda: _free_ports(5))
    _pki: Pki = attrs.field(factory=lambda: Pki.create(["127.0.0.1"]))
    _running: "dict[str, subprocess.Popen[bytes]]" = attrs.field(factory=dict)

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_files()
        audit = AuditLog(self._path("audit.log"))
        self.cluster = Cluster(str(self._path("admin.kubeconfig")), audit, brief=True)
        try:
            self._start("etcd", self._etcd())
            self.start_server()
            for component, port in zip(
                self.options.components, self._ports[3:], strict=False
            ):
                self._start(component, self._client_of_server(component, port))
            # Without a controller manager nobody else makes it, and Pods need it.
            if "kube-controller-manager" in self.options.components:
                self.cluster.await_account("default")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if hasattr(self, "cluster"):
            self.cluster.close()
        for name in reversed(list(self._running)):
            self._kill(name)

    @property
    def minor(self) -> int:
        """The minor version, such as 37."""
        return minor_version(self.assets)

    def start_server(self) -> None:
        """Start the API server, for the first time or again on the same port."""
        self._start("kube-apiserver", self._api_server())
        self._await(self.cluster.ready, "kube-apiserver")

    def stop_server(self, *, graceful: bool = False) -> None:
        """End the API server: at once, or giving it time to say good-bye."""
        if graceful:
            self._running["kube-apiserver"].send_signal(signal.SIGTERM)
            self._running["kube-apiserver"].wait(PATIENCE)
        self._kill("kube-apiserver")

    def _start(self, name: str, flags: Sequence[str]) -> None:
        # The kernel ends it with us, also where nothing else gets to do it.
        guard = shutil.which("setpriv")
        before = [guard, "--pdeathsig=KILL"] if guard else []
        command = [*before, str(self.assets / name), *flags]
        with self._path(f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                command,
                env={**os.environ, **self.options.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for pytest, which ends us in order
            )

    def _kill(self, name: str) -> None:
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def _await(self, ready: Callable[[], bool], name: str) -> None:
        end = time.monotonic() + PATIENCE
        while not ready():
            alive = self._running[name].poll() is None
            if not alive or time.monotonic() > end:
                log = self._path(f"{name}.log").read_text(errors="replace")
                raise AssertionError(f"{name} does not start:\n{log[-3000:]}")
            time.sleep(0.05)

    def _path(self, name: str) -> Path:
        return self.folder / name

    def _write_files(self) -> None:
        self._path("server.pem").write_bytes(self._pki.chain_pem)
        self._path("ca.pem").write_bytes(self._pki.ca_pem)
        self._path("accounts.pem").write_bytes(_private_key())
        self._path("audit.yaml").write_text(yaml.safe_dump(POLICY))
        url = f"https://127.0.0.1:{self._ports[2]}"
        lines = []
        for user in ("admin", *_USERS):
            pki = attrs.evolve(self._pki, admin_token=secrets.token_urlsafe(16))
            path = self._path(f"{user.removeprefix('system:')}.kubeconfig")
            path.write_text(kubeconfig(url, pki))
            group = ",system:masters" if user == "admin" else ""
            lines.append(f"{pki.admin_token},{user},{user}{group}\n")
        self._path("tokens.csv").write_text("".join(lines))

    def _etcd(self) -> list[str]:
        client, peer = (f"http://127.0.0.1:{port}" for port in self._ports[:2])
        return [
            f"--data-dir={self._path('etcd')}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def _api_server(self) -> list[str]:
        pem = self._path("server.pem")
        flags = [
            f"--etcd-servers=http://127.0.0.1:{self._ports[0]}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._ports[2]}",
            # Nobody calls there; a machine may have no address but loopback.
            "--advertise-address=192.0.2.1",
            "--endpoint-reconciler-type=none",
            f"--cert-dir={self._path('certificates')}",
            f"--tls-cert-file={pem}",
            f"--tls-private-key-file={pem}",
            f"--token-auth-file={self._path('tokens.csv')}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self._path('accounts.pem')}",
            f"--service-account-signing-key-file={self._path('accounts.pem')}",
            f"--audit-policy-file={self._path('audit.yaml')}",
            f"--audit-log-path={self._path('audit.log')}",
            *self._gates(),
            *self.options.flags,
        ]
        if self.options.gates is None and self.minor >= NATIVE_GANGS:
            flags.append("--runtime-config=scheduling.k8s.io/v1beta1=true")
        if self.options.admission:
            plugins = ",".join(self.options.admission)
            flags.append(f"--enable-admission-plugins={plugins}")
        return flags

    def _client_of_server(self, component: str, port: int) -> list[str]:
        config = self._path(f"{component}.kubeconfig")
        flags = [
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            "--leader-elect=false",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            *self._gates(),
        ]
        if component == "kube-controller-manager":
            flags += [
                f"--cert-dir={self._path('certificates')}",
                f"--controllers={self.options.controllers}",
                # Which it makes where it is missing, in /usr unless told otherwise.
                f"--flex-volume-plugin-dir={self._path('flexvolume')}",
                "--use-service-account-credentials",
                f"--service-account-private-key-file={self._path('accounts.pem')}",
                f"--root-ca-file={self._path('ca.pem')}",
            ]
        return flags

    def _gates(self) -> list[str]:
        gates = self.options.gates
        if gates is None:
            gates = ("GenericWorkload=true",) if self.minor >= NATIVE_GANGS else ()
        return [f"--feature-gates={','.join(gates)}"] if gates else []


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            for _ in range(count)
        ]
        return [int(one.getsockname()[1]) for one in sockets]


def _private_key() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
