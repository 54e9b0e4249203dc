"""Generalize: columns told at levels that were chosen by hand, and the k that this is checked to reach."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.accounting import unpriced
from unseen.core.dataset import Dataset
from unseen.core.errors import DataFault, InvalidRequest
from unseen.core.generalised import Cover
from unseen.core.guarantee import Guarantee, KAnonymity, Nothing, number, price, whole
from unseen.core.guard import Outcome, Plan
from unseen.core.noise.entropy import Entropy
from unseen.deid.arguments import hierarchies_by_column
from unseen.deid.hierarchies.hierarchy import Hierarchy
from unseen.deid.owners import Owners
from unseen.deid.released import released
from unseen.deid.table import OwnTable, counted, distinct, hierarchies_for, known, normal, read
from unseen.deid.table_guard import TableGuard, belong

__all__ = ["Generalize", "Reached"]


@dataclass(frozen=True, eq=False)
class Reached(Owners):
    """What chosen levels came to. The owner's: ``origin`` links back.

    Args:
        levels: for each column the level that it is told at.
        k: units in the smallest class that was released; 0 if no row was.
        suppressed: rows left out.
        score: mean loss over all cells of these columns, from 0 to 1; a suppressed row loses 1 in each.
        origin: shape (released rows,): released row i was row ``origin[i]`` of the table.
        quality: what the score measures.
    """

    levels: dict[str, int]
    k: int
    suppressed: int
    score: float
    origin: NDArray[np.int64]
    quality: str = "loss"


class Generalize(TableGuard):
    """Tell columns at levels chosen by hand.

    Args:
        levels: for each quasi-identifier its level, 0 for the value itself, -1 for hidden altogether.
        k: the units that each class is checked to have, at least 2; None checks nothing and promises nothing.
        suppress_at_most: share of the rows that may be left out because their class is too small, in [0, 1].
        hierarchies: for a column how its values become vaguer; by default what follows from its declared domain.
            A table of the caller's own has no declared domains, so it needs one for each column.
        seed: None for the real thing. A number makes the order of the released rows repeatable, for tests.

    **Guarantee**: with k, k-anonymity for the declared unit on these columns, checked on the table that is released; it
    is refused where the levels do not reach it, and the owner is told what they reach. Without k, nothing. It does
    not cover columns that are not named in ``levels``. Rows come in random order without an index, and the
    ledger records it uncharged.

    The release's value is a dataframe of the kind that went in, and its ``proof`` is ``Reached``, for the owner.

    Source: Samarati and Sweeney 1998.
    """

    def __init__(
        self,
        levels: Mapping[str, int],
        k: int | None = None,
        suppress_at_most: float = 0.0,
        hierarchies: Mapping[str, Hierarchy] | None = None,
        seed: int | None = None,
    ) -> None:
        super().__init__(seed)
        if not isinstance(levels, Mapping) or not levels or not all(isinstance(name, str) for name in levels):
            raise InvalidRequest(
                f"levels={levels!r} was given", "a level for each quasi-identifier", 'levels={"age": 2, "zip": 3}'
            )
        self.levels = {name: whole(f"the level of {name!r}", level, -1) for name, level in levels.items()}
        self.k = None if k is None else whole("k", k, 2)
        self.suppress_at_most = number("suppress_at_most", suppress_at_most, 0, 1)
        if self.k is None and self.suppress_at_most:
            raise InvalidRequest(
                f"suppress_at_most={suppress_at_most!r} without k was asked for", "the k that is too small", "k=5"
            )
        self.hierarchies = hierarchies_by_column(hierarchies)

    def plan(self, data: Dataset) -> Plan[Any]:
        """Decide on hierarchies and levels.

        Raises:
            InvalidRequest: unknown columns, a hierarchy that is missing or does not fit, or a level that it lacks.
        """
        known(data, list(self.levels))
        belong(self.hierarchies, list(self.levels), "levels are for")
        hierarchies = hierarchies_for(data, list(self.levels), self.hierarchies)
        levels = {name: self._level(name, hierarchy) for name, hierarchy in hierarchies.items()}
        return Plan(self._promise(data), unpriced(), lambda: self._run(data, hierarchies, levels))

    def _level(self, name: str, hierarchy: Hierarchy) -> int:
        level, top = self.levels[name], hierarchy.levels - 1
        if level > top:
            raise InvalidRequest(f"level {level} of {name!r} was asked for", f"0 to {top}, or -1 for hidden")
        return top if level < 0 else level

    def _promise(self, data: Dataset) -> Guarantee:
        if self.k is None:
            return Nothing("levels were chosen by hand, and no k was checked")
        schema = data.schema
        return self.unless_seeded(
            KAnonymity(self.k, tuple(self.levels), schema.unit_name, rows_per_unit=schema.max_rows_per_unit)
        )

    def _run(self, data: Dataset, hierarchies: Mapping[str, Hierarchy], levels: dict[str, int]) -> Outcome[Any]:
        frame, units = read(data) if self.k is None else counted(data)
        frame = normal(frame, list(hierarchies))
        labels, losses = {}, np.zeros(len(units))
        place = np.zeros(len(units), dtype=np.int64)
        for name, hierarchy in hierarchies.items():
            values, places = distinct(frame[name])
            hierarchy.check(name, values)
            named = hierarchy.label(values, levels[name])
            labels[name] = named[places]
            place = _joined(place, _numbered(named)[places])
            losses += hierarchy.loss(values, levels[name])[places]
        sizes = _units_in_class(place, units)
        kept = sizes >= (self.k or 0)
        self._check(sizes, kept, data.schema.unit_name)
        rows = np.flatnonzero(kept)
        origin = rows[Entropy(self.seed).permutation(len(rows))].astype(np.int64)
        told = {name: label[origin] for name, label in labels.items()}
        covers: dict[str, dict[Any, Cover]] = {
            name: hierarchies[name].covers(levels[name], dict.fromkeys(label.tolist())) for name, label in told.items()
        }
        vaguer = {name: label for name, label in told.items() if levels[name]}
        lost = np.where(kept, losses / len(levels), 1.0)
        proof = Reached(
            levels,
            int(sizes[kept].min()) if kept.any() else 0,
            len(units) - len(rows),
            float(lost.mean()) if len(lost) else 0.0,
            origin,
        )
        value = released(frame, origin, vaguer, narrow=not isinstance(data, OwnTable))
        return Outcome(value, covers=covers, proof=proof)

    def _check(self, sizes: NDArray[np.int64], kept: NDArray[np.bool_], unit: str) -> None:
        """Refuse levels that leave too much out; the owner alone sees this."""
        small = int((~kept).sum())
        if self.k is not None and small > math.floor(price(self.suppress_at_most) * len(sizes)):
            raise DataFault(
                f"k={self.k} was asked for; at these levels {small:,} of {len(sizes):,} rows are in classes of fewer "
                f"{unit}s, the smallest of {int(sizes.min())}",
                "higher levels, a smaller k or more suppression",
                f"suppress_at_most={math.ceil(1e4 * small / len(sizes)) / 1e4:g}",
            )


def _numbered(labels: NDArray[Any]) -> NDArray[np.int64]:
    """Equal labels get equal numbers. Not NumPy's, which takes texts that differ in a last NUL for equal."""
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels.tolist()], dtype=np.int64)


def _joined(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for each pair, from 0 on without gaps."""
    found: NDArray[np.int64] = np.unique(one * (int(other.max(initial=0)) + 1) + other, return_inverse=True)[1]
    return found


def _units_in_class(place: NDArray[np.int64], units: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row how many units the class has that it is in: shape (rows,)."""
    if not len(units):
        return np.zeros(0, dtype=np.int64)
    unit = np.unique(units, return_inverse=True)[1]
    several = int(unit.max()) + 1
    found: NDArray[np.int64] = np.bincount(np.unique(place * several + unit) // several)[place]
    return found
