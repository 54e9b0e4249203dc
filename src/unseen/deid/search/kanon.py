"""The search: the full-domain generalisation that costs least of those at which every class is as demanded."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unseen.deid.models.demand import Model, PopulationModel

if TYPE_CHECKING:
    from unseen.deid.search.quality import Quality

__all__ = ["Column", "Optimum", "People", "Sensitive", "search", "strangers"]

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Column:
    """A quasi-identifier as integer codes.

    Args:
        codes: shape (rows,), the code of each row's original value.
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
class Sensitive:
    """A sensitive column, and what each class has to be like in it.

    Args:
        codes: shape (rows,), the code of each row's value.
        models: for values in the order of their codes.
    """

    codes: Codes
    models: tuple[Model, ...]


@dataclass(frozen=True)
class People:
    """A population, and what each class has to be like in it.

    Args:
        columns: for each quasi-identifier, shape (people,), codes as the column has them.
        models: what is demanded.
    """

    columns: tuple[Codes, ...]
    models: tuple[PopulationModel, ...]


@dataclass(frozen=True)
class Optimum:
    """The best generalisation.

    Args:
        levels: one for each column.
        score: what it costs, from 0 to 1.
        kept: shape (rows,), which rows are not suppressed.
        checked: lattice nodes that were weighed.
        pruned: lattice nodes that a bound proved to be no better, or to suppress too much.
    """

    levels: tuple[int, ...]
    score: float
    kept: NDArray[np.bool_]
    checked: int
    pruned: int


def search(
    columns: Sequence[Column],
    units: Codes,
    k: int,
    limit: int,
    quality: Quality | None = None,
    sensitive: Sensitive | None = None,
    people: People | None = None,
) -> Optimum | None:
    """Find the levels that cost least, by a sieve where no row may be suppressed, else by descent with proven bounds.

    Args:
        columns: at least one quasi-identifier, each of at least one row.
        units: shape (rows,), a code of each row's unit.
        k: least number of distinct units in a class; smaller classes are suppressed.
        limit: how many rows may be suppressed.
        quality: what is minimised; the loss by default.
        sensitive: what else is demanded of a class; one that fails is suppressed.
        people: the same, of a population.

    Returns:
        The optimum, a function of the rows as a multiset; None if every node suppresses more than ``limit``.

    Source: full-domain generalisation of Samarati 2001; depth-first search over the lattice with roll-up of
    Prasser, Kohlmayer and Kuhn 2016 (Flash/ARX).
    """
    from unseen.deid.search.descent import Descent
    from unseen.deid.search.quality import Loss
    from unseen.deid.search.sieve import Sieve

    order = sorted(range(len(columns)), key=lambda j: (-len(columns[j].loss[0]), j))  # these merge most, early
    turned, measure = [columns[j] for j in order], quality or Loss()
    crowd = None if people is None else People(tuple(people.columns[j] for j in order), people.models)
    way = Sieve if Sieve.fits(turned, limit, measure, sensitive) else Descent
    found = way(turned, units, k, limit, measure, sensitive, crowd).run()
    if found is None:
        return None
    levels = [0] * len(columns)
    for place, level in zip(order, found.levels, strict=True):
        levels[place] = level
    return Optimum(tuple(levels), found.score, found.kept, found.checked, found.pruned)


def strangers(columns: Sequence[Column], units: Codes, people: People) -> int:
    """How many combinations of original values have more units in the table than people in the population."""
    from unseen.deid.search.layout import grouped
    from unseen.deid.search.rollup import rolled

    codes, sizes = [column.codes for column in columns], [len(column.loss[0]) for column in columns]
    layout, table, slots = grouped(codes, sizes, units, None, people.columns)
    cells = rolled(table, slots, table.like(), layout.kept(len(columns)), layout.tag)
    return int(np.count_nonzero(cells.counts[:, layout.units] > cells.counts[:, layout.people]))
