"""Which columns identify: how many people are alone with their values, on columns, pairs and triples."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from numpy.typing import NDArray

from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import Nothing, whole
from unseen.deid.owners import OWNERS, Owners
from unseen.deid.risk.keys import Ints, alone, codes, joined, narrow, one_each
from unseen.deid.table import known, read, table_of
from unseen.report import plots
from unseen.report.plots import Bar

__all__ = ["ColumnSet", "Identifying", "identifying"]

WORK = 200_000_000
"""Rows times sets of columns that are counted: some ten seconds."""
MOST_COLUMNS = 40
"""Columns of which pairs and triples are formed."""
MOST_BARS = 14

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ColumnSet:
    """What knowing some columns of a person tells.

    Args:
        columns: which ones.
        classes: different combinations of values.
        unique: units with a combination that nobody else has.
        uniqueness: their share of all units.
        selectivity: combinations for each row, from nearly 0 to 1; where each row is another unit, how often a guess
            at the row of somebody with known values is right.
    """

    columns: tuple[str, ...]
    classes: int
    unique: int
    uniqueness: float
    selectivity: float


@dataclass(frozen=True)
class Identifying(Owners):
    """Sets of columns, the most identifying first.

    Args:
        units: how many there are.
        unit: whom they are, in words.
        sets: those that were counted.
        notes: what was not counted, and why.
        guarantee: that nothing is promised: it stays with the owner.
    """

    units: int
    unit: str
    sets: tuple[ColumnSet, ...]
    notes: tuple[str, ...]
    guarantee: Nothing = OWNERS

    def figures(self) -> list[tuple[str, str, str]]:
        """Heading, inline SVG and caption of each plot."""
        made = []
        for size, heading in ((1, "What single columns identify"), (2, "The most telling pairs"), (3, "… and triples")):
            some = [one for one in self.sets if len(one.columns) == size][:MOST_BARS]
            rows = [Bar(" + ".join(one.columns), one.uniqueness, f"{100 * one.uniqueness:.3g} %") for one in some]
            svg = plots.bars(f"Share of {self.unit}s that are unique on {size} columns", rows, end=1.0)
            made.append((heading, svg, "Who knows these columns of somebody finds that person’s row, and no other."))
        return [one for one in made if one[1]]


def identifying(
    data: Any,
    columns: Sequence[str] | None = None,
    up_to: int = 3,
    work: int = WORK,
    progress: Progress | None = None,
) -> Identifying:
    """Count how many units single columns, pairs and triples make unique. For the owner alone.

    Missing values count as equal. Sets that hold a column, or pair, which makes everybody unique already are left
    out: what is added tells nothing more. Pairs and triples are formed of the columns that identify most.

    Args:
        data: a dataset, or the caller's own table, every row another unit.
        columns: those that somebody may know; all if not given.
        up_to: columns of the largest sets, 1 to 3.
        work: about how many rows times sets may be counted.
        progress: told what is counted, how much of it is done, and of how much.

    Raises:
        InvalidRequest: unknown columns, or sets of another size.
    """
    largest = whole("up_to", up_to, 1)
    if largest > 3:
        raise InvalidRequest(f"sets of up to {largest} columns were asked for", "1 to 3", "up_to=3")
    table = table_of(data)
    frame, units = read(table)
    names = list(frame.columns) if columns is None else list(columns)
    known(table, names)
    run = _Run(table.schema.unit_name, units, whole("work", work, 1), progress)
    run.singles(frame, names)
    for size in range(2, largest + 1):
        run.larger(size)
    found = sorted(run.found.values(), key=lambda one: (-one.uniqueness, len(one.columns), -one.selectivity))
    return Identifying(run.count, run.unit, tuple(found), tuple(run.notes))


class _Run:
    def __init__(self, unit: str, units: Ints, work: int, progress: Progress | None) -> None:
        self.unit, self.rows, self.units = unit, len(units), one_each(units)
        self.count = self.rows if self.units is None else int(self.units.max()) + 1
        self.sets = max(1, work // max(1, self.rows))
        self.progress = progress or (lambda what, done, of: None)
        self.found: dict[tuple[str, ...], ColumnSet] = {}
        self.codes: dict[str, NDArray[Any]] = {}
        self.notes: list[str] = []

    def singles(self, frame: Any, names: Sequence[str]) -> None:
        for at, name in enumerate(names):
            self.progress("counting who is unique on a column", at, len(names))
            self.codes[name] = narrow(codes(frame[name])[0])
            self._count((name,), joined([self.codes[name]]))
            if self._complete(name) or self.found[name,].classes <= 1:
                del self.codes[name]  # it tells everybody apart by itself, or nobody
            if len(self.codes) > 2 * MOST_COLUMNS:
                self._forget()
        several = len(self.codes) > MOST_COLUMNS or self.found_more(names)
        self._forget()
        if several:
            self.notes.append(f"Pairs and triples were formed of the {len(self.codes)} columns that identify most.")

    def found_more(self, names: Sequence[str]) -> bool:
        """Whether columns that could be combined were let go."""
        fit = [name for name in names if not self._complete(name) and self.found[name,].classes > 1]
        return len(fit) > len(self.codes)

    def larger(self, size: int) -> None:
        chosen = [
            one
            for one in combinations(self.codes, size)
            if not any(self._complete(*part) for part in combinations(one, size - 1))
        ]
        chosen.sort(key=lambda one: -math.prod(self.found[name,].classes for name in one))
        some = chosen[: self.sets]
        if len(some) < len(chosen):
            self.notes.append(
                f"Of {len(chosen):,} sets of {size} columns {len(some):,} were counted, those with most combinations: "
                "the table is large."
            )
        self.sets -= len(some)
        for at, one in enumerate(some):
            self.progress(f"counting who is unique on {size} columns", at, len(some))
            self._count(one, joined([self.codes[name] for name in one]))

    def _count(self, names: tuple[str, ...], keys: Ints) -> None:
        unique, classes = alone(keys, self.units)
        units = max(1, self.count)
        self.found[names] = ColumnSet(names, classes, unique, unique / units, classes / max(1, self.rows))

    def _complete(self, *names: str) -> bool:
        one = self.found.get(names)
        return one is not None and one.unique == self.count

    def _forget(self) -> None:
        ranked = sorted(self.codes, key=lambda name: (-self.found[name,].unique, -self.found[name,].classes))
        kept = set(ranked[:MOST_COLUMNS])
        self.codes = {name: found for name, found in self.codes.items() if name in kept}
