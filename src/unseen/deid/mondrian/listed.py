"""Listed values as Mondrian cuts them, in an order in which the groups of a hierarchy stay together."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.generalised import Anything, Cover, itself
from unseen.deid.hierarchies.hierarchy import Hierarchy
from unseen.deid.hierarchies.ladder import TOP, texts
from unseen.deid.mondrian.axis import Axis, Between, Ints
from unseen.deid.mondrian.together import together

__all__ = ["Groups", "Listed", "groups_of", "listed"]

Groups = Sequence[tuple[list[str], Mapping[Any, Cover]]]
"""Of each level of a hierarchy, from fine to coarse: the label of each place, and what the labels cover."""

MOST_NAMES = 6
"""Names that a label lists; of more it shows the first, the last, and how many values there are."""


class Listed(Axis):
    """Places in an order. A part is those between two cuts, told by the groups that it holds whole.

    A cut lies where the coarsest groups meet of all that meet between the two values that it parts.

    Args:
        names: what each place is called where no group is.
        codes: shape (rows,), each row's place.
        groups: of the hierarchy, without the top.
        values: shape (places,), the value at each place where that is a number.
    """

    def __init__(
        self, names: Sequence[str], codes: Ints, groups: Groups = (), values: NDArray[Any] | None = None
    ) -> None:
        self.names, self.groups = names, groups
        self.values = np.array(names, dtype=object) if values is None else values
        self.runs = [_runs(labels) for labels, _ in groups]
        super().__init__(codes, np.arange(len(names)) / max(1, len(names) - 1))

    def _values(self, codes: Ints) -> NDArray[Any] | None:
        return self.values[codes]

    def _spans(self, at: Between) -> tuple[NDArray[Any], NDArray[Any]]:
        ends = []
        for cut, outside, back in ((at.below, 0, 0), (at.above, len(self.names) - 1, 1)):
            edges = np.full(len(cut), outside, dtype=np.int64)
            inner = cut[:, 0] >= 0
            edges[inner] = self._edges(cut[inner, 0], cut[inner, 1]) - back
            ends.append(np.where(at.least == at.most, at.least, edges))
        return ends[0], ends[1]

    def _edges(self, before: Ints, after: Ints) -> Ints:
        """The first place above each cut."""
        found, open_ = after.copy(), np.ones(len(after), dtype=bool)
        for starts, _ in reversed(self.runs):
            tried = starts[after]
            fits = open_ & (tried > before)
            found[fits] = tried[fits]
            open_ &= ~fits
        return found

    def _alone(self, place: int) -> tuple[str, Cover]:
        """What a place is called where no group is, and what that covers."""
        return self.names[place], itself(self.names[place])

    def _stands(self, place: int) -> bool:
        """Whether a place stands for a group, so that a coarser one may be told for it alone."""
        return False

    def _ahead(self, place: int, high: int) -> int:
        """The place whose name tells of this one too, in a part that ends at ``high``."""
        return place

    def _called(self, low: int, high: int) -> tuple[str, Cover]:
        if low == high:
            return self._alone(low)
        if (low, high) == (0, len(self.names) - 1):
            return TOP, Anything()
        names: list[str] = []
        covers: list[Cover] = []
        at = low
        while at <= high:
            at = self._ahead(at, high)
            (name, cover), last = self._alone(at), at
            for (labels, meant), (starts, ends) in zip(self.groups, self.runs, strict=True):
                if starts[at] == at and ends[at] <= high and (last < ends[at] or self._stands(at)):
                    name, cover, last = labels[at], meant[labels[at]], int(ends[at])
            names.append(name)
            covers.append(cover)
            at = last + 1
        if len(names) == 1:
            return names[0], covers[0]
        written = ", ".join(names) if len(names) <= MOST_NAMES else self._many(names, high - low + 1)
        return f"{{{written}}}", together(covers)

    def _many(self, names: Sequence[str], places: int) -> str:
        """A long list in short."""
        return f"{names[0]} … {names[-1]}: {places}"

    def _loss(self, low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray((high - low) / max(1, len(self.names) - 1), dtype=np.float64)


def listed(
    leaves: NDArray[Any], natural: Ints | None, values: NDArray[Any], at: Ints, hierarchy: Hierarchy | None
) -> Listed:
    """The axis of values that were declared one by one, those that the table lacks among them.

    Args:
        leaves: shape (leaves,), all that were declared.
        natural: shape (leaves,), the place of each in the declared order; None if they go by size, or by text.
        values: shape (distinct,), those of the table, each among ``leaves``.
        at: shape (rows,), each row's place in ``values``.
        hierarchy: whose groups stay together, or None.
    """
    natural = by_size(leaves) if natural is None else natural
    groups = [] if hierarchy is None else groups_of(hierarchy, leaves)
    order = np.lexsort([natural, *(_first(labels, natural) for labels, _ in groups)])
    names = texts(leaves[order].tolist())
    places = {name: place for place, name in enumerate(names)}
    codes = np.array([places[text] for text in texts(values.tolist())], dtype=np.int64)
    numbers = None
    if values.dtype.kind in "iuf":
        numbers = np.zeros(len(names), dtype=values.dtype)  # where the table has none no row is told it
        numbers[codes] = values
    return Listed(names, codes[at], [([of[place] for place in order.tolist()], meant) for of, meant in groups], numbers)


def groups_of(hierarchy: Hierarchy, values: NDArray[Any]) -> Groups:
    """What a hierarchy calls values between its ends, level by level from fine to coarse."""
    found = [(level, hierarchy.label(values, level).tolist()) for level in range(1, hierarchy.levels - 1)]
    return [(labels, hierarchy.covers(level, dict.fromkeys(labels))) for level, labels in found]


def by_size(values: NDArray[Any]) -> Ints:
    """The rank of each value: by size if all are numbers, then by text."""
    written = texts(values.tolist())
    try:
        sizes = [float(text) for text in written]
    except ValueError:
        sizes = []
    if not sizes or any(map(math.isnan, sizes)):
        sizes = [0.0] * len(written)
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[sorted(range(len(written)), key=lambda place: (sizes[place], written[place]))] = np.arange(len(values))
    return ranks


def _first(labels: Sequence[str], natural: Ints) -> Ints:
    """For each value the least rank of those with the same label."""
    least: dict[str, int] = {}
    for label, rank in zip(labels, natural.tolist(), strict=True):
        least[label] = min(rank, least.get(label, rank))
    return np.array([least[label] for label in labels], dtype=np.int64)


def _runs(labels: Sequence[str]) -> tuple[Ints, Ints]:
    """For each place the first and last place of the run of equal labels that it is in."""
    starts = [at for at, label in enumerate(labels) if at == 0 or label != labels[at - 1]]
    lengths = np.diff([*starts, len(labels)])
    first = np.repeat(np.array(starts, dtype=np.int64), lengths)
    return first, first + np.repeat(lengths, lengths) - 1
