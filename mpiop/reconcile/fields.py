"""A cursor over JSON that collects what is wrong instead of raising.

Whatever a manifest holds, reading it ends in values or in `FieldError`s: a wrong type
gives the default and one message that says what to write instead.
"""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar, cast

import attrs

from mpiop.reconcile.mpijob import FieldError, Json
from mpiop.reconcile.reading import parse_time

Choice = TypeVar("Choice", bound=StrEnum)
SHOWN: Final = 60
QUANTITY: Final = re.compile(
    r"\+?(\d+\.?\d*|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?"
)


def shown(value: object) -> str:
    """Show a value in a message: strings quoted, long ones cut."""
    match value:
        case str():
            text = f'"{value}"'
        case bool():
            text = str(value).lower()
        case Mapping():
            text = "an object"
        case list():
            text = "a list"
        case _:
            text = str(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 4]}...{text[-1]}"


def nearest(word: str, words: Sequence[str]) -> str:
    """Find the word that was meant, "" where none is near."""
    folded = {known.lower(): known for known in words}
    found = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.5)
    return folded[found[0]] if found else ""


def listed(words: Sequence[str]) -> str:
    """List words to choose from."""
    return ", ".join(words[:-1]) + f" or {words[-1]}" if words[1:] else words[0]


def instead(word: str, words: Sequence[str]) -> str:
    """Say what to write instead of an unknown word."""
    return f"write {nearest(word, words) or listed(words)}"


@attrs.frozen
class Field:
    """One place in a manifest: its path, its value, and where errors go."""

    path: str
    value: object
    errors: list[FieldError]

    def wrong(self, message: str) -> None:
        """Record that this field is wrong."""
        self.errors.append(FieldError(self.path, message))

    def mistyped(self, wanted: str, hint: str = "") -> None:
        """Record that this field has a value of the wrong type."""
        more = f"; {hint}" if hint else ""
        self.wrong(f"must be {wanted}, is {shown(self.value)}{more}")

    def get(self, key: str) -> "Field":
        """Go to a key; a value that is no object has none (`mapping` complains)."""
        inside = self.value.get(key) if isinstance(self.value, Mapping) else None
        path = f"{self.path}.{key}" if self.path else key
        if not re.fullmatch(r"[\w-]+", key):
            path = f"{self.path}[{key}]"
        return Field(path, inside, self.errors)

    def mapping(self) -> Json:
        """Read an object; {} where it is absent."""
        if isinstance(self.value, Mapping):
            return cast("Json", self.value)
        if self.value is not None:
            self.mistyped("an object")
        return {}

    def entries(self) -> Iterator["Field"]:
        """Go through the entries of a list; none where it is absent."""
        if isinstance(self.value, list):
            for index, item in enumerate(self.value):
                yield Field(f"{self.path}[{index}]", item, self.errors)
        elif self.value is not None:
            self.mistyped("a list")

    def objects(self) -> Iterator["Field"]:
        """Go through a list of objects; other entries are errors."""
        for entry in self.entries():
            if isinstance(entry.value, Mapping):
                yield entry
            else:
                entry.mistyped("an object")

    def strings(self) -> Mapping[str, str]:
        """Read a map of strings; {} where it is absent."""
        return {
            key: value
            for key in self.mapping()
            if (value := self.get(key).string()) is not None
        }

    def string(self) -> str | None:
        """Read a string."""
        if isinstance(self.value, str):
            return self.value
        if self.value is not None:
            plain = isinstance(self.value, int | float)
            self.mistyped("a string", f"write {_quoted(self.value)}" if plain else "")
        return None

    def boolean(self) -> bool | None:
        """Read true or false."""
        if isinstance(self.value, bool):
            return self.value
        if self.value is not None:
            folded = self.value.lower() if isinstance(self.value, str) else ""
            hint = f"write {folded} without quotes" if folded in _BOOLEANS else ""
            self.mistyped("true or false", hint)
        return None

    def integer(self, minimum: int) -> int | None:
        """Read a whole number that is at least the minimum."""
        value = self.value
        if isinstance(value, int) and not isinstance(value, bool):
            if value >= minimum:
                return value
            self.wrong(f"must be at least {minimum}, is {value}")
        elif value is not None:
            digits = isinstance(value, str) and re.fullmatch(r"-?\d+", value)
            self.mistyped(
                "a whole number", f"write {value}, unquoted" if digits else ""
            )
        return None

    def choice(self, kind: type[Choice]) -> Choice | None:
        """Read one of an enumeration's values."""
        word = self.string()
        known = [str(member) for member in kind]
        if word is None:
            return None
        if word in known:
            return kind(word)
        self.wrong(f"{shown(word)} is not known; {instead(word, known)}")
        return None

    def time(self) -> datetime | None:
        """Read an RFC 3339 time."""
        try:
            return parse_time(self.string())
        except ValueError:
            self.wrong(f"must be a time like 2026-01-31T12:00:00Z, is {self.value}")
            return None

    def quantity(self) -> None:
        """Check a resource quantity."""
        value = self.value
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if number and cast("float", value) >= 0:
            return
        if isinstance(value, str) and QUANTITY.fullmatch(value):
            return
        self.wrong(
            f"{shown(value)} is not a quantity; write for example 500m, 2 or 1Gi"
        )


_BOOLEANS: Final = ("true", "false")


def _quoted(value: object) -> str:
    return f'"{str(value).lower() if isinstance(value, bool) else value}"'


def whole_number(quantity: object) -> int | None:
    """Read a quantity of whole units (2, "2", "2000m"); None for any other."""
    written = str(quantity)
    if re.fullmatch(r"\d+000m", written):
        return int(written[:-4])
    return int(written) if written.isdecimal() else None
