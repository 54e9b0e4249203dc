"""Quality measures: what a generalised table loses, and a proven lower bound for a part of the lattice."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import InvalidRequest, shown

if TYPE_CHECKING:
    from unseen.deid.search.problem import Column

__all__ = [
    "AverageClassSize",
    "CellQuality",
    "ClassQuality",
    "Discernibility",
    "Entropy",
    "Loss",
    "Precision",
    "Quality",
    "TrialQuality",
    "code_counts",
    "measure",
]

Floats = NDArray[np.float64]


class Quality(ABC):
    """What is minimised, from 0 (the table as it is) to 1 (everything suppressed)."""

    named: ClassVar[str]
    """What it is called in requests and proofs."""


class CellQuality(Quality):
    """A mean over columns of a mean over rows: a cell costs what its code and level say, a suppressed one the most.

    Lower bound: costs never fall with the level. So with some levels fixed, a row loses at least what the fixed
    columns cost, and a row that is suppressed at every node below loses all of each column.
    """

    @abstractmethod
    def cells(self, column: Column) -> tuple[list[float], list[Floats]]:
        """For each level the column's mean cost, and for each code what suppressing a cell of it costs beyond it.

        The second never rises with the level; it is nowhere negative, and zero at the top.
        """


def code_counts(column: Column) -> list[NDArray[np.int64]]:
    """How often each code occurs, level by level."""
    counts = [np.bincount(column.codes, minlength=len(column.loss[0]))]
    for level, up in enumerate(column.up):
        above = np.zeros(len(column.loss[level + 1]), dtype=np.int64)
        np.add.at(above, up, counts[-1])
        counts.append(above)
    return counts


@dataclass(frozen=True)
class Loss(CellQuality):
    """A cell loses the share of the domain's other leaves that its label hides it among; a suppressed one loses 1.

    Source: Iyengar 2002, as ARX computes it (arithmetic mean).
    """

    named: ClassVar[str] = "loss"

    def cells(self, column: Column) -> tuple[list[float], list[Floats]]:
        """From the hierarchy's losses."""
        counts, rows = code_counts(column), max(1, len(column.codes))
        means = [float(count @ loss) / rows for count, loss in zip(counts, column.loss, strict=True)]
        return means, [1 - loss for loss in column.loss]


@dataclass(frozen=True)
class Precision(CellQuality):
    """A cell loses its level's share of the hierarchy's height; a suppressed one loses 1.

    This is 1 - Prec of the source.

    Source: Sweeney 2002 (Achieving k-anonymity privacy protection: precision).
    """

    named: ClassVar[str] = "precision"

    def cells(self, column: Column) -> tuple[list[float], list[Floats]]:
        """From the levels alone."""
        top = max(1, column.levels - 1)
        means = [level / top for level in range(column.levels)]
        return means, [np.full(len(loss), 1 - mean) for mean, loss in zip(means, column.loss, strict=True)]


@dataclass(frozen=True)
class Entropy(CellQuality):
    """A cell loses the bits that its label leaves open about its value, -log Pr(value | label), over those of ``*``.

    Probabilities are frequencies in the whole table. A column with one value loses nothing.

    Lower bound: a label's frequency never falls with the level. What suppression adds to a cell with label g is
    log(1 / Pr(g)), whichever its value.

    Source: de Waal and Willenborg 1999; Gionis and Tassa 2009 (non-uniform entropy).
    """

    named: ClassVar[str] = "entropy"

    def cells(self, column: Column) -> tuple[list[float], list[Floats]]:
        """From the table's own frequencies."""
        counts, rows = code_counts(column), max(1, len(column.codes))
        hidden = [np.log(rows / np.maximum(count, 1)) for count in counts]
        bits = [float(count @ hide) / rows for count, hide in zip(counts, hidden, strict=True)]  # still told
        if bits[0] <= 0:
            return [0.0] * column.levels, [np.zeros(len(hide)) for hide in hidden]
        return [(bits[0] - told) / bits[0] for told in bits], [hide / bits[0] for hide in hidden]


class ClassQuality(Quality):
    """A function of the classes' sizes alone."""

    @abstractmethod
    def score(self, kept: NDArray[Any], suppressed: int, rows: int) -> float:
        """The cost of a release.

        Args:
            kept: shape (classes,), rows of each class that is released.
            suppressed: rows that are not.
            rows: all rows.
        """

    @abstractmethod
    def finest(self, entries: NDArray[Any], k: int, rows: int) -> float:
        """A lower bound for every node at or above one.

        Args:
            entries: shape (classes,), rows of each class of that node, before suppression.
            k: the least number of units of a class, none of them without a row.
            rows: all rows.
        """

    @abstractmethod
    def coarsest(self, units: NDArray[Any], rows_of: NDArray[Any], lost: NDArray[Any], k: int, rows: int) -> float:
        """A lower bound for every node at or below one.

        Args:
            units: shape (classes,), units of each class of that node; of a unit in several parts at least as many.
            rows_of: shape (classes,), rows of each.
            lost: shape (classes,), how many of them at least are suppressed at every such node.
            k: the least number of units.
            rows: all rows.
        """


@dataclass(frozen=True)
class Discernibility(ClassQuality):
    """Each row costs the rows that it cannot be told from, a suppressed one all rows; over the square of all rows.

    Lower bounds: above a node classes only grow, and each kept one has k rows; a row that is suppressed costs more
    than either.

    Source: Bayardo and Agrawal 2005.
    """

    named: ClassVar[str] = "discernibility"

    def score(self, kept: NDArray[Any], suppressed: int, rows: int) -> float:
        """The sum of squares."""
        sizes = kept.astype(np.float64)
        return float(sizes @ sizes + float(suppressed) * rows) / float(rows) ** 2

    def finest(self, entries: NDArray[Any], k: int, rows: int) -> float:
        """No row in a smaller class than now, or than k."""
        sizes = entries.astype(np.float64)
        return float(sizes @ np.minimum(np.maximum(sizes, k), rows)) / float(rows) ** 2

    def coarsest(self, units: NDArray[Any], rows_of: NDArray[Any], lost: NDArray[Any], k: int, rows: int) -> float:
        """Lost rows cost all rows, the others k."""
        gone = float(lost.sum())
        return (gone * rows + (rows - gone) * min(k, rows)) / float(rows) ** 2


@dataclass(frozen=True)
class AverageClassSize(ClassQuality):
    """One over the number of classes, all suppressed rows together being one: the mean size's share of all rows.

    Lower bounds: above a node classes only merge; below it a class of n units has at most n/k kept parts.

    Source: LeFevre, DeWitt and Ramakrishnan 2006 (C_avg, up to the factor rows/k), with suppression.
    """

    named: ClassVar[str] = "average class size"

    def score(self, kept: NDArray[Any], suppressed: int, rows: int) -> float:
        """One over how many there are."""
        return 1.0 / max(1, len(kept) + (suppressed > 0))

    def finest(self, entries: NDArray[Any], k: int, rows: int) -> float:
        """No more classes than now, or than rows allow, and one of suppressed rows."""
        return 1.0 / max(1, min(len(entries), rows // k) + 1)

    def coarsest(self, units: NDArray[Any], rows_of: NDArray[Any], lost: NDArray[Any], k: int, rows: int) -> float:
        """No more parts than units allow."""
        parts = np.where(lost < rows_of, units // k, 0)
        return 1.0 / max(1, int(parts.sum()) + 1)


class TrialQuality(Quality):
    """A function of the generalised rows that no bound is known for: every node that is allowed is tried."""

    most: int
    """Nodes that a lattice may have."""

    @abstractmethod
    def score(
        self, raw: Sequence[NDArray[np.int64]], codes: Sequence[NDArray[np.int64]], kept: NDArray[np.bool_]
    ) -> float:
        """The cost of a release, a function of the rows as a multiset.

        Args:
            raw: for each column shape (rows,), the codes of the original values.
            codes: the codes of the generalised ones.
            kept: shape (rows,), which rows are released.
        """


MEASURES: dict[str, Quality] = {
    one.named: one for one in (Loss(), Precision(), Entropy(), Discernibility(), AverageClassSize())
}


def measure(asked: object) -> Quality:
    """The quality measure of a name, or the given one.

    Raises:
        InvalidRequest: there is none of that name.
    """
    if isinstance(asked, Quality):
        return asked
    if not isinstance(asked, str) or asked not in MEASURES:
        raise InvalidRequest(f"quality={asked!r} was asked for", f"one of {shown(MEASURES)}, or a quality measure")
    return MEASURES[asked]
