"""Cells of tables that were written apart: when two of them say the same."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
import numbers
import re
from datetime import date, datetime
from typing import Any, Final

__all__ = ["key", "number", "text"]

MISSING: Final = ("missing",)
"""The key of a missing value, which equals no text and no number."""

_WHOLE = re.compile(r"([+-]?\d+)(?:\.0*)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


def key(value: Any) -> Any:
    """What two cells have in common when they say the same: equal as number, else as text.

    >>> key(27) == key(27.0) == key("27") == key(" 27.0 ")
    True
    >>> key("02139") == key("02138"), key(None) == key(float("nan"))
    (False, True)
    """
    written = text(value)
    if written is None:
        return MISSING
    if found := _WHOLE.fullmatch(written):
        digits = found.group(1)
        return int(digits) if len(digits) < 4000 else digits  # Python refuses to read longer ones
    if _NUMBER.fullmatch(written):
        double = float(written)
        return double if math.isfinite(double) else written
    return written.lower() if written.lower() in ("true", "false") else written


def text(value: Any) -> str | None:
    """A cell as text, None if it is missing; whole numbers without a fraction, leading zeros kept.

    A stamp with a time zone is its local time, as a released table tells it.

    >>> text(27.0), text("02139"), text("27.0"), text(float("nan"))
    ('27', '02139', '27', None)
    """
    if value is None or (isinstance(value, (float, datetime)) and value != value):
        return None
    if isinstance(value, numbers.Real) and not isinstance(value, (bool, numbers.Integral)):
        double = float(value)
        return str(int(double)) if math.isfinite(double) and double == int(double) else repr(double)
    if isinstance(value, datetime):
        local = value.replace(tzinfo=None)
        return local.date().isoformat() if local.time() == datetime.min.time() else local.isoformat(" ")
    if isinstance(value, date):
        return value.isoformat()
    written = str(value).strip()
    found = _WHOLE.fullmatch(written)
    return found.group(1) if found else written


def number(value: Any) -> float:
    """A cell as the nearest double, NaN if it is no number or beyond them."""
    found = key(value)
    try:
        return float(found) if isinstance(found, (int, float)) else math.nan
    except OverflowError:
        return math.nan
