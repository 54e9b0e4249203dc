"""A lattice of generalisations: its table, its levels, and what each of its nodes costs and suppresses."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unseen.deid.models.demand import Model, PopulationModel
from unseen.deid.search.kernels import weigh
from unseen.deid.search.layout import ROWS, grouped
from unseen.deid.search.problem import Column, Problem
from unseen.deid.search.quality import CellQuality, ClassQuality, TrialQuality
from unseen.deid.search.weighing import Demands, Weigher, Weight, kept

__all__ = ["Lattice"]

Codes = NDArray[np.int64]


class Lattice:
    """All combinations of levels, and the table that they generalise. A node at depth d fixes the first d levels.

    Args:
        problem: what is searched.
    """

    def __init__(self, problem: Problem) -> None:
        columns, units, sensitive, people = problem.columns, problem.units, problem.sensitive, problem.people
        self.columns, self.k, self.limit, self.quality = columns, problem.k, problem.limit, problem.quality
        self.count, self.width = len(units), len(columns)
        self.codes = [column.codes for column in columns]
        self.units, self.sensitive, self.people = units, sensitive, people
        self.tops = tuple(column.levels - 1 for column in columns)
        self.sizes = [len(column.loss[0]) for column in columns]
        self.layout, self.base, self.slots = grouped(
            self.codes,
            self.sizes,
            units,
            None if sensitive is None else sensitive.codes,
            None if people is None else people.columns,
        )
        demands = Demands(self.k, *self._models())
        self.weigher = Weigher(self.layout, demands, self.limit, self.slots, len(self.base))
        self.maps = [self._maps(column) for column in columns]
        self.means, self.gaps, self.starts, self.hidden = self._costs()
        fields = self.layout.columns
        words, shifts, masks = (
            np.array([getattr(field, name) for field in fields], dtype=np.int64) for name in ("word", "shift", "mask")
        )
        self.fields: tuple[Codes, Codes, Codes] = words, shifts, masks
        lower = [self.layout.value] if self.weigher.looks else []
        self.prefixes = [self.layout.kept(depth, *lower) for depth in range(self.width)]
        self.prefixes.append(self.layout.kept(self.width, self.layout.tag, self.layout.value))
        self.best: tuple[float, tuple[int, ...]] | None = None
        self.checked = self.pruned = 0

    # --- What is known beforehand -------------------------------------------------------------------

    def _models(self) -> tuple[tuple[Model, ...], NDArray[np.int64] | None, tuple[PopulationModel, ...]]:
        population = () if self.people is None else self.people.models
        if self.sensitive is None:
            return (), None, population
        table = np.zeros(int(self.sensitive.codes.max()) + 1, dtype=np.int64)
        # Each pair of unit and value counts once; tags and keys do not matter here.
        pairs = np.unique(np.stack([self.units, self.sensitive.codes]), axis=1)
        np.add.at(table, pairs[1], 1)
        return self.sensitive.models, table, population

    def _maps(self, column: Column) -> list[list[Codes]]:
        """From each level to each higher one, padded to as many codes as level 0 has."""
        found: list[list[Codes]] = []
        for low in range(column.levels):
            one = np.arange(len(column.loss[low]), dtype=np.int64)
            line = [one]
            for up in column.up[low:]:
                line.append(np.ascontiguousarray(up[line[-1]]))
            found.append(line)
        return found

    def _costs(self) -> tuple[list[list[float]], NDArray[np.float64], list[list[int]], list[float]]:
        """Mean costs by column and level; what suppression adds by code, where it stands, and its least at level 0."""
        means: list[list[float]] = []
        parts: list[NDArray[np.float64]] = []
        starts: list[list[int]] = []
        hidden: list[float] = []
        at = 0
        for column in self.columns:
            cells = self.quality.cells(column) if isinstance(self.quality, CellQuality) else None
            mean, gap = cells or ([0.0] * column.levels, [np.zeros(len(loss)) for loss in column.loss])
            means.append(mean)
            starts.append([])
            for one in gap:
                starts[-1].append(at)
                at += len(one)
                parts.append(one)
            hidden.append(float(gap[0].min()))
        return means, np.concatenate(parts), starts, hidden

    # --- What a node costs --------------------------------------------------------------------------

    def score(self, weight: Weight, levels: Sequence[int]) -> float:
        """The cost of a node."""
        if isinstance(self.quality, ClassQuality):
            rows = weight.classes.counts[:, ROWS]
            return self.quality.score(rows[(weight.lost == 0) & (rows > 0)], weight.suppressed, self.count)
        if isinstance(self.quality, TrialQuality):
            codes = [self.maps[place][0][level][self.codes[place]] for place, level in enumerate(levels)]
            return self.quality.score(self.codes, codes, self.kept(levels))
        plain = sum(self.means[place][level] for place, level in enumerate(levels))
        return (plain + self.extra(weight, levels, self.width)) / self.width

    def extra(self, weight: Weight, levels: Sequence[int], depth: int) -> float:
        """What suppression adds to the mean cost of all columns, of which the first ``depth`` are at levels."""
        if not weight.suppressed:
            return 0.0
        starts = np.array([self.starts[place][levels[place]] for place in range(depth)], dtype=np.int64)
        words, shifts, masks = (one[:depth] for one in self.fields)
        added = float(weigh(weight.classes.keys, weight.lost, words, shifts, masks, starts, self.gaps))
        return (added + weight.suppressed * sum(self.hidden[depth:])) / self.count

    def kept(self, levels: Sequence[int]) -> NDArray[np.bool_]:
        """Which rows are in a class that is kept, by weighing once more and asking each row for its class."""
        codes = [self.maps[place][0][level][self.codes[place]] for place, level in enumerate(levels)]
        people = None
        if self.people is not None:
            people = [self.maps[place][0][level][self.people.columns[place]] for place, level in enumerate(levels)]
        values = None if self.sensitive is None else self.sensitive.codes
        return kept(codes, self.sizes, self.units, self.weigher.demands, values, people)
