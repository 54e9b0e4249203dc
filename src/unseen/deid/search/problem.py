"""What the search is given and what it finds, as plain values."""
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

__all__ = ["Column", "Optimum", "People", "Problem", "Sensitive"]

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


@dataclass(frozen=True)
class Problem:
    """A search.

    Args:
        columns: at least one quasi-identifier, each of at least one row.
        units: shape (rows,), a code of each row's unit.
        k: least number of distinct units in a class; smaller classes are suppressed.
        limit: how many rows may be suppressed.
        quality: what is minimised.
        sensitive: what else is demanded of a class; one that fails is suppressed.
        people: the same, of a population.
    """

    columns: Sequence[Column]
    units: Codes
    k: int
    limit: int
    quality: Quality
    sensitive: Sensitive | None = None
    people: People | None = None
