"""Finds the API server and the right to speak to it, in kubectl's order."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from mpiop.k8s.access import Access, pool
from mpiop.k8s.settings import IN_CLUSTER, Settings, SettingsError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PORT: Final = "KUBERNETES_SERVICE_PORT"
_PROXIES: Final = {"https_proxy", "all_proxy"}


def in_cluster(environment: Mapping[str, str] | None = None) -> bool:
    """Whether this process runs in a Pod."""
    given = os.environ if environment is None else environment
    return bool(given.get(IN_CLUSTER))


def load(settings: Settings, environment: Mapping[str, str] | None = None) -> Access:
    """Read credentials in kubectl's order: flag, $KUBECONFIG, in-cluster, home.

    `--master` names another server; where there are no credentials at all, it is
    spoken to without any.

    Raises:
        SettingsError: there are none, or they cannot be read.
    """
    given = os.environ if environment is None else environment
    path = settings.kubeconfig or given.get("KUBECONFIG", "")
    master = settings.master.rstrip("/")
    own = not path and in_cluster(given)
    if own and not _proxied(given):
        found = of_pod(given)
        return attrs.evolve(found, host=master or found.host)
    from mpiop.k8s import kubeconfig  # some 20 MiB that most Pods do without

    try:
        if own:
            return kubeconfig.from_pod(master)
        return kubeconfig.read(path, settings.context, master)
    except SettingsError:
        if path or not master:
            raise
        return Access(master)


def of_pod(environment: Mapping[str, str]) -> Access:
    """Speak for this Pod's ServiceAccount; the kubelet renews the token's file.

    Raises:
        SettingsError: the Pod has no ServiceAccount's files.
    """
    token, authority = SERVICE_ACCOUNT / "token", SERVICE_ACCOUNT / "ca.crt"
    for file in (token, authority):
        try:
            if file.read_bytes().strip():
                continue
            problem = "is empty"
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
        raise SettingsError(
            f"in-cluster: {file} {problem}; let the Pod have its ServiceAccount's"
            " token (automountServiceAccountToken), or give --kubeconfig"
        )
    server, port = environment[IN_CLUSTER], environment.get(_PORT, "443")
    host = f"https://[{server}]:{port}" if ":" in server else f"https://{server}:{port}"
    return Access(
        host,
        lambda: f"Bearer {token.read_text('ascii').strip()}",
        partial(pool, ca_certs=str(authority)),
    )


def _proxied(given: Mapping[str, str]) -> bool:
    return any(given[name] for name in given if name.lower() in _PROXIES)
