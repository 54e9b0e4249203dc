"""Dates that are texts: read as a form says, and written again as they were written."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

__all__ = ["Dated", "read"]

PARTS = {
    "d": r"3[01]|[12]\d|0[1-9]|[1-9]| [1-9]",
    "m": r"1[0-2]|0[1-9]|[1-9]",
    "Y": r"\d{4}",
    "y": r"\d\d",
    "H": r"2[0-3]|[01]\d|\d",
    "I": r"1[0-2]|0[1-9]|[1-9]",
    "M": r"[0-5]\d|\d",
    "S": r"6[01]|[0-5]\d|\d",
    "f": r"\d{1,6}",
    **dict.fromkeys(("B", "b", "A", "a", "p", "Z"), r"[^\W\d]+\.?"),
    "z": r"[+-]\d\d:?\d\d(?::?\d\d(?:\.\d+)?)?|Z",
}
"""What each of strptime's directives reads; of a form with others the writing is not kept."""
OF_THE_DAY = "dmYyBbAa"
NAMED = "Bb"
DIRECTIVE = re.compile(r"%(.)|(\s+)|([^%\s]+)")


@dataclass(frozen=True)
class Dated:
    """A date as it is written.

    Args:
        text: the writing, without what stands around it.
        form: as strptime reads it.
        when: the date.
        parts: directive, begin and end of each part; None where the writing is not kept.
    """

    text: str
    form: str
    when: datetime
    parts: tuple[tuple[str, int, int], ...] | None

    @property
    def zeros(self) -> bool | None:
        """Whether days and months of one digit are written with a zero; None where none is there to show it."""
        told = [self.text[begin:end] for name, begin, end in self.parts or () if name in "dm"]
        if any(len(one) == 1 for one in told):
            return False
        return True if any(one[0] in "0 " for one in told) else None

    @property
    def usual_zeros(self) -> bool:
        """Whether such dates usually have zeros: not beside a month's name."""
        return not any(name in NAMED for name, _, _ in self.parts or ())

    def later(self, days: int, zeros: bool) -> str | None:
        """The date so many days later, in the same writing; None where the calendar ends before.

        Args:
            days: negative for earlier.
            zeros: for a day or month that does not show itself whether it would have one.
        """
        try:
            when = self.when + timedelta(days=days)
            if self.parts is None:
                return when.strftime(self.form)
            pieces, reached = [], 0
            for name, begin, end in self.parts:
                if name in OF_THE_DAY:
                    pieces += [self.text[reached:begin], self._part(name, self.text[begin:end], when, zeros)]
                    reached = end
            return "".join([*pieces, self.text[reached:]])
        except (OverflowError, ValueError):
            return None

    def _part(self, name: str, old: str, when: datetime, zeros: bool) -> str:
        if name == "Y":
            return f"{when.year:04d}"
        if name in "dm":
            number = when.day if name == "d" else when.month
            if old[0] == " ":
                return f"{number:2d}"
            padded = old[0] == "0" or (len(old) == 2 and zeros)
            return f"{number:02d}" if padded else str(number)
        new = when.strftime(f"%{name}")
        return new.upper() if old.isupper() and len(old) > 1 else new.lower() if old.islower() else new


def read(text: str, forms: Sequence[str]) -> Dated | None:
    """A date by the first form that fits, or None."""
    for form in forms:
        try:
            when = datetime.strptime(text, form)
        except ValueError:
            continue
        pattern, names = _pattern(form)
        match = None if pattern is None else pattern.fullmatch(text)
        parts = None if match is None else tuple((name, *match.span(at + 1)) for at, name in enumerate(names))
        return Dated(text, form, when, parts)
    return None


@lru_cache(maxsize=64)
def _pattern(form: str) -> tuple[re.Pattern[str] | None, tuple[str, ...]]:
    names: list[str] = []
    made = "".join(_pieces(form, names))
    return (None, ()) if "?" in names else (re.compile(made, re.IGNORECASE), tuple(names))


def _pieces(form: str, names: list[str]) -> Iterator[str]:
    for directive, space, other in DIRECTIVE.findall(form):
        if directive == "%":
            yield "%"
        elif directive:
            names.append(directive if directive in PARTS else "?")
            yield f"({PARTS.get(directive, '')})"
        else:
            yield r"\s+" if space else re.escape(other)
