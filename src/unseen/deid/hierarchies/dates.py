"""Dates told by month, quarter, year or decade."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import InvalidRequest, shown
from unseen.core.generalised import Cover, Period, day_of
from unseen.core.schema import Categorical, Domain
from unseen.deid.hierarchies.ladder import Ladder

__all__ = ["DateStep", "Dates", "days_of"]


class DateStep(StrEnum):
    """How precisely a date is told; each step holds the ones before it."""

    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    DECADE = "decade"


ORDER = list(DateStep)


class Dates(Ladder):
    """Calendar dates from ``first`` to ``last``, as ISO texts; one level for each step, finer ones first."""

    def __init__(self, first: str | date, last: str | date, steps: Sequence[DateStep]) -> None:
        self.first, self.last = _day("first", first), _day("last", last)
        if self.first >= self.last:
            raise InvalidRequest(f"dates from {self.first} to {self.last} were asked for", "first lies before last")
        if isinstance(steps, str) or not steps or any(not isinstance(step, DateStep) for step in steps):
            raise InvalidRequest(
                f"steps={steps!r} was given",
                f"members of un.deid.DateStep: {shown([step.name for step in ORDER])}",
                "steps=[un.deid.DateStep.MONTH, un.deid.DateStep.YEAR]",
            )
        places = [ORDER.index(step) for step in steps]
        if places != sorted(set(places)):
            raise InvalidRequest(
                f"steps {shown([step.name for step in steps])} were given", "each once, the finer before the coarser"
            )
        self.steps = tuple(steps)
        self.days = (self.last - self.first).days + 1

    @property
    def levels(self) -> int:
        """How many levels there are."""
        return len(self.steps) + 2

    def lacks(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which have no place: what is no date, or lies outside."""
        return np.array([day is None or not self.first <= day <= self.last for day in days_of(values)], dtype=bool)

    def middle(self, values: NDArray[Any], level: int) -> list[str]:
        """Their labels."""
        step = self.steps[level - 1]
        return [_named(day, step) for day in days_of(values) if day is not None]

    def loss(self, values: NDArray[Any], level: int) -> NDArray[np.float64]:
        """The share of all days that are under each label, beyond one."""
        lost: dict[str, float] = {}
        labels = self.middle(values, level)
        for label in set(labels):
            first, last = self._ends(label, self.steps[level - 1])
            lost[label] = (last - first).days / (self.days - 1)
        return np.array([lost[label] for label in labels], dtype=np.float64)

    def cover(self, label: str, level: int) -> Cover:
        """What the label stands for."""
        first, last = self._ends(label, self.steps[level - 1])
        return Period(first.isoformat(), last.isoformat())

    def misfit(self, domain: Domain) -> str:
        """Why it does not hold a domain; empty if it does."""
        if not isinstance(domain, Categorical):
            return f"dates are for texts such as {self.first}; it is declared as {type(domain).__name__}"
        lacking = self.lacks(np.array(domain.values, dtype=object))
        absent = [value for value, lacks in zip(domain.values, lacking.tolist(), strict=True) if lacks]
        return f"dates that also hold {shown(absent)}" if absent else ""

    def listed(self) -> NDArray[Any]:
        """All days."""
        return np.array([(self.first + timedelta(days)).isoformat() for days in range(self.days)], dtype=object)

    def sites(self) -> NDArray[Any]:
        """The first day of each group of level 1."""
        found = [self.first]
        while (last := self._ends(_named(found[-1], self.steps[0]), self.steps[0])[1]) < self.last:
            found.append(last + timedelta(1))
        return np.array([day.isoformat() for day in found], dtype=object)

    def _ends(self, label: str, step: DateStep) -> tuple[date, date]:
        """The first and the last day under a label, within the domain."""
        year = int(label[:4])
        if step is DateStep.MONTH:
            month, months = int(label[5:7]), 1
        elif step is DateStep.QUARTER:
            month, months = 3 * int(label[6]) - 2, 3
        else:
            month, months = 1, 120 if step is DateStep.DECADE else 12
        after = 12 * year + month - 1 + months
        first = date(max(1, year), month, 1)  # the first decade begins before the calendar
        last = date.max if after >= 12 * 10_000 else date(after // 12, after % 12 + 1, 1) - timedelta(1)
        return max(first, self.first), min(last, self.last)


def days_of(values: NDArray[Any]) -> list[date | None]:
    """The day of each value: an ISO text, a date; None for all else."""
    if values.dtype.kind == "M":
        return [day_of(text) for text in values.astype(str).tolist()]
    return [day_of(value if isinstance(value, str) else str(value)) for value in values.tolist()]


def _named(day: date, step: DateStep) -> str:
    if step is DateStep.MONTH:
        return f"{day.year:04d}-{day.month:02d}"
    if step is DateStep.QUARTER:
        return f"{day.year:04d}-Q{(day.month + 2) // 3}"
    return f"{day.year:04d}" if step is DateStep.YEAR else f"{day.year // 10 * 10:04d}s"


def _day(name: str, given: str | date) -> date:
    if isinstance(given, datetime):
        return given.date()
    found = given if isinstance(given, date) else day_of(given) if isinstance(given, str) else None
    if found is None:
        raise InvalidRequest(f"{name}={given!r} was given", "a date", f'{name}="1957-03-14"')
    return found
