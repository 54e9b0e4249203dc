"""Dates moved by as many days for all of one person, so that what lies between them stays."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import DataFault, InvalidRequest
from unseen.core.guarantee import whole
from unseen.deid.pseudonym.dated import read
from unseen.deid.pseudonym.operation import Operation, Scope
from unseen.deid.pseudonym.token import digests

__all__ = ["DateShift", "moved"]

FORMATS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%B %d, %Y",
    "%b %d, %Y",
    "%d %B %Y",
    "%d %b %Y",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
)
"""Writings that can be read in one way only; 03/04/2020 cannot, so it is the owner's to declare."""

MOST_DAYS = 36_525
A_DAY = {"s": 86_400, "ms": 86_400_000, "us": 86_400_000_000, "ns": 86_400_000_000_000}


@dataclass(frozen=True)
class DateShift(Operation):
    """All dates of a person later, or all earlier, by a number of days that follows from the key and the person.

    Args:
        days: the greatest shift, 1 to 36,525. Shifts are uniform on the whole numbers from -days to days; 0 is one of
            them, so one person in 2·days + 1 keeps the true dates, and nobody can tell who.
        formats: how dates that are texts may be written, as ``strptime`` reads them; the first that fits counts, and
            the result is written the same way. The names of months are those of the process's locale.

    Times move on the clock of their zone, so that the time of day stays. Where a clock is set forward, a time that does
    not exist becomes the next one that does; where it is set back, a time that exists twice is the first of the two. A
    text comes back as it was but for the zero of a one-digit day or month, where no other date of its column shows
    whether they are written with one: then they are, unless the month is named.

    **Guarantee**: without the key the shift of a person is uniform, and independent of anybody else's. It hides the
    day and nothing more: intervals between a person's dates, their order and the time of day stay as they are, so a
    rare pattern of visits is known again; a date that is known from elsewhere tells the shift and so all others of that
    person; season and weekday show through where ``days`` is small; the least and greatest dates of all people are
    true up to ``days``.
    """

    days: int = 365
    formats: tuple[str, ...] = FORMATS

    def __post_init__(self) -> None:
        object.__setattr__(self, "days", whole("days", self.days, 1))
        if self.days > MOST_DAYS:
            raise InvalidRequest(f"days={self.days} was asked for", f"1 to {MOST_DAYS}")
        texts = (self.formats,) if isinstance(self.formats, str) else tuple(self.formats)
        if not texts or not all(isinstance(one, str) and "%" in one for one in texts):
            raise InvalidRequest(f"formats={self.formats!r} was given", "what strptime reads", 'formats=["%d/%m/%Y"]')
        object.__setattr__(self, "formats", texts)

    def shifts(self, persons: Sequence[str], scope: Scope) -> NDArray[np.int64]:
        """The days of each person, shape (n,); the same for every column and text of a project."""
        key = scope.subkey("date shift")
        width = 2 * self.days + 1
        found = [int.from_bytes(row, "big") % width - self.days for row in map(bytes, digests(key, persons)[:, :16])]
        return np.array(found, dtype=np.int64)

    def written(self, text: str, days: int) -> str | None:
        """A date that is a text, moved; None if no format fits it, or the calendar ends before."""
        return self._written([text], np.array([days]))[0]

    def _written(self, texts: Sequence[str], days: NDArray[np.int64]) -> list[str | None]:
        """Dates that are texts, moved; None for one that cannot be. All that are of one form are written alike."""
        dates = {text: read(text.strip(), self.formats) for text in dict.fromkeys(texts)}
        if any(one is not None and "%b" in one.form for one in dates.values()):  # then "May" is short for May
            short = [*(form for form in self.formats if "%b" in form), *self.formats]
            dates = {text: read(text.strip(), short) for text in dates}
        shown: dict[str, bool] = {}
        for one in dates.values():
            if one is not None and one.zeros is not None:
                shown[one.form] = shown.get(one.form, True) and one.zeros
        made: dict[tuple[str, int], str | None] = {}
        pairs = list(zip(texts, days.tolist(), strict=True))
        for text, shift in dict.fromkeys(pairs):
            one, bare = dates[text], text.strip()
            later = None if one is None else one.later(shift, shown.get(one.form, one.usual_zeros))
            made[text, shift] = None if later is None else text.replace(bare, later)
        return [made[pair] for pair in pairs]

    def moved_texts(self, texts: Sequence[str], days: NDArray[np.int64], name: str) -> list[str]:
        """Dates that are texts, each by its days.

        Raises:
            DataFault: no format fits one.
        """
        found = self._written(texts, days)
        unread = sum(one is None for one in found)
        if unread:
            raise DataFault(
                f"{unread:,} values of {name!r} cannot be read as dates, or leave the calendar",
                f"dates written as {', '.join(self.formats)}",
                'DateShift(formats=["%d/%m/%Y"])',
            )
        return found  # type: ignore[return-value]


def moved(array: Any, days: NDArray[np.int64], name: str) -> Any:
    """An Arrow array of dates or timestamps, each by its days on its zone's clock; missing ones stay missing.

    Raises:
        DataFault: one leaves the calendar.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, zone = array.type, None
    if pa.types.is_date(kind):
        steps, kind = 1, pa.date32()
        numbers = array.cast(kind).cast(pa.int32()).cast(pa.int64())
    else:
        steps, zone = A_DAY[kind.unit], kind.tz
        if zone is not None:
            array, kind = pc.local_timestamp(array), pa.timestamp(kind.unit)
        numbers = array.cast(pa.int64())
    try:
        later = pc.add_checked(numbers, pa.array(days * steps, pa.int64()))
        found = (later.cast(pa.int32()) if pa.types.is_date(kind) else later).cast(kind)
        _within(found)
        if zone is not None:
            found = pc.assume_timezone(found, zone, ambiguous="earliest", nonexistent="latest")
            _within(found)
    except (pa.ArrowInvalid, OverflowError, ValueError):
        raise DataFault(f"dates of {name!r} leave the calendar", "dates between the years 1 and 9999") from None
    return found


def _within(array: Any) -> None:
    """Python's calendar, which most tools share, holds the ends of it."""
    import pyarrow.compute as pc

    ends = pc.min_max(array).as_py()
    if any(end is not None and not isinstance(end, date) for end in ends.values()):
        raise ValueError("no date")
