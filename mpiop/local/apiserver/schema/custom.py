"""A custom resource's kind, built from one version of its definition."""

from collections.abc import Mapping
from typing import Any, Final, Self

import attrs

from .errors import FieldError, Reason
from .kinds import Gvk
from .meta_check import check_meta, check_meta_update
from .openapi_check import check_schema
from .rules import check_rules, has_rules
from .structural import fill, prune

_BLOCKING: Final[frozenset[Reason]] = frozenset(
    {
        "FieldValueRequired",
        "FieldValueNotSupported",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)
_NOT_CHECKED: Final = FieldError(
    "<nil>",
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object "
    "was invalid; correct the existing errors to complete validation",
)


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
    schema: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    _rules: bool = False

    @classmethod
    def from_crd(cls, crd: Mapping[str, Any], version: str) -> Self:
        """Read schema, rules and columns of one version.

        Raises:
            KeyError: the definition has no such version (check() it first).
        """
        spec = crd["spec"]
        found = {one["name"]: one for one in spec["versions"]}[version]
        names, schema = spec["names"], found["schema"]["openAPIV3Schema"]
        return cls(
            gvk=Gvk(f"{spec['group']}/{version}", names["kind"]),
            plural=names["plural"],
            singular=names.get("singular", names["kind"].lower()),
            list_kind=names.get("listKind", f"{names['kind']}List"),
            namespaced=spec["scope"] == "Namespaced",
            short_names=tuple(names.get("shortNames", ())),
            categories=tuple(names.get("categories", ())),
            status="status" in found.get("subresources", {}),
            columns=tuple(found.get("additionalPrinterColumns", ())),
            schema=schema,
            rules=has_rules(schema),
        )

    def decode(self, obj: dict[str, Any]) -> list[str]:
        """Prune `obj` in place and name each unknown field that was dropped.

        Raises:
            DecodeError: metadata has a value of the wrong type.
        """
        return prune(self.schema, obj)

    def default(self, obj: dict[str, Any]) -> None:
        """Fill in the schema's defaults, nested ones included, in place."""
        fill(self.schema, obj)

    def check(
        self, obj: Mapping[str, Any], old: Mapping[str, Any] | None = None
    ) -> list[FieldError]:
        """Judge metadata, schema and CEL rules; `old` makes transition rules count."""
        errors = check_meta(obj, namespaced=self.namespaced)
        if old is not None:
            errors += check_meta_update(old, obj)
            found = check_schema(self.schema, dict(obj), "", dict(old))
        else:
            found = check_schema(self.schema, dict(obj), "")
        errors += found
        if self._rules:
            if any(error.reason in _BLOCKING for error in errors):
                return [*errors, _NOT_CHECKED]
            before = None if old is None else dict(old)
            errors += check_rules(self.schema, dict(obj), "", before)
        return errors


def custom_kinds(crd: Mapping[str, Any]) -> tuple[CustomKind, ...]:
    """Give every served version of a definition that passed check()."""
    return tuple(
        CustomKind.from_crd(crd, version["name"])
        for version in crd["spec"]["versions"]
        if version.get("served")
    )
