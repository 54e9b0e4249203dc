"""The sieve: where no row may be suppressed, one class that fails rules out all nodes at which it fails."""
# SPDX-License-Identifier: Apache-2.0
# What each node costs is then known beforehand, and its classes alone decide whether it may be released. So the
# cheapest node that is left is tried; where a class fails there, a row of it is the witness: how far every other row
# is from it, column by column, gives the size of its class at every node of the lattice in one pass and one sum along
# each axis. All nodes at which that class fails are ruled out, and the cheapest of the rest comes next. The first
# that passes is the optimum.

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unseen.deid.search.kernels import accumulate, mapped, spread
from unseen.deid.search.lattice import Lattice
from unseen.deid.search.problem import Optimum, Problem
from unseen.deid.search.quality import CellQuality
from unseen.deid.search.rollup import Table, rolled
from unseen.deid.search.weighing import Weight

__all__ = ["Sieve"]

Codes = NDArray[np.int64]

MOST = 1 << 22
"""Cells of an array over all nodes and sensitive values."""

WITNESSES = 2
"""Classes of a node that are looked at before the next one is tried."""


class Sieve(Lattice):
    """One run of the search, for a limit of 0 and a cost of cells."""

    @staticmethod
    def fits(problem: Problem) -> bool:
        """Whether it can be used: no suppression, a cost known beforehand, and a lattice that memory holds."""
        nodes = math.prod(column.levels for column in problem.columns)
        values = 1 if problem.sensitive is None else int(problem.sensitive.codes.max()) + 1
        return problem.limit == 0 and isinstance(problem.quality, CellQuality) and nodes * values <= MOST

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.shape = tuple(column.levels for column in self.columns)
        self.room, self.result = self.base.like(), self.base.like()
        steps = np.cumprod([1, *reversed(self.shape)])[-2::-1].tolist()
        self.step: list[int] = [int(step) for step in steps]
        self.first = np.cumsum([0, *self.sizes])[:-1]  # where a column's codes begin among all columns'
        cost = np.zeros(self.shape)
        for place, means in enumerate(self.means):
            cost = cost + np.reshape(means, [-1 if place == axis else 1 for axis in range(self.width)])
        self.cost = cost / self.width

    def run(self) -> Optimum | None:
        """The best node, or None."""
        left = self.cost.copy()
        while True:
            node = np.unravel_index(int(np.argmin(left)), self.shape)
            levels = tuple(int(level) for level in node)
            if not math.isfinite(left[node]):
                return None
            self.checked += 1
            weight = self.weigher.node(self._at(levels))
            if weight.fits:
                pruned = self.cost.size - self.checked
                return Optimum(levels, float(self.cost[node]), self.kept(levels), self.checked, pruned)
            left[node] = math.inf
            for entry in self._witnesses(weight):
                left[self._fails(entry)] = math.inf

    def _at(self, levels: Sequence[int]) -> Table:
        """The table at a node."""
        fields, low = self.layout.columns, self.layout.kept(0, self.layout.tag, self.layout.value)
        codes = np.concatenate(
            [self.maps[place][0][level] << fields[place].shift for place, level in enumerate(levels)]
        )
        mapped(self.base.keys, *self.fields, self.first, codes, low, self.room.keys)
        whole = self.layout.kept(self.width, self.layout.tag, self.layout.value)
        return rolled(Table(self.room.keys, self.base.counts), self.slots, self.result, whole, self.layout.tag)

    def _witnesses(self, weight: Weight) -> list[int]:
        """A row of the table for each of some classes that fail, those of the fewest units."""
        classes, columns = weight.classes, self.layout.kept(self.width)
        lost = np.flatnonzero(weight.lost > 0)
        if not len(lost):
            return []
        units = classes.counts[lost, self.layout.units]
        smallest = lost[np.flatnonzero(units == units.min())[:WITNESSES]]
        return [int(np.argmax(((self.room.keys & columns) == classes.keys[at]).all(axis=1))) for at in smallest]

    def _fails(self, entry: int) -> NDArray[np.bool_]:
        """At which nodes the class of a row fails.

        With units that have rows in several classes the counts are too high, and only demands are asked that fail for
        the true ones too.
        """
        row, counts, layout = self.base.keys[entry : entry + 1], self.base.counts, self.layout
        apart = []
        for place, field in enumerate(layout.columns):
            code = int(field.of(row)[0])
            lines = self.maps[place][0]
            apart.append(sum((line != line[code]).astype(np.int64) for line in lines) * self.step[place])
        steps = np.concatenate(apart)
        units = self._sums(steps, counts[:, layout.units])
        fails = units < self.k
        if self.weigher.people_below:
            people = self._sums(steps, counts[:, layout.people])
            for one in self.weigher.people_below:
                fails |= ~one.holds(units, people)
        table = self.weigher.demands.table
        if self.weigher.below and table is not None:
            pairs = self._sums(steps, counts[:, layout.pairs], len(table)).reshape(-1, len(table))
            for model in self.weigher.below:
                fails |= ~model.holds(pairs, table)
        return fails.reshape(self.shape)

    def _sums(self, steps: Codes, counts: Codes, values: int = 0) -> Codes:
        """For each node the counts of the rows that are no further away, by sensitive value if there are values."""
        words, shifts, masks = self.fields
        first, each = self.first, max(1, values)
        if values:
            value = self.layout.value
            words, shifts = np.append(words, value.word), np.append(shifts, value.shift)
            masks, first = np.append(masks, value.mask), np.append(first, len(steps))
            steps = np.concatenate([steps * values, np.arange(values)])
        found = np.zeros(self.cost.size * each, dtype=np.int64)
        spread(self.base.keys, words, shifts, masks, first, steps, counts, found)
        for step, levels in zip(self.step, self.shape, strict=True):
            accumulate(found, step * each, levels)
        return found
