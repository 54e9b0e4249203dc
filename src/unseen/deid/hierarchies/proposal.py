"""A hierarchy to begin with: what follows from a declared domain, or from values that the owner looks at."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import price
from unseen.core.schema import Categorical, Digits, Domain, Range
from unseen.deid.hierarchies.dates import Dates, DateStep, days_of
from unseen.deid.hierarchies.ladder import Intervals, Ladder, Prefixes, Table, texts

__all__ = ["as_values", "dates_of", "flat", "of_domain", "of_values"]


def of_domain(domain: Domain) -> Ladder:
    """Intervals that double in width for a Range, prefixes for Digits, the value or ``*`` for a Categorical."""
    if isinstance(domain, Digits):
        return Prefixes(domain.length)
    if isinstance(domain, Categorical):
        return flat(domain.values)
    if not isinstance(domain, Range):
        raise InvalidRequest(f"a hierarchy for {domain!r} was asked for", "one that the owner gives")
    span = price(domain.high) - price(domain.low)
    unit = Fraction(10) ** (math.floor(math.log10(span / 20)))
    width = max((unit * step for step in (1, 2, 5) if unit * step <= span / 20), default=unit)
    if domain.low.is_integer() and domain.high.is_integer() and span >= 4:
        width = max(width, Fraction(1))
    widths = []
    while width < span:
        widths.append(float(width))
        width *= 2
    return Intervals(domain.low, domain.high, widths)


def of_values(values: Iterable[Any]) -> Ladder:
    """What fits values that were looked at; bounds are rounded outwards, and do not tell the extreme values exactly."""
    found = [value for value in _listed(values) if value is not None and value == value]
    if not found:
        raise InvalidRequest("a hierarchy for no values was asked for", "values, or a declared domain")
    if all(isinstance(value, (int, float, np.number)) and not isinstance(value, (bool, np.bool_)) for value in found):
        low, high = float(min(found)), float(max(found))
        if not (math.isfinite(low) and math.isfinite(high)):
            raise InvalidRequest("a hierarchy for infinite values was asked for", "finite numbers")
        return flat(dict.fromkeys(texts(found))) if low == high else of_domain(Range(*_outwards(low, high)))
    days = dates_of(found)
    if days:
        first, last = min(days).year // 10 * 10, max(days).year // 10 * 10 + 9
        return Dates(date(max(1, first), 1, 1), date(last, 12, 31), list(DateStep))
    written = dict.fromkeys(texts(found))
    lengths = {len(value) for value in written}
    if len(lengths) == 1 and lengths != {1} and all(v.isascii() and v.isdigit() for v in written):
        return Prefixes(lengths.pop())
    return flat(sorted(written))


def flat(values: Iterable[Any]) -> Ladder:
    """The value itself or ``*``."""
    return Table([[value] for value in values], "the flat hierarchy")


def dates_of(values: Iterable[Any]) -> list[date]:
    """The day of each value if all are dates; else nothing."""
    found = days_of(np.array([str(value) for value in values], dtype=object))
    return [] if any(day is None for day in found) else [day for day in found if day is not None]


def _outwards(low: float, high: float) -> tuple[float, float]:
    unit = Fraction(10) ** (math.floor(math.log10(high - low)))
    unit = unit / 2 if unit > 1 else unit
    return float(math.floor(price(low) / unit) * unit), float(math.ceil(price(high) / unit) * unit)


def as_values(values: Iterable[Any]) -> NDArray[Any]:
    """Values as a hierarchy takes them: numbers or texts, shape (n,)."""
    found = _listed(values)
    numeric = all(isinstance(v, (int, float, np.number)) and not isinstance(v, (bool, np.bool_)) for v in found)
    return np.array(found) if numeric and found else np.array(texts(found), dtype=object)


def _listed(values: Iterable[Any]) -> list[Any]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise InvalidRequest(f"values of type {type(values).__name__} were given", "a column, a list, or a domain")
    for name in ("to_pylist", "to_list", "tolist"):
        if hasattr(values, name):
            return list(getattr(values, name)())
    return list(values)
