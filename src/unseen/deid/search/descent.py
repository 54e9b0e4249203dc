"""The descent: a depth-first search through the lattice, rolling tables up as it goes, with proven bounds."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unseen.deid.search.lattice import Lattice
from unseen.deid.search.layout import ROWS
from unseen.deid.search.problem import Optimum, Problem
from unseen.deid.search.quality import ClassQuality, TrialQuality, code_counts
from unseen.deid.search.rollup import Table, rolled
from unseen.deid.search.weighing import Weight

__all__ = ["Descent"]

Codes = NDArray[np.int64]

TIE = 1e-12
"""Scores closer than this count as equal: sums of the same losses in another order differ by less."""

FEW = 20_000
"""Distinct keys up to which the climb tries every step."""


class Descent(Lattice):
    """One run of the search."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.scratch = self.base.like()
        self.rooms: dict[tuple[int, int], Table] = {}
        self.told = [[_told(counts) for counts in code_counts(column)] for column in self.columns]
        self.bases = {self.width: self.base}
        self.levels = [0] * self.width
        self.held: list[dict[int, tuple[int, Table]]] = [{} for _ in range(self.width + 1)]
        self.below = [math.prod(top + 1 for top in self.tops[depth:]) for depth in range(self.width + 1)]

    def run(self) -> Optimum | None:
        """The best node, or None."""
        if not isinstance(self.quality, TrialQuality):
            self._climb()
        if self._hopeless(self._table(0, 0), 0, 0.0):
            self.pruned += self.below[0]
        else:
            self._visit(0, 0.0)
        if self.best is None:
            return None
        score, levels = self.best
        return Optimum(levels, score, self.kept(levels), self.checked, self.pruned)

    # --- Roll-up ------------------------------------------------------------------------------------

    def _table(self, depth: int, length: int) -> Table:
        """The first ``length`` columns, as many of them as ``depth`` rolled up to the levels, the others as they are.

        Each is rolled up from that of one column less, or from that of a lower level of the last one.
        """
        if depth == 0:
            if length not in self.bases:
                room = self.base.like()
                self.bases[length] = rolled(self.base, self.slots, room, self.prefixes[length], self.layout.tag)
            return self.bases[length]
        place, level = depth - 1, self.levels[depth - 1]
        if level == 0:
            return self._table(place, length)
        low, table = self.held[depth].get(length) or (0, self._table(place, length))
        if low < level:
            room = self._room(depth, length, len(table))
            table = self._rolled(table, room, place, low, level, self.prefixes[length])
            self.held[depth][length] = level, table
        return table

    def _room(self, depth: int, length: int, rows: int) -> Table:
        """Room for a table; a larger one where there is too little."""
        if len(self.rooms.get((depth, length), ())) < rows:
            self.rooms[depth, length] = Table(
                np.empty((rows, self.layout.words), dtype=np.int64),
                np.empty((rows, self.base.counts.shape[1]), dtype=np.int64),
            )
        return self.rooms[depth, length]

    def _rolled(self, table: Table, into: Table, place: int, low: int, high: int, keep: Codes) -> Table:
        """One column from one level to a higher one."""
        field, up = self.layout.columns[place], self.maps[place][low][high - low]
        return rolled(table, self.slots, into, keep, self.layout.tag, field, up)

    # --- Bounds -------------------------------------------------------------------------------------

    def _bound(self, weight: Weight, depth: int, plain: float) -> float:
        """A lower bound of the cost of all nodes below one."""
        if isinstance(self.quality, ClassQuality):
            counts = weight.classes.counts
            return self.quality.coarsest(counts[:, self.layout.units], counts[:, ROWS], weight.lost, self.k, self.count)
        return (plain + self.extra(weight, self.levels, depth)) / self.width

    def _offer(self, score: float, levels: Sequence[int]) -> None:
        if self.best is None or score < self.best[0] - TIE:
            self.best = (score, tuple(levels))

    def _worse(self, bound: float) -> bool:
        return self.best is not None and bound >= self.best[0] - TIE

    # --- A first answer -----------------------------------------------------------------------------

    def _climb(self) -> None:
        """From the bottom up, each time the step that leads to the least cost; while keys are many the one that
        costs least for the information that it hides."""
        levels, table, room = [0] * self.width, self.base, self.base.like()
        while True:
            steps = [place for place in range(self.width) if levels[place] < self.tops[place]]
            if not steps:
                return
            if len(table) > FEW:
                place = min(steps, key=lambda place: (self._price(place, levels[place]), place))
            else:
                place = min(steps, key=lambda place: (self._tried(table, levels, place), place))
            table = self._rolled(table, room, place, levels[place], levels[place] + 1, self.prefixes[-1])
            levels[place] += 1
            if len(table) > FEW:
                self._offered(table, levels)

    def _tried(self, table: Table, levels: list[int], place: int) -> float:
        levels[place] += 1
        up = self._rolled(table, self.scratch, place, levels[place] - 1, levels[place], self.prefixes[-1])
        score = self._offered(up, levels)
        levels[place] -= 1
        return score

    def _offered(self, table: Table, levels: Sequence[int]) -> float:
        weight = self.weigher.node(table)
        if not weight.fits and isinstance(self.quality, TrialQuality):
            return 1.0
        score = self.score(weight, levels)
        if weight.fits:
            self._offer(score, levels)
        return score

    def _price(self, place: int, level: int) -> float:
        """What a step costs for each unit of information that it hides."""
        low, high = self.told[place][level : level + 2]
        cost = self.means[place][level + 1] - self.means[place][level]
        return cost / (low - high) if low > high else -1.0

    # --- Search -------------------------------------------------------------------------------------

    def _visit(self, depth: int, plain: float) -> None:
        """All nodes below one, from which the levels of the column that comes next go up.

        Args:
            depth: how many columns are fixed.
            plain: what they cost unsuppressed.
        """
        levels, below = self.levels, self.below[depth + 1]
        self.held[depth + 1].clear()
        for level in range(self.tops[depth] + 1):
            fixed = plain + self.means[depth][level]
            if self._worse(fixed / self.width):
                self.pruned += below * (self.tops[depth] + 1 - level)
                break
            levels[depth] = level
            table = self._table(depth + 1, depth + 1)
            if depth + 1 == self.width:
                self.checked += 1
                self._offered(table, levels)
            elif self._hopeless(table, depth + 1, fixed):
                self.pruned += below
            else:
                self._visit(depth + 1, fixed)
        levels[depth] = 0

    def _hopeless(self, table: Table, depth: int, plain: float) -> bool:
        """Whether no node below one can be better than the best so far."""
        weight = self.weigher.subtree(table)
        if not weight.fits or self._worse(self._bound(weight, depth, plain)):
            return True
        return isinstance(self.quality, ClassQuality) and self._worse(self._finest(self._table(depth, self.width)))

    def _finest(self, table: Table) -> float:
        """A lower bound of the cost of all nodes above the one that a table is rolled up to."""
        if not isinstance(self.quality, ClassQuality):
            return 0.0
        if self.layout.tag.bits or self.layout.value.bits:
            table = rolled(table, self.slots, self.scratch, self.layout.kept(self.width), self.layout.tag)
        rows = table.counts[:, ROWS]
        return self.quality.finest(rows[rows > 0], self.k, self.count)


def _told(counts: Codes) -> float:
    """The entropy of a column."""
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())
