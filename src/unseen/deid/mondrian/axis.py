"""The columns that Mondrian cuts: codes in an order, and what the part between two cuts is called."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import DataFault
from unseen.core.generalised import Anything, Cover, Interval, Members, Prefix
from unseen.core.schema import Categorical, Digits, Domain, Range
from unseen.deid.hierarchies.hierarchy import Hierarchy
from unseen.deid.hierarchies.ladder import TOP, texts

__all__ = ["Axis", "Between", "Codes", "Named", "Numbers", "Ordered", "axis", "simplest"]

Ints = NDArray[np.int64]

MOST_NAMES = 6
"""Names that a label lists; of more it shows the first, the last, and how many there are."""


@dataclass(frozen=True)
class Between:
    """Where each class lies on an axis, as codes.

    Args:
        least: shape (classes,), the least code of its rows.
        most: shape (classes,), the greatest.
        below: shape (classes, 2), at the cut below it the last code before and the first one after; -1 without one.
        above: shape (classes, 2), the same of the cut above it.
    """

    least: Ints
    most: Ints
    below: Ints
    above: Ints


@dataclass(frozen=True)
class Named:
    """What the parts of an axis are called.

    Args:
        labels: of each different part, all different; texts, or original values if ``exact``.
        covers: what each of them stands for.
        of: shape (classes,), which of them each class has.
        loss: shape (classes,), the share of the domain beyond one value that a class is told as.
        exact: whether every part is a single value, so that nothing is vaguer than it was.
    """

    labels: list[Any]
    covers: list[Cover]
    of: NDArray[np.intp]
    loss: NDArray[np.float64]
    exact: bool


class Axis(ABC):
    """A quasi-identifier as codes in an order that cuts respect.

    Args:
        codes: shape (rows,), each row's code, from 0.
        places: shape (codes,), where each code lies in the domain, from 0 to 1, never falling.
    """

    def __init__(self, codes: Ints, places: NDArray[np.float64]) -> None:
        self.codes, self.places = codes, places

    @abstractmethod
    def _spans(self, at: Between) -> tuple[NDArray[Any], NDArray[Any]]:
        """For each class the two ends of what it is told as, equal where that is a single value."""

    @abstractmethod
    def _called(self, low: Any, high: Any) -> tuple[Any, Cover]:
        """Label and cover of what lies between two ends."""

    @abstractmethod
    def _loss(self, low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.float64]:
        """The share of the domain between two ends, beyond one value."""

    def named(self, at: Between) -> Named:
        """Labels for all classes: the region that the cuts leave, or the one value that a class shares."""
        low, high = self._spans(at)
        (lows, low_at), (highs, high_at) = (np.unique(ends, return_inverse=True) for ends in (low, high))
        kinds, first, of = np.unique(low_at * len(highs) + high_at, return_index=True, return_inverse=True)
        exact = bool((low == high).all())
        labels: list[Any] = []
        covers: list[Cover] = []
        taken: set[Any] = set()
        for kind in kinds.tolist():
            label, cover = self._called(lows[kind // len(highs)].item(), highs[kind % len(highs)].item())
            text, count = label, 1
            while text in taken:  # a name may stand for a leaf and for a group
                count += 1
                text = f"{label} ({count})"
            taken.add(text)
            labels.append(text)
            covers.append(cover)
        return Named(labels, covers, of, self._loss(low[first], high[first])[of], exact)


class Numbers(Axis):
    """Numbers in their order. A part is the interval between two cuts; cuts lie at round numbers.

    Without a declared domain the outermost parts are open, so that no extreme value is ever told.
    """

    def __init__(self, values: NDArray[Any], at: Ints, domain: Range | None) -> None:
        self.atoms, codes = np.unique(values.astype(np.float64), return_inverse=True)
        self.domain = domain
        finite = self.atoms[np.isfinite(self.atoms)]
        ends = (domain.low, domain.high) if domain else (float(finite.min(initial=0)), float(finite.max(initial=0)))
        self.low, self.high = ends if domain or not len(finite) else (float(finite[0]), float(finite[-1]))
        self.span = self.high - self.low
        scaled = self._scaled(self.atoms)
        super().__init__(codes[at].astype(np.int64), scaled)

    def _scaled(self, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
        if not 0 < self.span < math.inf:
            return np.zeros(len(numbers))
        scaled: NDArray[np.float64] = (np.clip(numbers, self.low, self.high) - self.low) / self.span
        return scaled

    def _spans(self, at: Between) -> tuple[NDArray[Any], NDArray[Any]]:
        ends = []
        for cut, outside in ((at.below, -math.inf), (at.above, math.inf)):
            edges = np.full(len(cut), outside)
            inner = cut[:, 0] >= 0
            edges[inner] = simplest(self.atoms[cut[inner, 0]], self.atoms[cut[inner, 1]])
            ends.append(np.where(at.least == at.most, self.atoms[at.least], edges))
        return ends[0], ends[1]

    def _called(self, low: float, high: float) -> tuple[Any, Cover]:
        if low == high:
            return texts([low])[0], Interval(low, high, closed=True)
        open_below, open_above = low == -math.inf, high == math.inf
        if open_below and open_above:
            return TOP, Anything()
        if self.domain is not None:
            low, high = (self.low if open_below else low), (self.high if open_above else high)
            one, other = texts([low, high])
            return f"[{one}, {other}{']' if open_above else ')'}", Interval(low, high, closed=open_above)
        if open_below:
            return f"<{texts([high])[0]}", Interval(low, high)
        if open_above:
            return f">={texts([low])[0]}", Interval(low, high, closed=True)
        one, other = texts([low, high])
        return f"[{one}, {other})", Interval(low, high)

    def _loss(self, low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.float64]:
        return self._scaled(high) - self._scaled(low)


class Codes(Axis):
    """Codes of digits in the order of their numbers. A part is a prefix where it can be, else an interval."""

    def __init__(self, values: NDArray[Any], at: Ints, domain: Digits) -> None:
        self.length, self.whole = domain.length, 10**domain.length - 1
        self.atoms, codes = np.unique(values.astype(np.int64), return_inverse=True)
        super().__init__(codes[at].astype(np.int64), self.atoms / self.whole)

    def _spans(self, at: Between) -> tuple[NDArray[Any], NDArray[Any]]:
        ends = []
        for cut, outside, back in ((at.below, 0, 0), (at.above, self.whole, 1)):
            edges = np.full(len(cut), outside, dtype=np.int64)
            inner = cut[:, 0] >= 0
            edges[inner] = _roundest(self.atoms[cut[inner, 0]], self.atoms[cut[inner, 1]], self.length) - back
            ends.append(np.where(at.least == at.most, self.atoms[at.least], edges))
        return ends[0], ends[1]

    def _called(self, low: int, high: int) -> tuple[Any, Cover]:
        if (low, high) == (0, self.whole):
            return TOP, Anything()
        one, other = (f"{end:0{self.length}d}" for end in (low, high))
        if low == high:
            return one, Members(frozenset([one]))
        shared = next(at for at in range(self.length) if one[at] != other[at])
        if not one[shared:].strip("0") and not other[shared:].strip("9"):
            return one[:shared] + TOP * (self.length - shared), Prefix(one[:shared])
        return f"[{one}, {other}]", Interval(float(low), float(high), closed=True)

    def _loss(self, low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray((high - low) / self.whole, dtype=np.float64)


class Ordered(Axis):
    """Listed values in an order. A part is the set of those between two cuts, named by groups that it holds whole.

    Args:
        leaves: all values, as texts, in their order.
        codes: shape (rows,), each row's place among them.
        levels: of the hierarchy, from fine to coarse without the top: for each leaf its label.
        covers: for each level what its labels cover.
    """

    def __init__(
        self,
        leaves: list[str],
        codes: Ints,
        levels: Sequence[Sequence[str]] = (),
        covers: Sequence[dict[Any, Cover]] = (),
    ) -> None:
        self.leaves, self.levels, self.covers = leaves, levels, covers
        self.spans = [_runs(level) for level in levels]
        super().__init__(codes, np.arange(len(leaves)) / max(1, len(leaves) - 1))

    def _spans(self, at: Between) -> tuple[NDArray[Any], NDArray[Any]]:
        low = np.where(at.below[:, 0] >= 0, at.below[:, 1], 0)
        high = np.where(at.above[:, 0] >= 0, at.above[:, 1] - 1, len(self.leaves) - 1)
        alone = at.least == at.most
        return np.where(alone, at.least, low), np.where(alone, at.most, high)

    def _called(self, low: int, high: int) -> tuple[Any, Cover]:
        if low == high:
            return self.leaves[low], Members(frozenset([self.leaves[low]]))
        if (low, high) == (0, len(self.leaves) - 1):
            return TOP, Anything()
        names: list[str] = []
        values, cover, at = set(self.leaves[low : high + 1]), None, low
        while at <= high:
            name, last = self.leaves[at], at
            for level, runs, meant in zip(self.levels, self.spans, self.covers, strict=True):
                start, end = runs[at]
                if start == at and last < end <= high:
                    name, last, cover = level[at], end, meant[level[at]]
            if last > at and isinstance(cover, Members):
                values |= cover.values
            names.append(name)
            at = last + 1
        if len(names) == 1 and cover is not None:
            return names[0], cover
        listed = ", ".join(names) if len(names) <= MOST_NAMES else f"{names[0]} … {names[-1]}: {high - low + 1}"
        return f"{{{listed}}}", Members(frozenset(values))

    def _loss(self, low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray((high - low) / max(1, len(self.leaves) - 1), dtype=np.float64)


def axis(
    name: str, values: NDArray[Any], at: Ints, domain: Domain | None = None, hierarchy: Hierarchy | None = None
) -> Axis:
    """A quasi-identifier's axis.

    Args:
        name: for messages.
        values: shape (distinct,), its distinct values, numbers or texts.
        at: shape (rows,), each row's place in ``values``.
        domain: as declared, if it is.
        hierarchy: whose groups stay together and name the parts; one of intervals or prefixes adds nothing here,
            where cuts find intervals of their own.

    Raises:
        DataFault: a value has no place in the hierarchy; only the owner sees this.
    """
    if hierarchy is not None and (lacking := hierarchy.lacks(values)).any():
        raise DataFault(
            f"column {name!r} has {int(lacking.sum())} values that its hierarchy lacks, such as {values[lacking][0]!r}",
            "a hierarchy that holds every value",
        )
    groups = hierarchy is not None and not _cuts_suffice(hierarchy, values)
    if isinstance(domain, Digits) and not groups:
        return Codes(values, at, domain)
    if values.dtype.kind in "iuf" and not groups:
        return Numbers(values, at, domain if isinstance(domain, Range) else None)
    if isinstance(domain, Categorical):
        leaves, natural = np.array(domain.values, dtype=object), np.arange(len(domain.values))
    else:
        leaves, natural = values, _natural(values)
    levels = range(1, hierarchy.levels - 1) if hierarchy is not None else range(0)
    labels = [hierarchy.label(leaves, level) for level in levels] if hierarchy is not None else []
    order = np.lexsort([natural, *(_first(label, natural) for label in labels)])
    named = [label[order].tolist() for label in labels]
    meant = (
        [hierarchy.covers(level, dict.fromkeys(label)) for level, label in zip(levels, named, strict=True)]
        if hierarchy is not None
        else []
    )
    ordered = texts(leaves[order].tolist())
    places = {leaf: place for place, leaf in enumerate(ordered)}
    codes = np.array([places[text] for text in texts(values.tolist())], dtype=np.int64)
    return Ordered(ordered, codes[at], named, meant)


def _cuts_suffice(hierarchy: Hierarchy, values: NDArray[Any]) -> bool:
    if hierarchy.levels < 3 or not len(values):
        return False
    covers = hierarchy.covers(1, hierarchy.label(values[:1], 1).tolist()).values()
    return all(isinstance(cover, (Interval, Prefix)) for cover in covers)


def _natural(values: NDArray[Any]) -> Ints:
    """The rank of each value: by size if all are numbers, then by text."""
    written = values.astype(str)
    try:
        sizes = values.astype(np.float64)
    except ValueError:
        sizes = np.zeros(len(values))
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[np.lexsort((written, sizes))] = np.arange(len(values))
    return ranks


def _first(labels: NDArray[Any], natural: Ints) -> Ints:
    """For each value the least rank of those with the same label."""
    at = np.unique(labels.astype(str), return_inverse=True)[1]
    least = np.full(int(at.max(initial=-1)) + 1, np.iinfo(np.int64).max)
    np.minimum.at(least, at, natural)
    found: Ints = least[at]
    return found


def _runs(labels: Sequence[str]) -> list[tuple[int, int]]:
    """For each place the first and last place of the run of equal labels that it is in."""
    starts = [at for at, label in enumerate(labels) if at == 0 or label != labels[at - 1]]
    ends = [start - 1 for start in [*starts[1:], len(labels)]] if starts else []
    return [(start, end) for start, end in zip(starts, ends, strict=True) for _ in range(start, end + 1)]


def simplest(below: NDArray[np.float64], above: NDArray[np.float64]) -> NDArray[np.float64]:
    """The number with the fewest digits that is above the one and at most the other, the greatest; shapes (n,).

    >>> simplest(np.array([31.2, 38.0, -1.5, 0.123]), np.array([45.7, 39.0, 2.0, 0.1234])).tolist()
    [40.0, 39.0, 0.0, 0.1234]
    """
    found = above.copy()
    open_ = np.isfinite(above)
    largest = max(float(np.abs(ends[np.isfinite(ends)]).max(initial=1.0)) for ends in (below, above))
    for power in range(min(300, math.floor(math.log10(largest)) + 1), -18, -1):
        scale = 10.0 ** abs(power)
        if power >= 0:
            tried = np.floor(above / scale) * scale
        else:  # 0.29 · 100 is below 29 in floats
            tried = np.rint(above * scale) / scale
            tried = np.where(tried <= above, tried, np.floor(above * scale) / scale)
        fits = open_ & (tried > below) & (tried <= above)
        found[fits] = tried[fits]
        open_ &= ~fits
        if not open_.any():
            break
    return found + 0.0  # no negative zero


def _roundest(below: Ints, above: Ints, length: int) -> Ints:
    """The same of whole numbers below 10^length."""
    found, open_ = above.copy(), np.ones(len(above), dtype=bool)
    for power in range(length - 1, 0, -1):
        tried = above // 10**power * 10**power
        fits = open_ & (tried > below)
        found[fits] = tried[fits]
        open_ &= ~fits
    return found
