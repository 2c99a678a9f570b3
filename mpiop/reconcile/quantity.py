"""Sums of resource quantities, written as Kubernetes writes them.

A sum keeps the family of suffixes of what it started with (`1Gi` plus `512Mi` is
`1536Mi`, `1` plus `500m` is `1500m`), so that it compares equal to what another
client of the API would have written.
"""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

_WRITTEN: Final = re.compile(
    r"(\+?(?:\d+\.?\d*|\.\d+))([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?"
)
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0} | {
    suffix: 3 * power for power, suffix in enumerate("kMGTPE", start=1)
}
_BINARY: Final = {f"{suffix}i": power for power, suffix in enumerate("KMGTPE", start=1)}
_KILO, _KIBI = 1000, 1024
Quantities = Mapping[str, object]


def total(parts: list[tuple[Quantities, int]]) -> dict[str, str]:
    """Sum quantities by resource, each part so many times.

    What is no quantity is left out: the API server will say so about the Pod.
    """
    sums: dict[str, tuple[Fraction, bool]] = {}
    for resources, times in parts:
        for name, written in resources.items():
            read = _read(written)
            if read is None:
                continue
            amount, binary = read
            have, family = sums.get(name, (Fraction(0), binary))
            sums[name] = (have + amount * times, family)
    return {name: _write(*found) for name, found in sums.items()}


def _read(written: object) -> tuple[Fraction, bool] | None:
    """Give the amount, and whether it is written in powers of 1024."""
    match = _WRITTEN.fullmatch(str(written))
    if match is None:
        return None
    number, suffix = Fraction(match[1]), match[2] or ""
    if suffix in _BINARY:
        return number * Fraction(_KIBI) ** _BINARY[suffix], True
    power = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
    return number * Fraction(10) ** power, False


def _write(amount: Fraction, binary: bool) -> str:  # noqa: FBT001 (one of two families)
    if binary and amount >= _KIBI:
        whole = math.ceil(amount)
        for suffix, power in reversed(_BINARY.items()):
            if whole % _KIBI**power == 0:
                return f"{whole // _KIBI**power}{suffix}"
        return str(whole)
    nano = math.ceil(amount * 10**9)
    if nano == 0:
        return "0"
    units = {suffix: 10 ** (power + 9) for suffix, power in reversed(_DECIMAL.items())}
    suffix = next(suffix for suffix, unit in units.items() if nano % unit == 0)
    return f"{nano // units[suffix]}{suffix}"
