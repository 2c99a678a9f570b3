"""What an operator is told from outside: by flags, by environment, by default."""

from collections.abc import Mapping
from typing import Any, Final

import attrs

from mpiop.reconcile.mpijob import Install

ENVIRONMENT_PREFIX: Final = "MPIOP_"


class SettingsError(ValueError):
    """A flag or a variable that cannot be meant; the command exits with 2."""


def _positive(_settings: object, field: "attrs.Attribute[Any]", value: float) -> None:
    if value <= 0:
        raise SettingsError(f"{field.name}: must be above 0, is {value}")


@attrs.frozen(kw_only=True)
class Settings:
    """An operator's settings.

    Attributes:
        kubeconfig: path; "" for $KUBECONFIG, the usual place, or in-cluster.
        context: of the kubeconfig; "" for its current one.
        namespace: the only namespace to look after; "" for all.
        workers: threads that reconcile.
        writers: threads that create and delete side by side.
        resync_seconds: how often a job is looked at though nothing changed.
        relist_seconds: how often a kind is listed anew though its watch lives.
    """

    kubeconfig: str = ""
    context: str = ""
    namespace: str = ""
    workers: int = attrs.field(default=4, validator=_positive)
    writers: int = attrs.field(default=16, validator=_positive)
    resync_seconds: float = attrs.field(default=600.0, validator=_positive)
    relist_seconds: float = attrs.field(default=3600.0, validator=_positive)
    kubectl_image: str = Install().kubectl_image
    cluster_domain: str = ""

    @property
    def install(self) -> Install:
        """What the core is told of them."""
        return Install(self.kubectl_image, self.cluster_domain)

    @classmethod
    def read(
        cls, environment: Mapping[str, str], **flags: str | float | None
    ) -> "Settings":
        """Take each setting from its flag, else from `MPIOP_<NAME>`, else the default.

        Raises:
            SettingsError: a value that is no number, or out of range.
        """
        values: dict[str, Any] = {}
        for field in attrs.fields(cls):
            given = flags.get(field.name)
            if given is None:
                given = environment.get(ENVIRONMENT_PREFIX + field.name.upper())
            if given is not None:
                values[field.name] = _typed(field, given)
        return cls(**values)


def _typed(field: "attrs.Attribute[Any]", given: str | float) -> str | float:
    kind: type[str | float] = type(field.default)  # type: ignore[assignment] # all have one
    try:
        return kind(given)
    except ValueError:
        raise SettingsError(f"{field.name}: must be a number, is {given!r}") from None
