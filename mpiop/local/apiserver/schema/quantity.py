"""Resource quantities: reading, comparing and the canonical form."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final

_SYNTAX: Final = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))"
    r"(?P<suffix>(?:[KMGTPE]i)|[numkMGTPE]|(?:[eE][+-]?\d+))?"
)
_BINARY: Final = {f"{u}i": 1024**n for n, u in enumerate("KMGTPE", 1)}
_DECIMAL: Final = {
    "n": -9,
    "u": -6,
    "m": -3,
    "": 0,
    "k": 3,
    "M": 6,
    "G": 9,
    "T": 12,
    "P": 15,
    "E": 18,
}
_SHAPE: Final = r"'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
_SMALLEST: Final = Decimal(1).scaleb(-9)


def _read(text: str) -> tuple[Decimal, str]:
    match = _SYNTAX.fullmatch(text)
    if match is None:
        if re.match(r"[+-]?[0-9.]+", text):
            raise ValueError(f"unable to parse quantity's suffix in {text!r}")
        raise ValueError(f"quantities must match the regular expression {_SHAPE}")
    number, suffix = Decimal(match["number"]), match["suffix"] or ""
    if suffix in _BINARY:
        return number * _BINARY[suffix], "binary"
    if suffix in _DECIMAL:
        return number.scaleb(_DECIMAL[suffix]), "decimal"
    return number.scaleb(int(suffix[1:])), "exponent"


def parse_quantity(text: object) -> Decimal:
    """Read a quantity such as `100m`, `1Gi`, `2e3` or the number 2.

    Raises:
        ValueError: not a quantity; the text says why.
    """
    return _read(str(text).strip())[0]


@lru_cache(maxsize=1024)
def canonical_quantity(text: str) -> str:
    """Write a quantity as the API server does: `1000m` as `1`, `1024Mi` as `1Gi`.

    Raises:
        ValueError: not a quantity.
    """
    value, form = _read(text.strip())
    value = (value / _SMALLEST).to_integral_value("ROUND_UP") * _SMALLEST
    if value == 0:
        return "0"
    if form == "binary" and value == value.to_integral_value():
        number, suffix = int(value), ""
        for unit, factor in _BINARY.items():
            if int(value) % factor == 0:
                number, suffix = int(value) // factor, unit
        # Below 1024 the binary form is written like a decimal one.
        return f"{number}{suffix}"
    sign, digits, exponent = value.normalize().as_tuple()
    assert isinstance(exponent, int)
    shift = exponent - exponent % 3
    number = int("".join(map(str, digits))) * 10 ** (exponent - shift)
    while shift > 18:  # noqa: PLR2004
        number, shift = number * 1000, shift - 3
    if form == "exponent":
        suffix = f"e{shift}" if shift else ""
    else:
        suffix = next(unit for unit, power in _DECIMAL.items() if power == shift)
    return f"{'-' if sign else ''}{number}{suffix}"
