"""What generalised labels stand for, read from their form alone: for tables that came without their covers."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Callable, Iterable
from typing import Any

from unseen.core.generalised import Anything, Cover, Either, Interval, Members, Period, Prefix, itself

__all__ = ["labelled", "read_label"]

NUMBER = r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
FORMS: list[tuple[re.Pattern[str], Callable[[re.Match[str]], Cover | None]]] = [
    (re.compile(r"\*+"), lambda _: Anything()),
    (
        re.compile(rf"\[\s*({NUMBER})\s*[,;]\s*({NUMBER})\s*([])\[])"),
        lambda m: Interval(float(m[1]), float(m[2]), closed=m[3] == "]"),
    ),
    (
        re.compile(rf"\(\s*({NUMBER})\s*[,;]\s*({NUMBER})\s*([])])"),
        lambda m: Interval(math.nextafter(float(m[1]), math.inf), float(m[2]), closed=m[3] == "]"),
    ),
    (re.compile(rf">\s*({NUMBER})"), lambda m: Interval(math.nextafter(float(m[1]), math.inf), math.inf)),
    (re.compile(rf"(?:<|below )\s*({NUMBER})"), lambda m: Interval(float("-inf"), float(m[1]))),
    (re.compile(rf"(?:<=|≤)\s*({NUMBER})"), lambda m: Interval(float("-inf"), float(m[1]), closed=True)),
    (re.compile(rf"(?:>=|≥)\s*({NUMBER})|({NUMBER})\+"), lambda m: Interval(float(m[1] or m[2]), float("inf"))),
    (re.compile(r"(\d{1,18})\s*[-–]\s*(\d{1,18})"), lambda m: _between(int(m[1]), int(m[2]))),
    (re.compile(r"([^*\s][^*]*)\*+"), lambda m: Prefix(m[1])),
    (re.compile(r"(\d{4})-(\d\d)"), lambda m: _months(int(m[1]), int(m[2]), int(m[2]))),
    (re.compile(r"(\d{4})-Q([1-4])"), lambda m: _months(int(m[1]), 3 * int(m[2]) - 2, 3 * int(m[2]))),
    (re.compile(r"(\d{4})"), lambda m: Period(f"{m[1]}-01-01", f"{m[1]}-12-31")),
    (re.compile(r"(\d{3})0s"), lambda m: Period(f"{m[1]}0-01-01", f"{m[1]}9-12-31")),
    (re.compile(r"\{(.*)\}", re.DOTALL), lambda m: _listed(m[1])),
]
"""Forms that generalised values commonly have, and what they cover. A form may be another's: all that fit count."""


def read_label(label: str) -> Cover | None:
    """What a label may stand for beside itself; None if it has no form of a generalised value.

    Read are ``*``, ``[20, 30)``, ``[20, 30]``, ``(20, 30]``, ``<20``, ``>20``, ``<=20``, ``>=90``, ``90+``, ``20-29``,
    ``021**``, ``1957-03``, ``1957-Q1``, ``1957``, ``1950s``, lists such as ``{a, b}`` of values or of such labels, and
    ``{1957 … 1959-Q1}`` of dates or numbers. A name of a group, such as "school", has no form.

    >>> read_label("[20, 30)"), read_label("021**"), read_label("school")
    (Interval(low=20.0, high=30.0, closed=False), Prefix(start='021'), None)
    """
    found = [made for form, cover in FORMS if (m := form.fullmatch(label.strip())) and (made := cover(m)) is not None]
    if not found:
        return None
    return found[0] if len(found) == 1 else Either(tuple(found))


def labelled(values: Iterable[Any]) -> dict[Any, Cover]:
    """For each text that has such a form what it covers, itself among it.

    >>> sorted(labelled(["*", "school", 7]))
    ['*']
    """
    found: dict[Any, Cover] = {}
    for value in dict.fromkeys(values):
        cover = read_label(value) if isinstance(value, str) else None
        if cover is not None:
            found[value] = cover if isinstance(cover, Anything) else Either((itself(value), cover))
    return found


def _listed(text: str) -> Cover:
    """The members of a list, each itself and what its label covers; from one date to another if they are so told."""
    if ends := re.fullmatch(r"(.*?) … (.*?)(: \d+)?", text, re.DOTALL):
        first, last = _period(ends[1]), _period(ends[2])
        if first is not None and last is not None:
            return Period(first.first, last.last)
        if re.fullmatch(NUMBER, ends[1]) and re.fullmatch(NUMBER, ends[2]):
            return Interval(float(ends[1]), float(ends[2]), closed=True)
    members = [one.strip() for one in re.split(r",(?![^\[]*[\])])", text)]
    covers = [cover for one in members if (cover := read_label(one)) is not None]
    return Either((Members(frozenset(members)), *covers)) if covers else Members(frozenset(members))


def _period(label: str) -> Period | None:
    if re.fullmatch(r"\d{4}-\d\d-\d\d", label):
        return Period(label, label)
    cover = read_label(label)
    parts = cover.covers if isinstance(cover, Either) else (cover,)
    return next((one for one in parts if isinstance(one, Period)), None)


def _between(low: int, high: int) -> Cover | None:
    """Whole numbers from one to another, as in 20-29; a month such as 1957-03 is none."""
    return Interval(float(low), float(high), closed=True) if low <= high else None


def _months(year: int, first: int, last: int) -> Cover | None:
    if not 1 <= first <= last <= 12 or not year:
        return None
    return Period(f"{year:04}-{first:02}-01", f"{year:04}-{last:02}-{calendar.monthrange(year, last)[1]:02}")
