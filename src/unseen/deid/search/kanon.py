"""The search: the full-domain generalisation that costs least of those at which every class is as demanded."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unseen.deid.search.descent import Descent
from unseen.deid.search.layout import grouped
from unseen.deid.search.problem import Column, Optimum, People, Problem, Sensitive
from unseen.deid.search.quality import Loss, Quality
from unseen.deid.search.rollup import rolled
from unseen.deid.search.sieve import Sieve

__all__ = ["search", "strangers"]

Codes = NDArray[np.int64]


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

    Source: full-domain generalisation of Samarati 2001; depth-first search over the lattice with roll-up:
    Kohlmayer, Prasser, Eckert, Kemper and Kuhn 2012 (Flash); Prasser, Kohlmayer and Kuhn 2016 (ARX).
    """
    order = sorted(range(len(columns)), key=lambda j: (-len(columns[j].loss[0]), j))  # these merge most, early
    turned, measure = [columns[j] for j in order], quality or Loss()
    crowd = None if people is None else People(tuple(people.columns[j] for j in order), people.models)
    problem = Problem(turned, units, k, limit, measure, sensitive, crowd)
    found = Sieve(problem).run() if Sieve.fits(problem) else Descent(problem).run()
    if found is None:
        return None
    levels = [0] * len(columns)
    for place, level in zip(order, found.levels, strict=True):
        levels[place] = level
    return Optimum(tuple(levels), found.score, found.kept, found.checked, found.pruned)


def strangers(columns: Sequence[Column], units: Codes, people: People) -> int:
    """How many combinations of original values have more units in the table than people in the population."""
    codes, sizes = [column.codes for column in columns], [len(column.loss[0]) for column in columns]
    layout, table, slots = grouped(codes, sizes, units, None, people.columns)
    cells = rolled(table, slots, table.like(), layout.kept(len(columns)), layout.tag)
    return int(np.count_nonzero(cells.counts[:, layout.units] > cells.counts[:, layout.people]))
