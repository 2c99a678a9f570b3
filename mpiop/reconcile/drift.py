"""Which values of a child are compared with what the job asks for, and what mends them.

Of a child that is there a plan knows digests alone (`views.ChildView`).
"""

from collections.abc import Iterable, Mapping
from typing import Final, cast

from mpiop.reconcile.actions import KindName
from mpiop.reconcile.digest import digest
from mpiop.reconcile.gang import API_VERSIONS, spec_values
from mpiop.reconcile.mpijob import Json
from mpiop.reconcile.reading import dig, items

HOST_FILES: Final = ("hostfile", "discover_hosts.sh")
_RULES: Final = "rules"
_NAMED: Final = "resourceNames"
_PUBLISHED: Final = "publishNotReadyAddresses"
_SELECTOR: Final = "selector/"


def digests(kind: KindName, manifest: Json) -> dict[str, str]:
    """Give a digest of each value that is compared.

    Per key of `data` (ConfigMap); of the rules, and of the names in them (Role); of
    the publication and per key of the selector (Service); what `gang.spec_values`
    lists (PodGroup).
    """
    return {key: digest(value) for key, value in _compared(kind, manifest).items()}


def mended(
    kind: KindName, manifest: Json, child: Mapping[str, str], *, started: bool
) -> dict[str, object]:
    """Give the merge patch that brings a child in line, {} where it is.

    A started attempt keeps what it started with, whatever a newer operator would make,
    and follows the number of its workers: its hosts, and which of them may be entered.

    Args:
        kind: of child and manifest.
        manifest: the child as it would be made.
        child: the `digests` of the one that is there.
        started: whether the attempt has.
    """
    wanted = _compared(kind, manifest)
    keys: Iterable[str] = wanted.keys() | child.keys()
    if kind == "ConfigMap":
        keys = HOST_FILES if started else wanted.keys()
    elif kind == "Role":
        keys = (_NAMED if started else _RULES,)
    elif kind != "Service":
        return {}
    stale = {
        key: wanted.get(key)
        for key in sorted(keys)
        if key not in wanted or child.get(key) != digest(wanted[key])
    }
    return _patch(kind, manifest, stale) if stale else {}


def _patch(
    kind: KindName, manifest: Json, stale: Mapping[str, object]
) -> dict[str, object]:
    if kind == "ConfigMap":
        return {"data": stale}
    if kind == "Role":
        return {_RULES: manifest[_RULES]}
    spec = {key: value for key, value in stale.items() if key == _PUBLISHED}
    keys = stale.keys() - spec.keys()
    if keys:
        spec["selector"] = {key.removeprefix(_SELECTOR): stale[key] for key in keys}
    return {"spec": spec}


def _compared(kind: KindName, manifest: Json) -> Mapping[str, object]:
    if kind == "ConfigMap":
        data = manifest.get("data")
        return cast("Json", data) if isinstance(data, Mapping) else {}
    if kind == "Role":
        rules = items(manifest, _RULES)
        named = {name for rule in rules for name in items(rule, _NAMED)}
        return {_RULES: manifest.get(_RULES), _NAMED: sorted(map(str, named))}
    if kind == "Service":
        found = dig(manifest, "spec", "selector")
        selector = found if isinstance(found, Mapping) else {}
        values = {_SELECTOR + str(key): value for key, value in selector.items()}
        return {_PUBLISHED: dig(manifest, "spec", _PUBLISHED), **values}
    return spec_values(manifest) if kind in API_VERSIONS else {}
