"""A custom resource's kind, built from one version of its definition."""

from collections.abc import Mapping
from typing import Any, Self

import attrs

from .errors import FieldError
from .kinds import Gvk


@attrs.frozen(eq=False)
class CustomKind:
    """One served version of a CustomResourceDefinition; same face as `Builtin`."""

    gvk: Gvk
    plural: str
    singular: str
    list_kind: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    status: bool = False
    stored: bool = True
    columns: tuple[Mapping[str, Any], ...] = ()

    @classmethod
    def from_crd(cls, crd: Mapping[str, Any], version: str) -> Self:
        """Compile schema, rules and columns of one version.

        Raises:
            KeyError: the definition has no such version (check() it first).
        """
        raise NotImplementedError

    def decode(self, obj: dict[str, Any]) -> list[str]:
        """Prune `obj` in place and name each unknown field that was dropped.

        Raises:
            DecodeError: metadata has a value of the wrong type.
        """
        raise NotImplementedError

    def default(self, obj: dict[str, Any]) -> None:
        """Fill in the schema's defaults, nested ones included, in place."""
        raise NotImplementedError

    def check(
        self, obj: Mapping[str, Any], old: Mapping[str, Any] | None = None
    ) -> list[FieldError]:
        """Judge metadata, schema and CEL rules; `old` makes transition rules count."""
        raise NotImplementedError


def custom_kinds(crd: Mapping[str, Any]) -> tuple[CustomKind, ...]:
    """Give every served version of a definition that passed check()."""
    raise NotImplementedError
