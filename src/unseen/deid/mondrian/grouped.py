"""Dates and codes of a bare table as Mondrian cuts them: by a hierarchy's groups, and by values that k rows share."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.generalised import Anything, Cover
from unseen.deid.hierarchies.hierarchy import Hierarchy
from unseen.deid.mondrian.axis import Ints
from unseen.deid.mondrian.listed import Groups, Listed, groups_of

__all__ = ["Grouped", "grouped"]


class Grouped(Listed):
    """Each place is a group of a hierarchy's first level; before it come those of its values that k rows have.

    So no label names a value that fewer have. The place of a group stands for its other values and is told as the
    whole of it, which covers a little more than it stands for.

    Args:
        names: the value or group at each place.
        codes: shape (rows,), each row's place.
        groups: of the hierarchy, without the top.
        rest: shape (places,), which are groups.
        shares: shape (groups,), the share of the domain that each group holds.
    """

    def __init__(
        self,
        names: Sequence[str],
        codes: Ints,
        groups: Groups,
        rest: NDArray[np.bool_],
        shares: NDArray[np.float64],
    ) -> None:
        super().__init__(names, codes, groups)
        self.rest = rest
        ends = np.flatnonzero(rest)
        sizes = np.diff(ends, prepend=-1)
        self.start, self.end = np.repeat(ends - sizes + 1, sizes), np.repeat(ends, sizes)
        self.upto = np.append(0.0, np.cumsum(np.repeat(shares / (shares.sum() or 1.0) / sizes, sizes)))
        self.places = np.minimum(self.upto[:-1], 1.0)

    def _values(self, codes: Ints) -> NDArray[Any] | None:
        return None if self.rest[codes].any() else super()._values(codes)

    def _alone(self, place: int) -> tuple[str, Cover]:
        if not self.rest[place]:
            return super()._alone(place)
        name = self.names[place]
        return name, self.groups[0][1][name] if self.groups else Anything()

    def _stands(self, place: int) -> bool:
        return bool(self.rest[place])

    def _ahead(self, place: int, high: int) -> int:
        start, end = int(self.start[place]), int(self.end[place])
        return place if start == place or end > high else end

    def _many(self, names: Sequence[str], places: int) -> str:
        return f"{names[0]} … {names[-1]}"  # how many of them the table has is nobody's business

    def _loss(self, low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.float64]:
        first = np.where(self.end[low] <= high, self.start[low], low)  # the rest is told as all of its group
        lost = np.where((low == high) & ~self.rest[low], 0.0, self.upto[high + 1] - self.upto[first])
        return np.clip(lost, 0.0, 1.0)


def grouped(values: NDArray[Any], at: Ints, hierarchy: Hierarchy, k: int) -> Grouped:
    """The axis of values whose domain nobody listed.

    Args:
        values: shape (distinct,), the distinct values, texts.
        at: shape (rows,), each row's place in ``values``; each row is another unit's.
        hierarchy: holds every value.
        k: how many rows have a value that may be told by itself.
    """
    finest = hierarchy.label(values, 1).tolist()
    sites = hierarchy.ladder.sites()
    one_of = {} if sites is None else dict(zip(hierarchy.label(sites, 1).tolist(), sites.tolist(), strict=True))
    for label, value in zip(finest, values.tolist(), strict=True):
        one_of.setdefault(label, value)
    shared = np.bincount(at, minlength=len(values)) >= k
    told = np.array([*values[shared].tolist(), *one_of.values()], dtype=object)
    rest = np.arange(len(told)) >= int(shared.sum())
    groups = groups_of(hierarchy, told)
    names = [*values[shared].tolist(), *one_of]
    keys = list(zip(*(labels for labels, _ in reversed(groups)), rest.tolist(), names, strict=True))
    order = sorted(range(len(told)), key=keys.__getitem__)
    place = {(rest[old], names[old]): new for new, old in enumerate(order)}
    codes = np.array(
        [
            place[False, value] if alone else place[True, label]
            for value, label, alone in zip(values.tolist(), finest, shared.tolist(), strict=True)
        ],
        dtype=np.int64,
    )
    rest = rest[order]
    ends = told[order][rest]
    return Grouped(
        [names[old] for old in order],
        codes[at],
        [([labels[old] for old in order], meant) for labels, meant in groups],
        rest,
        hierarchy.loss(ends, 1),
    )
