"""The search: the full-domain generalisation with the least loss at which every class has k units."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Column", "Optimum", "search"]

Codes = NDArray[np.int64]

WORD = 63
"""Bits of a key that one signed 64-bit word holds."""

TIE = 1e-12
"""Scores closer than this count as equal: sums of the same losses in another order differ by less."""


@dataclass(frozen=True)
class Column:
    """A quasi-identifier as integer codes.

    Args:
        codes: shape (rows,), the code of each row's original value. Codes are in hierarchy order: values that
            share a label at some level have neighbouring codes.
        up: for each level but the top: shape (codes,), the code one level up, which never falls as the code rises.
        loss: for each level: shape (codes,), the share of the domain that a value of that code is hidden in,
            from 0 (one leaf) to 1 (all of it), never falling with the level.
    """

    codes: Codes
    up: tuple[Codes, ...]
    loss: tuple[NDArray[np.float64], ...]

    @property
    def levels(self) -> int:
        """How many levels there are, the original value included."""
        return len(self.loss)


@dataclass(frozen=True)
class Optimum:
    """The best generalisation.

    Args:
        levels: one for each column.
        score: mean loss over all cells; a suppressed row loses 1 in every cell.
        kept: shape (rows,), which rows are not suppressed.
        checked: lattice nodes that were weighed.
        pruned: lattice nodes that a bound proved to be no better, or to suppress too much.
    """

    levels: tuple[int, ...]
    score: float
    kept: NDArray[np.bool_]
    checked: int
    pruned: int


def search(columns: Sequence[Column], units: Codes, k: int, limit: int) -> Optimum | None:
    """Find the levels with the least loss, by depth-first search with proven bounds.

    Args:
        columns: at least one quasi-identifier, each of at least one row.
        units: shape (rows,), a code of each row's unit.
        k: least number of distinct units in a class; smaller classes are suppressed.
        limit: how many rows may be suppressed.

    Returns:
        The optimum, a function of the rows as a multiset; None if every node suppresses more than ``limit``.

    Source: full-domain generalisation of Samarati 2001; depth-first search over the lattice with roll-up of
    Prasser, Kohlmayer and Kuhn 2016 (Flash/ARX); the loss is Iyengar 2002's, as ARX computes it.
    """
    order = sorted(range(len(columns)), key=lambda j: (-len(columns[j].loss[0]), j))  # these merge most, early
    found = _Search([columns[j] for j in order], units, k, limit).run()
    if found is None:
        return None
    levels = [0] * len(columns)
    for place, level in zip(order, found.levels, strict=True):
        levels[place] = level
    return Optimum(tuple(levels), found.score, found.kept, found.checked, found.pruned)


@dataclass(frozen=True)
class _Table:
    """Classes of rows with equal keys, sorted by key.

    A key holds all columns' codes, the first column in the highest bits, then a tag. Tag 0 stands for units all
    of whose rows have one key: they add up. A unit with several keys has a tag of its own: roll-up finds it again.
    """

    words: tuple[Codes, ...]
    rows: Codes
    units: Codes


class _Search:
    """One run of the search."""

    def __init__(self, columns: Sequence[Column], units: Codes, k: int, limit: int) -> None:
        self.columns, self.k, self.limit = columns, k, limit
        self.count, self.width = len(units), len(columns)
        self.tops = tuple(column.levels - 1 for column in columns)
        self.fields, self.words = _layout([len(column.loss[0]) for column in columns])
        self.tag_bits, self.tag_mask = 0, 0
        self.unit: Codes = np.unique(units, return_inverse=True)[1]
        self.base = self._merged_units(self.unit)
        self.means = [self._means(column) for column in columns]
        self.below = [math.prod(top + 1 for top in self.tops[depth:]) for depth in range(self.width + 1)]
        self.best: tuple[float, tuple[int, ...]] | None = None
        self.checked = self.pruned = 0

    def run(self) -> Optimum | None:
        self._climb()
        self.checked = 0
        self._visit(0, [0] * self.width, self.base, 0.0)
        if self.best is None:
            return None
        score, levels = self.best
        return Optimum(levels, score, self._kept(levels), self.checked, self.pruned)

    # --- Keys ---------------------------------------------------------------------------------------

    def _packed(self, codes: Sequence[Codes]) -> list[Codes]:
        words = [np.zeros(self.count, dtype=np.int64) for _ in range(self.words)]
        for column, (word, shift) in zip(codes, self.fields, strict=True):
            words[word] |= column << shift
        return words

    def _merged_units(self, unit: Codes) -> _Table:
        words, distinct = self._packed([column.codes for column in self.columns]), int(unit.max()) + 1
        ones = np.ones(self.count, dtype=np.int64)
        if distinct == self.count:
            return self._merge(words, ones, ones)
        # Rows of one unit with one key count as one; then units with several keys get a tag.
        pairs = np.lexsort((unit, *reversed(words)))
        parts = [word[pairs] for word in words]
        unit = unit[pairs]
        starts = np.flatnonzero(_changes([*parts, unit]))
        rows = np.diff(np.append(starts, self.count))
        parts, unit = [part[starts] for part in parts], unit[starts]
        several = np.bincount(unit, minlength=distinct) > 1
        tags = np.where(several, np.cumsum(several), 0)[unit]
        if several.any():
            self.tag_bits = int(tags.max()).bit_length()
            self.tag_mask = (1 << self.tag_bits) - 1
            used = max(
                shift + _bits(len(column.loss[0]))
                for column, (word, shift) in zip(self.columns, self.fields, strict=True)
                if word == self.words - 1
            )
            if used + self.tag_bits <= WORD:
                parts[-1] = (parts[-1] << self.tag_bits) | tags
                self.fields = [
                    (word, shift + self.tag_bits if word == self.words - 1 else shift) for word, shift in self.fields
                ]
            else:
                parts.append(tags)
                self.words += 1
        return self._merge(parts, rows, np.ones(len(rows), dtype=np.int64))

    def _merge(self, words: Sequence[Codes], rows: Codes, units: Codes) -> _Table:
        order = np.argsort(words[0]) if len(words) == 1 else np.lexsort(tuple(reversed(words)))
        return self._joined([word[order] for word in words], rows[order], units[order])

    def _joined(self, words: Sequence[Codes], rows: Codes, units: Codes) -> _Table:
        starts = np.flatnonzero(_changes(words))
        if len(starts) == len(rows):
            return _Table(tuple(words), rows, units)
        words = tuple(word[starts] for word in words)
        units = np.add.reduceat(units, starts)
        if self.tag_bits:
            units[(words[-1] & self.tag_mask) != 0] = 1
        return _Table(words, np.add.reduceat(rows, starts), units)

    def _field(self, words: Sequence[Codes], place: int) -> Codes:
        word, shift = self.fields[place]
        field: Codes = (words[word] >> shift) & ((1 << _bits(len(self.columns[place].loss[0]))) - 1)
        return field

    def _rolled(self, table: _Table, place: int, level: int) -> _Table:
        """One column one level up."""
        word, shift = self.fields[place]
        words = list(table.words)
        old = self._field(words, place)
        words[word] = words[word] + ((self.columns[place].up[level][old] - old) << shift)
        if place == self.width - 1 and not self.tag_bits:  # the lowest bits, and codes keep their order
            return self._joined(words, table.rows, table.units)
        return self._merge(words, table.rows, table.units)

    # --- Weighing -----------------------------------------------------------------------------------

    def _means(self, column: Column) -> list[float]:
        counts, means = np.bincount(column.codes, minlength=len(column.loss[0])), []
        for level, loss in enumerate(column.loss):
            means.append(float(counts @ loss) / self.count)
            if level < column.levels - 1:
                counts = np.bincount(column.up[level], counts, len(column.loss[level + 1]))
        return means

    def _weigh(self, table: _Table, depth: int, levels: Sequence[int], limit: int) -> tuple[int, float]:
        """Rows that are suppressed where all columns from ``depth`` on say ``*``, and the loss that this adds.

        Both are lower bounds for every node with these first levels, and exact at full depth. Beyond ``limit`` no
        loss is computed. Above full depth the units of a class may be counted twice, never missed.
        """
        if depth == self.width and not self.tag_bits:
            firsts, rows, units = table.words, table.rows, table.units
        else:
            starts = np.flatnonzero(_changes(self._prefix(table.words, depth)))
            rows, units = np.add.reduceat(table.rows, starts), np.add.reduceat(table.units, starts)
            firsts = tuple(word[starts] for word in table.words)
        small = np.flatnonzero(units < self.k)
        rows = rows[small]
        suppressed = int(rows.sum())
        if suppressed == 0 or suppressed > limit:
            return suppressed, 0.0
        gap = np.full(len(small), float(self.width))
        few = [word[small] for word in firsts]
        for place in range(depth):
            gap -= self.columns[place].loss[levels[place]][self._field(few, place)]
        return suppressed, float(rows @ gap) / self.count

    def _prefix(self, words: Sequence[Codes], depth: int) -> list[Codes]:
        """The part of the keys that holds the first ``depth`` columns."""
        if depth == 0:
            return [np.zeros_like(words[0])]
        word, shift = self.fields[depth - 1]
        return [*words[:word], words[word] >> shift]

    # --- Search -------------------------------------------------------------------------------------

    def _offer(self, score: float, levels: Sequence[int]) -> None:
        offer = (score, tuple(levels))
        if self.best is None or score < self.best[0] - TIE:
            self.best = offer

    def _worse(self, bound: float) -> bool:
        return self.best is not None and bound >= self.best[0] - TIE

    def _climb(self) -> None:
        """A good first answer: from the bottom, take the step with the least loss, up to the top."""
        levels, table = [0] * self.width, self.base
        while True:
            steps: list[tuple[float, int, _Table]] = []
            for place in range(self.width):
                if levels[place] == self.tops[place]:
                    continue
                rolled = self._rolled(table, place, levels[place])
                levels[place] += 1
                suppressed, score = self._score(rolled, levels)
                if suppressed <= self.limit:
                    self._offer(score, levels)
                steps.append((score, place, rolled))
                levels[place] -= 1
            if not steps:
                return
            _, place, table = min(steps, key=lambda step: step[:2])
            levels[place] += 1

    def _score(self, table: _Table, levels: Sequence[int]) -> tuple[int, float]:
        suppressed, extra = self._weigh(table, self.width, levels, self.count)  # the loss is wanted at any rate
        plain = sum(self.means[place][level] for place, level in enumerate(levels))
        return suppressed, (plain + extra) / self.width

    def _visit(self, depth: int, levels: list[int], table: _Table, plain: float) -> None:
        """All nodes whose first ``depth`` levels are fixed. ``plain`` is the loss of those columns unsuppressed."""
        suppressed, extra = self._weigh(table, depth, levels, self.limit)
        if depth == self.width:
            self.checked += 1
            if suppressed <= self.limit:
                self._offer((plain + extra) / self.width, levels)
            return
        if suppressed > self.limit or self._worse((plain + extra) / self.width):
            self.pruned += self.below[depth]
            return
        for level in range(self.tops[depth] + 1):
            bound = plain + self.means[depth][level]
            if self._worse(bound / self.width):
                self.pruned += self.below[depth + 1] * (self.tops[depth] + 1 - level)
                break
            if level:
                table = self._rolled(table, depth, level - 1)
            levels[depth] = level
            self._visit(depth + 1, levels, table, bound)
        levels[depth] = 0

    def _kept(self, levels: Sequence[int]) -> NDArray[np.bool_]:
        """Which rows lie in a class of k units, counted from the rows themselves."""
        codes = []
        for column, level in zip(self.columns, levels, strict=True):
            code = column.codes
            for up in column.up[:level]:
                code = up[code]
            codes.append(code)
        words = self._packed(codes)
        order = np.lexsort((self.unit, *reversed(words)))
        first = _changes([word[order] for word in words])
        place = np.cumsum(first) - 1
        distinct = _changes([place, self.unit[order]])
        units = np.bincount(place[distinct])
        kept = np.zeros(self.count, dtype=bool)
        kept[order] = (units >= self.k)[place]
        return kept


def _changes(words: Sequence[Codes]) -> NDArray[np.bool_]:
    """Which sorted keys differ from the one before; the first one does."""
    changes = np.ones(len(words[0]), dtype=bool)
    changes[1:] = words[0][1:] != words[0][:-1]
    for word in words[1:]:
        changes[1:] |= word[1:] != word[:-1]
    return changes


def _bits(codes: int) -> int:
    return max(1, (codes - 1).bit_length())


def _layout(sizes: Sequence[int]) -> tuple[list[tuple[int, int]], int]:
    """For each column the word and shift of its field, the first column in the highest bits."""
    groups: list[list[int]] = [[]]
    for size in sizes:
        if sum(groups[-1]) + _bits(size) > WORD:
            groups.append([])
        groups[-1].append(_bits(size))
    fields = []
    for word, group in enumerate(groups):
        for place in range(len(group)):
            fields.append((word, sum(group[place + 1 :])))
    return fields, len(groups)
