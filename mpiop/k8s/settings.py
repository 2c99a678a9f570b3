"""What an operator is told from outside: by flags, by environment, by default.

Each setting is one field here; its flags (ours and upstream's), its variables and its
line in docs/operations.md come from the field.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs

from mpiop.reconcile.mpijob import Install

ENVIRONMENT_PREFIX: Final = "MPIOP_"
LONGEST_PORT: Final = 65535
IN_CLUSTER: Final = "KUBERNETES_SERVICE_HOST"
NAMESPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_BOOLEANS: Final = {"true": True, "1": True, "t": True} | {
    "false": False,
    "0": False,
    "f": False,
}

Value = str | float | bool


class SettingsError(ValueError):
    """A flag or a variable that cannot be meant; the command exits with 2."""


@attrs.frozen
class Told:
    """How a setting is told.

    Attributes:
        text: what it does, one sentence.
        flags: other names of its flag, upstream's; the first is the field's own.
        variables: environment variables that users of upstream set already.
        choices: the words that it may be, none for any.
    """

    text: str
    flags: tuple[str, ...]
    variables: tuple[str, ...]
    choices: tuple[str, ...]


def _field(
    default: Value,
    text: str,
    *flags: str,
    validator: Callable[[Any, Any, Any], None] | None = None,
    variables: tuple[str, ...] = (),
    choices: tuple[str, ...] = (),
) -> Any:  # noqa: ANN401 (what attrs.field itself says it gives)
    told = Told(text, flags, variables, choices)
    checks: list[Any] = [
        *([validator] if validator else []),
        *([_choice] if choices else []),
    ]
    return attrs.field(default=default, validator=checks, metadata={"told": told})


def _positive(_settings: object, field: "attrs.Attribute[Any]", value: float) -> None:
    if value <= 0:
        raise SettingsError(f"{field.name}: must be above 0, is {value}")


def _not_negative(
    _settings: object, field: "attrs.Attribute[Any]", value: float
) -> None:
    if value < 0:
        raise SettingsError(f"{field.name}: must be 0 or more, is {value}")


def _port(_settings: object, field: "attrs.Attribute[Any]", value: int) -> None:
    if not 0 <= value <= LONGEST_PORT:
        raise SettingsError(f"{field.name}: must be 0 to {LONGEST_PORT}, is {value}")


def _namespaces(_settings: object, field: "attrs.Attribute[Any]", value: str) -> None:
    for name in filter(None, value.split(",")):
        if not NAMESPACE.fullmatch(name.strip()):
            raise SettingsError(f"{field.name}: {name.strip()!r} is no namespace")


def _choice(_settings: object, field: "attrs.Attribute[Any]", value: str) -> None:
    choices = told(field).choices
    if value not in choices:
        wanted = " or ".join(choices)
        raise SettingsError(f"{field.name}: must be {wanted}, is {value!r}")


@attrs.frozen(kw_only=True)
class Settings:
    """An operator's settings; each field's `Told` says what it does."""

    kubeconfig: str = _field(
        "", "kubeconfig; by default as kubectl finds it, or in-cluster", "kubeConfig"
    )
    context: str = _field("", "context of the kubeconfig; its current one by default")
    master: str = _field("", "URL of the API server, instead of the kubeconfig's")
    namespace: str = _field(
        "",
        "namespaces to look after, by commas; all by default",
        validator=_namespaces,
        variables=("KUBEFLOW_NAMESPACE",),
    )
    workers: int = _field(
        4,
        "jobs reconciled side by side",
        "threadiness",
        "controller-threads",
        validator=_positive,
    )
    writers: int = _field(
        16, "creates or deletes of a job on their way at once", validator=_positive
    )
    resync_seconds: float = _field(
        600.0,
        "looks at every job this often though nothing changed",
        validator=_positive,
    )
    relist_seconds: float = _field(
        3600.0, "lists every kind this often", validator=_positive
    )
    kube_api_qps: float = _field(
        0.0,
        "most requests a second to the API server, 0 for no limit of ours: the"
        " server's own (429, Retry-After) is always honoured",
        validator=_not_negative,
    )
    kube_api_burst: int = _field(
        0,
        "requests that may exceed it at once; 0 for twice the rate",
        validator=_not_negative,
    )
    controller_queue_rate_limit: float = _field(
        0.0,
        "most retries a second of all jobs together, 0 for no limit beside each"
        " job's own back-off",
        validator=_not_negative,
    )
    controller_queue_burst: int = _field(
        100, "retries that may exceed it at once", validator=_positive
    )
    leader_elect: bool = _field(
        default=True, text="only the replica that holds the Lease writes"
    )
    lock_namespace: str = _field("mpi-operator", "namespace of the Lease")
    lock_name: str = _field(
        "mpi-operator",
        "name of the Lease; upstream's, so that the two exclude another",
        "leader-election-id",
    )
    lease_seconds: float = _field(
        15.0,
        "after so long without a renewal another replica takes over",
        validator=_positive,
    )
    renew_seconds: float = _field(
        10.0,
        "after so long without a renewal the leader sends no more writes",
        validator=_positive,
    )
    retry_seconds: float = _field(
        2.0, "renews the Lease, or looks at it, this often", validator=_positive
    )
    monitoring_port: int = _field(
        0, "a second port that serves the same as --health-port", validator=_port
    )
    health_port: int = _field(
        8080, "serves /metrics, /healthz and /readyz; 0 for none", validator=_port
    )
    bind_address: str = _field(
        "", "address of both ports; by default all in a Pod, else loopback"
    )
    gang_scheduling: str = _field(
        "",
        "schedules all Pods of a job or none: volcano, kubernetes, or the name of a"
        " scheduler with the coscheduling plugin",
        "gang-scheduler-name",
    )
    launcher_runs_workloads: bool = _field(
        default=True, text="a v1 launcher that asks for a GPU takes ranks as well"
    )
    kubectl_image: str = _field(
        Install().kubectl_image,
        "image with sh and kubectl, for launchers that use KubectlExec",
        "kubectl-delivery-image",
        "mpi-kubectl-delivery-image",
    )
    cluster_domain: str = _field(
        "", "appended to host names where set, e.g. cluster.local"
    )
    force_delete_lost_workers_after: float = _field(
        0.0,
        "seconds past its grace after which a worker that does not end (its node is"
        " lost) is deleted by force, 0 for never; its ranks may live on",
        validator=_not_negative,
    )
    log_format: str = _field("text", "how to log", choices=("text", "json"))
    log_level: str = _field(
        "info", "what to log", choices=("debug", "info", "warning", "error")
    )

    def __attrs_post_init__(self) -> None:
        """Refuse what no single field can be blamed for."""
        if not self.retry_seconds < self.renew_seconds < self.lease_seconds:
            raise SettingsError(
                "lease_seconds: must be above renew_seconds, and that above"
                f" retry_seconds; they are {self.lease_seconds},"
                f" {self.renew_seconds} and {self.retry_seconds}"
            )

    @property
    def namespaces(self) -> tuple[str, ...]:
        """Each namespace to look after once; one "" for all."""
        given = (name.strip() for name in self.namespace.split(","))
        return tuple(dict.fromkeys(filter(None, given))) or ("",)

    @property
    def install(self) -> Install:
        """What the core is told of them."""
        return Install(
            kubectl_image=self.kubectl_image,
            cluster_domain=self.cluster_domain,
            gang_scheduler=self.gang_scheduling,
            launcher_runs_workloads=self.launcher_runs_workloads,
            force_delete_lost_workers_after=self.force_delete_lost_workers_after,
        )

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports to serve at."""
        given = (self.health_port, self.monitoring_port)
        return tuple(dict.fromkeys(port for port in given if port))

    @classmethod
    def read(cls, environment: Mapping[str, str], **flags: Value | None) -> "Settings":
        """Take each setting from its flag, else from a variable, else the default.

        Raises:
            SettingsError: a value that is no number, or out of range.
        """
        values: dict[str, Any] = {}
        for field in attrs.fields(cls):
            given = flags.get(field.name)
            names = iter(variables(field))
            while given is None and (name := next(names, None)) is not None:
                given = environment.get(name)
            if given is not None:
                values[field.name] = _typed(field, given)
        return cls(**values)


def told(field: "attrs.Attribute[Any]") -> Told:
    """Give how a setting is told."""
    found: Told = field.metadata["told"]
    return found


def flag_names(field: "attrs.Attribute[Any]") -> tuple[str, ...]:
    """Name a setting's flags, ours first."""
    return (field.name.replace("_", "-"), *told(field).flags)


def variables(field: "attrs.Attribute[Any]") -> tuple[str, ...]:
    """Name the environment variables of a setting, in the order of precedence."""
    ours = (ENVIRONMENT_PREFIX + _shout(name) for name in flag_names(field))
    return tuple(dict.fromkeys([*ours, *told(field).variables]))


def _shout(name: str) -> str:
    return name.replace("-", "_").upper()


def _typed(field: "attrs.Attribute[Any]", given: Value) -> Value:
    if isinstance(field.default, bool):
        found = _BOOLEANS.get(str(given).lower())
        if found is None:
            raise SettingsError(f"{field.name}: must be true or false, is {given!r}")
        return found
    kind: type[Value] = type(field.default)  # type: ignore[assignment] # all have one
    try:
        return kind(given)
    except ValueError:
        raise SettingsError(f"{field.name}: must be a number, is {given!r}") from None
