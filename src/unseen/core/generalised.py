"""Generalised values and what they cover, so that a release can be read without its guard."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Anything", "Cover", "Covers", "Either", "Interval", "Members", "Period", "Prefix", "day_of", "itself"]

DOUBLES = 2**53
"""Up to here each whole number is a double."""


@dataclass(frozen=True)
class Cover(ABC):
    """The set of original values that one released value stands for."""

    @abstractmethod
    def mask(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which of the original values it covers.

        Args:
            values: shape (n,), numbers or texts.
        """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The cover as JSON-ready values."""


@dataclass(frozen=True)
class Anything(Cover):
    """Every value: the column was suppressed."""

    def mask(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """All of them."""
        return np.ones(len(values), dtype=bool)

    def to_dict(self) -> dict[str, Any]:
        """The cover as JSON-ready values."""
        return {"anything": True}


@dataclass(frozen=True)
class Interval(Cover):
    """Numbers from ``low`` up to but without ``high``, or with it if ``closed``; numbers are told apart as doubles.

    One whole number alone, with ends of type int, is told apart exactly, though the doubles lack it.
    """

    low: float
    high: float
    closed: bool = False

    @property
    def whole(self) -> int | None:
        """The one whole number that it stands for, if it is such."""
        alone = self.closed and isinstance(self.low, int) and isinstance(self.high, int) and self.low == self.high
        return int(self.low) if alone else None

    def mask(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Those that are numbers inside."""
        found = _numbers(values)
        upper = found <= self.high if self.closed else found < self.high
        result: NDArray[np.bool_] = (found >= self.low) & upper
        if self.whole is not None and abs(self.whole) >= DOUBLES:
            for index in np.flatnonzero(result).tolist():
                result[index] = _exactly(values[index]) == self.whole
        return result

    def to_dict(self) -> dict[str, Any]:
        """The cover as JSON-ready values."""
        # JSON has no infinity
        ends = [end if isinstance(end, int) or math.isfinite(end) else None for end in (self.low, self.high)]
        return {"interval": ends, "closed": self.closed}


@dataclass(frozen=True)
class Members(Cover):
    """The listed values, compared as text."""

    values: frozenset[str]

    def mask(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Those that are listed."""
        return np.isin(_texts(values), np.array(sorted(self.values), dtype=object).astype(str))

    def to_dict(self) -> dict[str, Any]:
        """The cover as JSON-ready values."""
        return {"members": sorted(self.values)}


@dataclass(frozen=True)
class Prefix(Cover):
    """Texts that begin with ``start``."""

    start: str

    def mask(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Those that begin so."""
        return np.char.startswith(_texts(values), self.start)

    def to_dict(self) -> dict[str, Any]:
        """The cover as JSON-ready values."""
        return {"prefix": self.start}


@dataclass(frozen=True)
class Period(Cover):
    """Dates from ``first`` to ``last``, both as ISO texts and both included; a time of day is not looked at."""

    first: str
    last: str

    def mask(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Those that are dates inside: ISO texts, or dates."""
        found = _texts(values)
        days = found.astype("U10")  # which order as the dates do
        result: NDArray[np.bool_] = (days >= self.first) & (days <= self.last)
        for index in np.flatnonzero(result).tolist():
            result[index] = day_of(str(found[index])) is not None
        return result

    def to_dict(self) -> dict[str, Any]:
        """The cover as JSON-ready values."""
        return {"period": [self.first, self.last]}


@dataclass(frozen=True)
class Either(Cover):
    """What any of several covers."""

    covers: tuple[Cover, ...]

    def mask(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Those that one of them covers."""
        found: NDArray[np.bool_] = np.logical_or.reduce([one.mask(values) for one in self.covers])
        return found

    def to_dict(self) -> dict[str, Any]:
        """The cover as JSON-ready values."""
        return {"any of": [one.to_dict() for one in self.covers]}


def day_of(text: str) -> date | None:
    """The day that an ISO text such as ``1957-03-14`` or ``1957-03-14 12:30`` names; None if it names none.

    >>> day_of("1957-03-14 12:30"), day_of("1957-02-30"), day_of("19570314")
    (datetime.date(1957, 3, 14), None, None)
    """
    if len(text) < 10 or text[4] != "-" or text[7] != "-" or text[10:11] not in ("", " ", "T"):
        return None
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        return None


def itself(value: Any) -> Cover:
    """What a value covers that stands for itself: a number all that equal it, whole ones exactly; a text that text.

    >>> itself(2**53 + 1).mask(np.array([2**53, 2**53 + 1])).tolist(), itself("021")
    ([False, True], Members(values=frozenset({'021'})))
    """
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return Interval(int(value), int(value), closed=True)
    if isinstance(value, (float, np.floating)):
        return Interval(float(value), float(value), closed=True)
    return Members(frozenset([str(value)]))


Covers = Mapping[str, Mapping[Any, Cover]]
"""For each generalised column, what each of its released values covers."""


def _texts(values: NDArray[Any]) -> NDArray[np.str_]:
    if values.dtype.kind == "f":
        return np.array([str(int(v)) if np.isfinite(v) and v == int(v) else repr(float(v)) for v in values], dtype=str)
    return values.astype(str)


def _exactly(value: Any) -> Any:
    """A number, or a text that writes one, without rounding a whole one."""
    if not isinstance(value, str):
        return value.item() if isinstance(value, np.generic) else value
    try:
        return int(value)
    except ValueError:
        return float(value)


def _numbers(values: NDArray[Any]) -> NDArray[np.float64]:
    if values.dtype.kind in "iufb":
        return values.astype(np.float64)
    result = np.full(len(values), np.nan)
    for index, value in enumerate(values):
        try:
            result[index] = float(value)
        except (TypeError, ValueError):
            continue
    return result
