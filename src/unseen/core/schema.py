"""What the owner declares once: the unit of privacy, each column's domain and its role."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from unseen.core.errors import InvalidSchema, shown
from unseen.core.guarantee import number, whole

__all__ = ["Categorical", "Digits", "Domain", "EachRow", "Range", "Schema"]


D = TypeVar("D", bound="Domain")


@dataclass(frozen=True)
class EachRow:
    """The unit of privacy is the row: every row is another person."""

    def __str__(self) -> str:
        return "row"


@dataclass(frozen=True)
class Domain(ABC):
    """The values a column may have, with a total rule for all others."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The domain as JSON-ready values."""


@dataclass(frozen=True)
class Range(Domain):
    """Numbers in [low, high].

    Args:
        low: the least value.
        high: the greatest value, above ``low``.
        missing: what a missing value, NaN or text counts as; ``low`` if not given.

    Values outside are clamped: −∞ to ``low``, +∞ to ``high``.
    """

    low: float
    high: float
    missing: float | None = None

    def __post_init__(self) -> None:
        low, high = number("Range low", self.low), number("Range high", self.high)
        if low >= high:
            raise InvalidSchema(
                f"Range({self.low!r}, {self.high!r}) was declared",
                "low lies below high",
                f"Range({high:g}, {low:g})" if low > high else "",
            )
        if max(abs(low), abs(high)) > 1e290:
            raise InvalidSchema(
                f"Range({self.low!r}, {self.high!r}) was declared", "bounds within ±1e290, whose sums are doubles"
            )
        if not math.isfinite(high - low) or high - low < 1e-300:
            raise InvalidSchema(f"Range({self.low!r}, {self.high!r}) was declared", "its width is a finite double")
        if max(abs(low), abs(high)) / (high - low) > 1e9:
            raise InvalidSchema(
                f"Range({self.low!r}, {self.high!r}) was declared",
                "a width of at least a billionth of its bounds",
            )
        object.__setattr__(self, "low", low)
        object.__setattr__(self, "high", high)
        object.__setattr__(
            self, "missing", low if self.missing is None else number("Range missing", self.missing, low, high)
        )

    def to_dict(self) -> dict[str, Any]:
        """The domain as JSON-ready values."""
        return {"range": [self.low, self.high], "missing": self.missing}


@dataclass(frozen=True, init=False)
class Categorical(Domain):
    """One of the listed values, compared as text.

    Args:
        *values: at least one value; numbers are written without a trailing ``.0``.
        other: what any other or a missing value counts as; the first one if not given.
    """

    values: tuple[str, ...]
    other: str

    def __init__(self, *values: object, other: object = None) -> None:
        held = next((value for value in values if isinstance(value, (list, tuple, set, dict))), None)
        if held is not None:
            raise InvalidSchema(
                f"Categorical({held!r}) was declared",
                "the categories one by one",
                f"Categorical({', '.join(repr(one) for one in list(held)[:3])}{', ...' if len(held) > 3 else ''})",
            )
        words = tuple(_word(value) for value in values)
        if not words:
            raise InvalidSchema("Categorical() was declared", "at least one category", 'Categorical("no", "yes")')
        if len(set(words)) < len(words):
            raise InvalidSchema(f"Categorical({shown(words)}) was declared", "each category once")
        fallback = words[0] if other is None else _word(other)
        if fallback not in words:
            raise InvalidSchema(f"Categorical(other={other!r}) was declared", f"other is one of {shown(words)}")
        object.__setattr__(self, "values", words)
        object.__setattr__(self, "other", fallback)

    def to_dict(self) -> dict[str, Any]:
        """The domain as JSON-ready values."""
        return {"categories": list(self.values), "other": self.other}


@dataclass(frozen=True)
class Digits(Domain):
    """Codes of ``length`` decimal digits, such as zip codes. Shorter ones are padded with zeros from the left.

    Args:
        length: number of digits, 1 to 18.
        missing: what anything else counts as, a code of that length; all zeros if not given.
    """

    length: int
    missing: str | None = None

    def __post_init__(self) -> None:
        length = whole("Digits length", self.length, 1)
        if length > 18:
            raise InvalidSchema(f"Digits({length}) was declared", "at most 18 digits")
        missing = "0" * length if self.missing is None else str(self.missing)
        if len(missing) != length or not (missing.isascii() and missing.isdigit()):
            raise InvalidSchema(f"Digits(missing={self.missing!r}) was declared", f"a text of {length} digits")
        object.__setattr__(self, "length", length)
        object.__setattr__(self, "missing", missing)

    def to_dict(self) -> dict[str, Any]:
        """The domain as JSON-ready values."""
        return {"digits": self.length, "missing": self.missing}


def _word(value: object) -> str:
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        value = value.item()  # a numpy scalar as Python's own
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        number("category", value)
        return str(int(value)) if value.is_integer() else repr(value)
    if value is None:
        raise InvalidSchema("a category None was declared", "texts or numbers; a missing value counts as `other`")
    return str(value)


@dataclass(frozen=True)
class Schema:
    """The owner's declaration. Never inferred from the data.

    Args:
        unit: the column that names the unit of privacy, or ``EachRow()``.
        columns: each released or used column's domain.
        quasi_identifiers: columns an adversary may know.
        sensitive: columns that nobody should learn about a person.
        max_rows_per_unit: rows that one unit may contribute to a priced release.

    Raises:
        InvalidSchema: naming the column and what is allowed.
    """

    unit: str | EachRow
    columns: Mapping[str, Domain]
    quasi_identifiers: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    max_rows_per_unit: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.unit, (str, EachRow)) or self.unit == "":
            raise InvalidSchema(
                f"unit={self.unit!r} was declared",
                "the column that names the unit of privacy, or un.EachRow() where every row is another person",
            )
        if not isinstance(self.columns, Mapping):
            raise InvalidSchema(
                f"columns={self.columns!r} was declared",
                "a mapping from column name to domain",
                '{"age": un.Range(0, 110)}',
            )
        object.__setattr__(self, "columns", dict(self.columns))
        for name, domain in self.columns.items():
            if not isinstance(name, str) or not name:
                raise InvalidSchema(f"a column named {name!r} was declared", "names are texts")
            if not isinstance(domain, Domain):
                raise InvalidSchema(
                    f"column {name!r} was declared as {domain!r}",
                    "un.Range(low, high), un.Categorical(...) or un.Digits(length)",
                )
        if isinstance(self.unit, str) and self.unit in self.columns:
            raise InvalidSchema(
                f"the unit {self.unit!r} was declared as a column too",
                "the unit identifies and is never released",
            )
        for role, names in (("quasi_identifiers", self.quasi_identifiers), ("sensitive", self.sensitive)):
            object.__setattr__(self, role, self.known(names, role))
        both = set(self.quasi_identifiers) & set(self.sensitive)
        if both:
            raise InvalidSchema(
                f"{shown(sorted(both))} was declared quasi-identifying and sensitive",
                "one role for each column",
            )
        rows = whole("max_rows_per_unit", self.max_rows_per_unit, 1)
        if rows > 1_000_000:
            raise InvalidSchema(f"max_rows_per_unit={rows} was declared", "at most 1,000,000 rows a unit")
        if isinstance(self.unit, EachRow) and rows != 1:
            raise InvalidSchema(f"max_rows_per_unit={rows} was declared with EachRow()", "1: each row is another unit")
        object.__setattr__(self, "max_rows_per_unit", rows)

    @property
    def unit_name(self) -> str:
        """The unit in words: the column's name, or "row"."""
        return str(self.unit)

    def known(self, names: Iterable[str], what: str = "column") -> tuple[str, ...]:
        """Check that columns are declared, each once, and give their names back.

        Raises:
            InvalidSchema: an undeclared or repeated column.
        """
        if isinstance(names, str) or not isinstance(names, Iterable):
            raise InvalidSchema(f"{what}={names!r} was given", "a list of declared columns", f"[{names!r}]")
        result = tuple(names)
        unknown = [name for name in result if not isinstance(name, str) or name not in self.columns]
        if unknown:
            raise InvalidSchema(
                f"{what} {shown(unknown)} was asked for",
                f"declared columns are {shown(self.columns) or 'none'}",
            )
        if len(set(result)) < len(result):
            raise InvalidSchema(f"{what} {shown(result)} was asked for", "each column once")
        return result

    def domain(self, column: str, kind: type[D], why: str) -> D:
        """The declared domain of a column, which must be of a kind.

        Raises:
            InvalidSchema: undeclared, or of another kind.
        """
        found = self.columns[self.known([column])[0]]
        if not isinstance(found, kind):
            raise InvalidSchema(
                f"{why} of {column!r} was asked for",
                f"needs a column declared as {kind.__name__}; it is {type(found).__name__}",
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """The schema as JSON-ready values."""
        return {
            "unit": None if isinstance(self.unit, EachRow) else self.unit,
            "columns": {name: domain.to_dict() for name, domain in self.columns.items()},
            "quasi_identifiers": list(self.quasi_identifiers),
            "sensitive": list(self.sensitive),
            "max_rows_per_unit": self.max_rows_per_unit,
        }
