"""Reads kubeconfigs, by the official client: exec plugins and token refresh are its.

Only its configuration loader and its connection pool are used, never its models.
Importing it costs some 20 MiB, so whoever does without does not import this.
"""

import urllib3
import yaml
from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject
from kubernetes.config import (
    ConfigException,
    load_incluster_config,
    load_kube_config,
)

from mpiop.k8s.access import Access, kept_alive
from mpiop.k8s.settings import SettingsError


def read(path: str, context: str, master: str = "") -> Access:
    """Read a kubeconfig; the usual one where no path is given.

    Another server than its own, where one is named, is spoken to as if it were that.

    Raises:
        SettingsError: there is none, or it cannot be read.
    """
    found = Configuration()
    try:
        load_kube_config(  # type: ignore[no-untyped-call] # the client's
            config_file=path or None,
            context=context or None,
            client_configuration=found,
            persist_config=False,
        )
    except (ConfigException, OSError, yaml.YAMLError) as error:
        raise SettingsError(f"kubeconfig: {error}") from error
    return _access(found, master)


def from_pod(master: str = "") -> Access:
    """Speak for this Pod's ServiceAccount, through the proxy that it was given.

    Raises:
        SettingsError: the ServiceAccount's files are not there.
    """
    found = Configuration()
    try:
        load_incluster_config(found)  # type: ignore[no-untyped-call] # the client's
    except (ConfigException, OSError) as error:
        raise SettingsError(f"in-cluster, or --kubeconfig: {error}") from error
    return _access(found, master)


def _access(found: Configuration, master: str) -> Access:
    found.host = master or found.host  # which proxy is asked depends on it

    def connect(connections: int) -> urllib3.PoolManager:
        found.connection_pool_maxsize = connections
        found.socket_options = kept_alive()
        return RESTClientObject(found).pool_manager

    def authorization() -> str:
        token = found.get_api_key_with_prefix("BearerToken", alias="authorization")
        return " ".join((token or "").split())

    return Access(found.host, authorization, connect)
