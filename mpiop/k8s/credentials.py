"""Finds the API server and the right to speak to it, by the official client.

Kubeconfigs, exec plugins, token refresh and in-cluster tokens are its business; only
its configuration loader and its connection pool are used, never its models.
"""

import os
from collections.abc import Mapping

import yaml
from kubernetes.client import Configuration
from kubernetes.config import (
    ConfigException,
    load_incluster_config,
    load_kube_config,
)

from mpiop.k8s.settings import IN_CLUSTER, Settings, SettingsError


def in_cluster(environment: Mapping[str, str] | None = None) -> bool:
    """Whether this process runs in a Pod."""
    given = os.environ if environment is None else environment
    return bool(given.get(IN_CLUSTER))


def load(
    settings: Settings, environment: Mapping[str, str] | None = None
) -> Configuration:
    """Read credentials in kubectl's order: flag, $KUBECONFIG, in-cluster, home.

    `--master` names another server; where there are no credentials at all, it is
    spoken to without any.

    Raises:
        SettingsError: there are none, or they cannot be read.
    """
    found = Configuration()
    given = os.environ if environment is None else environment
    path = settings.kubeconfig or given.get("KUBECONFIG", "")
    try:
        if not path and in_cluster(given):
            load_incluster_config(found)  # type: ignore[no-untyped-call] # the client's
        else:
            load_kube_config(  # type: ignore[no-untyped-call] # the client's
                config_file=path or None,
                context=settings.context or None,
                client_configuration=found,
                persist_config=False,
            )
    except (ConfigException, OSError, yaml.YAMLError) as error:
        if path or not settings.master:
            raise SettingsError(f"kubeconfig: {error}") from error
    if settings.master:
        found.host = settings.master.rstrip("/")
    return found
