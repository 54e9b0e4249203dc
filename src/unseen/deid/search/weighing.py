"""What a node of the lattice suppresses: exactly at the node itself, at least for all nodes below it."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unseen.deid.models.demand import Counts, Model, PopulationModel
from unseen.deid.search.kernels import histogram, lacking
from unseen.deid.search.layout import ROWS, Layout, grouped, packed
from unseen.deid.search.rollup import Slots, Table, rolled

__all__ = ["Demands", "Weigher", "Weight", "kept"]

AT_ONCE = 1 << 22
"""Cells of a histogram that are made at once."""


@dataclass(frozen=True)
class Demands:
    """What every class has to be like.

    Args:
        k: the least number of units.
        models: of the sensitive value.
        table: shape (values,), the table's own histogram: units with a row of that value.
        population: of the population's cells.
    """

    k: int
    models: tuple[Model, ...] = ()
    table: Counts | None = None
    population: tuple[PopulationModel, ...] = ()


@dataclass(frozen=True)
class Weight:
    """What is suppressed.

    Args:
        classes: one row for each class.
        lost: shape (classes,), how many rows of each are suppressed; for all nodes below, how many at least.
        suppressed: their sum; beyond the limit a part of it.
        fits: whether no demand rules the node, or all below it, out.
    """

    classes: Table
    lost: NDArray[np.int64]
    suppressed: int
    fits: bool


class Weigher:
    """Holds tables to demands.

    A node fixes the levels of some columns and hides the others. Below it are the nodes with the same levels and
    the others at any. Each of their classes is a part of one of its classes. What a class of fewer than k units
    holds is suppressed below too. Where a model fails for a class, the kept parts below are together a part of it
    that holds (see ``demand``): all but ``most`` of its rows are suppressed, and one row at least.

    Args:
        layout: of the tables.
        demands: what to hold them to.
        limit: how many rows may be suppressed.
        slots: a hash table.
        rows: how many rows a table has at most.
    """

    def __init__(self, layout: Layout, demands: Demands, limit: int, slots: Slots, rows: int) -> None:
        self.layout, self.demands, self.slots, self.limit = layout, demands, slots, limit
        self.lost = np.empty(rows, dtype=np.int64)
        self.adds_up = not layout.tag.bits
        self.even = layout.units == ROWS  # every row a unit of its own
        self.room = [
            Table(np.empty((rows, layout.words), dtype=np.int64), np.empty((rows, width), dtype=np.int64))
            for width in [1 + 2 * (not self.even) + (layout.people >= 0)]
            * (bool(layout.tag.bits) + bool(layout.value.bits))
        ]
        models = demands.models
        self.below = models if self.adds_up else tuple(model for model in models if model.shared)
        self.people_below = tuple(model for model in demands.population if model.shared or self.adds_up)
        self.complete = any(model.complete for model in demands.population)

    def node(self, table: Table) -> Weight:
        """What a node suppresses.

        Args:
            table: rolled up to its levels, with tags and values.
        """
        return self._weigh(table, self.demands.models, self.demands.population, exact=True)

    def subtree(self, table: Table) -> Weight:
        """What all nodes below one suppress at least. A unit may be counted twice, never missed.

        Args:
            table: rolled up to its levels and projected on them, without tags, with values if ``looks`` says so.
        """
        return self._weigh(table, self.below, self.people_below, exact=False)

    @property
    def looks(self) -> bool:
        """Whether ``subtree`` needs sensitive values."""
        return bool(self.below)

    def _weigh(
        self, table: Table, models: Sequence[Model], population: Sequence[PopulationModel], exact: bool
    ) -> Weight:
        classes, places = self._classes(table, bool(models), exact)
        lost = self.lost[: len(classes)]
        suppressed = lacking(classes.counts, self.layout.units, self.demands.k, lost)
        fits = suppressed <= self.limit
        if fits and (population or models):
            if population:
                fits = self._people(classes, lost, population, exact)
            if fits and models:
                self._values(table, classes, places, lost, models, exact)
            suppressed = int(lost.sum())
            fits = fits and suppressed <= self.limit and not (self.complete and suppressed)
        return Weight(classes, lost, suppressed, fits)

    def _classes(self, table: Table, values: bool, exact: bool) -> tuple[Table, NDArray[np.uint32] | None]:
        """One row for each class, and for each entry of the table its class where values are looked at."""
        layout, room, places = self.layout, iter(self.room), None
        columns = len(layout.columns)
        if layout.value.bits and (values or exact):
            table = rolled(table, self.slots, next(room), layout.kept(columns, layout.tag), layout.tag)
            places = self.slots.places[: len(self.slots.places)]
        if layout.tag.bits and exact:
            before = None if places is None else places.copy()
            table = rolled(table, self.slots, next(room), layout.kept(columns), layout.tag)
            places = None if before is None else self.slots.places[before]
        return table, places

    def _people(self, classes: Table, lost: NDArray[np.int64], models: Sequence[PopulationModel], exact: bool) -> bool:
        rows, units = classes.counts[:, ROWS], classes.counts[:, self.layout.units]
        people = classes.counts[:, self.layout.people]
        for model in models:
            fails = ~model.holds(units, people)
            if model.complete and bool(fails.any()):
                return False
            fails &= rows > 0
            if exact:
                lost[fails] = rows[fails]
            else:
                self._lose(np.flatnonzero(fails), model.most(units[fails], people[fails]), rows, lost)
        return True

    def _values(
        self,
        table: Table,
        classes: Table,
        places: NDArray[np.uint32] | None,
        lost: NDArray[np.int64],
        models: Sequence[Model],
        exact: bool,
    ) -> None:
        rows = classes.counts[:, ROWS]
        open_ = np.flatnonzero(lost < rows)
        values, whole = self.demands.table, self.demands.table
        if places is None or values is None or whole is None:
            return
        codes, pairs = self.layout.value.of(table.keys), table.counts[:, self.layout.pairs]
        step = max(1, AT_ONCE // len(values))
        for start in range(0, len(open_), step):
            chosen = open_[start : start + step]
            at = np.full(len(classes), -1, dtype=np.int64)
            at[chosen] = np.arange(len(chosen))
            counts = np.zeros((len(chosen), len(values)), dtype=np.int64)
            histogram(places, codes, pairs, at, counts)
            for model in models:
                fails = np.flatnonzero(~model.holds(counts, whole))
                if not len(fails):
                    continue
                if exact:
                    lost[chosen[fails]] = rows[chosen[fails]]
                else:
                    self._lose(chosen[fails], model.most(counts[fails], whole), rows, lost)

    def _lose(self, failing: NDArray[np.intp], most: NDArray[np.float64], rows: Counts, lost: Counts) -> None:
        """At least one row of each failing class; all of one whose largest part that holds has fewer than k units."""
        least = (
            np.maximum(1, rows[failing] - most.astype(np.int64)) if self.even else np.ones(len(failing), dtype=np.int64)
        )
        lost[failing] = np.maximum(lost[failing], np.where(most < self.demands.k, rows[failing], least))


def kept(
    codes: Sequence[NDArray[np.int64]],
    sizes: Sequence[int],
    units: NDArray[np.int64],
    demands: Demands,
    values: NDArray[np.int64] | None,
    people: Sequence[NDArray[np.int64]] | None,
) -> NDArray[np.bool_]:
    """Which rows are in a class that fulfils all demands, counted anew from the rows themselves.

    Args:
        codes: for each column the generalised codes of the rows.
        sizes: how many codes each has at most.
        units: shape (rows,), a code of each row's unit.
        demands: what a class has to be like.
        values: shape (rows,), the code of each row's sensitive value, if there is one.
        people: for each column the generalised codes of the population, if there is one.
    """
    layout, table, slots = grouped(codes, sizes, units, values, people)
    weight = Weigher(layout, demands, len(units), slots, len(table)).node(table)
    classes = len(weight.classes)
    lost = weight.lost.copy()
    keys = np.concatenate([weight.classes.keys, packed(codes, layout.columns, layout.words)])
    rows = Table(keys, np.zeros((len(keys), 1), dtype=np.int64))
    slots = Slots(len(keys))
    rolled(rows, slots, rows.like(), layout.kept(len(codes)), layout.tag)
    found: NDArray[np.bool_] = lost[slots.places[classes:]] == 0
    return found
