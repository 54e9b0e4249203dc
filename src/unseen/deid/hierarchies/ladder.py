"""The kinds of hierarchy: what each does between the original value and ``*``."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import InvalidRequest, shown
from unseen.core.generalised import Cover, Interval, Members, Prefix
from unseen.core.guarantee import number, price, whole
from unseen.core.schema import Categorical, Digits, Domain, Range

__all__ = ["TOP", "Intervals", "Ladder", "Prefixes", "Table", "texts", "whole_numbers"]

TOP = "*"
"""The label that says nothing."""

MOST = 10_000
"""Intervals that the finest level may have."""

LISTED = 200_000
"""Values that are listed one by one."""


def texts(values: Iterable[Any]) -> list[str]:
    """Values as the texts that they are compared by: whole numbers without a trailing ``.0``."""
    return [str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in values]


class Ladder(ABC):
    """The levels of a hierarchy, without its two ends: nested by construction, or checked to be."""

    in_order: bool = False
    """Whether its groups are runs of numbers or of codes, and nothing else: cuts of that order make as good ones."""

    enumerated: bool = False
    """Whether whoever declared it listed each value that there may be."""

    tails: Mapping[str, Interval] = MappingProxyType({})
    """What level 1 tells as one at either end of the numbers while it tells the others as they are."""

    @property
    @abstractmethod
    def levels(self) -> int:
        """How many levels there are, level 0 and the top included."""

    @abstractmethod
    def lacks(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which of the values have no place in it."""

    @abstractmethod
    def middle(self, values: NDArray[Any], level: int) -> list[str]:
        """The labels of values at a level between the ends."""

    @abstractmethod
    def loss(self, values: NDArray[Any], level: int) -> NDArray[np.float64]:
        """For each value the share of the domain that its label at this level covers, beyond one leaf."""

    @abstractmethod
    def cover(self, label: str, level: int) -> Cover:
        """What a label at a level between the ends stands for."""

    @abstractmethod
    def misfit(self, domain: Domain) -> str:
        """Why it does not hold every value of a declared domain; empty if it does."""

    def listed(self) -> NDArray[Any] | None:
        """All values that it holds, where they can be listed."""
        return None

    def sites(self) -> NDArray[Any] | None:
        """One value of each group of level 1, shape (groups,), where there are not too many of them."""
        return None


class Intervals(Ladder):
    """Intervals of numbers; every edge is the double nearest to its exact decimal value.

    The last one of a level holds ``high`` if ``closed``.
    """

    in_order = True

    def __init__(self, low: float, high: float, widths: Sequence[float], closed: bool = True) -> None:
        self.low, self.high, self.closed = number("low", low), number("high", high), closed
        if self.low >= self.high:
            raise InvalidRequest(f"intervals({low!r}, {high!r}) was given", "low lies below high")
        if isinstance(widths, (str, bytes)) or not isinstance(widths, Sequence) or not widths:
            raise InvalidRequest(f"widths={widths!r} was given", "increasing widths", "widths=[5, 10, 20]")
        span = price(self.high) - price(self.low)
        exact = [price(number("widths", width, 0, open_low=True)) for width in widths]
        for fine, coarse in pairwise(exact):
            if coarse <= fine or (coarse / fine).denominator != 1:
                raise InvalidRequest(
                    f"widths={list(widths)!r} was given",
                    "each width a multiple of the one before, so that intervals nest",
                    "widths=[5, 10, 20]",
                )
        if exact[-1] >= span or span / exact[0] > MOST:
            raise InvalidRequest(
                f"widths={list(widths)!r} from {self.low:g} to {self.high:g} was given",
                f"widths below {float(span):g}, and at most {MOST:,} intervals at the first level",
            )
        self.span, self.widths = float(span), [float(width) for width in exact]
        count, origin = math.ceil(span / exact[0]), price(self.low)
        finest = np.array([float(origin + index * exact[0]) for index in range(count)])
        self.edges = [finest[:: int(width / exact[0])] for width in exact]
        self.names = [self._named(edges) for edges in self.edges]
        self.meant = [
            {
                name: Interval(float(low), float(high), closed)
                for name, (low, high, closed) in zip(names, self._bounds(edges), strict=True)
            }
            for names, edges in zip(self.names, self.edges, strict=True)
        ]

    def _bounds(self, edges: NDArray[np.float64]) -> list[tuple[float, float, bool]]:
        ends = [*edges[1:].tolist(), self.high]
        last = len(edges) - 1 if self.closed else -1
        return [(low, high, at == last) for at, (low, high) in enumerate(zip(edges.tolist(), ends, strict=True))]

    def _named(self, edges: NDArray[np.float64]) -> list[str]:
        return [f"[{_short(low)}, {_short(high)}{']' if closed else ')'}" for low, high, closed in self._bounds(edges)]

    @property
    def levels(self) -> int:
        """How many levels there are."""
        return len(self.widths) + 2

    def lacks(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which have no place."""
        if values.dtype.kind not in "iuf":
            return np.ones(len(values), dtype=bool)
        upper = values <= self.high if self.closed else values < self.high
        found: NDArray[np.bool_] = ~((values >= self.low) & upper)
        return found

    def _at(self, values: NDArray[Any], level: int) -> NDArray[np.intp]:
        return np.searchsorted(self.edges[level - 1], values.astype(np.float64), side="right") - 1

    def middle(self, values: NDArray[Any], level: int) -> list[str]:
        """Their labels."""
        names = self.names[level - 1]
        return [names[at] for at in self._at(values, level)]

    def loss(self, values: NDArray[Any], level: int) -> NDArray[np.float64]:
        """The share of the domain under each label."""
        lengths = np.diff(np.append(self.edges[level - 1], self.high)) / self.span
        found: NDArray[np.float64] = lengths[self._at(values, level)]
        return found

    def cover(self, label: str, level: int) -> Cover:
        """What the label stands for."""
        return self.meant[level - 1][label]

    def misfit(self, domain: Domain) -> str:
        """Why it does not hold a domain; empty if it does."""
        if not isinstance(domain, Range):
            return f"intervals are for a Range; it is declared as {type(domain).__name__}"
        if domain.low < self.low or domain.high > self.high:
            return f"intervals from {domain.low:g} or below to {domain.high:g} or above"
        return ""

    def listed(self) -> NDArray[Any] | None:
        """All whole numbers, where both bounds are whole."""
        found = whole_numbers(self.low, self.high)
        return found if found is None or self.closed else found[:-1]


class Prefixes(Ladder):
    """Codes of one length whose last characters are hidden."""

    in_order = True

    def __init__(self, length: int) -> None:
        self.length = whole("prefixes length", length, 1)

    @property
    def levels(self) -> int:
        """How many levels there are."""
        return self.length + 1

    def lacks(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which have no place."""
        return np.array(
            [not isinstance(v, str) or len(v) != self.length or TOP in v for v in values.tolist()], dtype=bool
        )

    def middle(self, values: NDArray[Any], level: int) -> list[str]:
        """Their labels."""
        return [value[: self.length - level] + TOP * level for value in values.tolist()]

    def loss(self, values: NDArray[Any], level: int) -> NDArray[np.float64]:
        """The share of the domain under each label."""
        leaf = 10.0**-self.length  # as of decimal digits
        return np.full(len(values), (leaf * 10.0**level - leaf) / (1.0 - leaf))

    def cover(self, label: str, level: int) -> Cover:
        """What the label stands for."""
        return Prefix(label[: self.length - level])

    def misfit(self, domain: Domain) -> str:
        """Why it does not hold a domain; empty if it does."""
        if not isinstance(domain, Digits):
            return f"prefixes are for Digits; it is declared as {type(domain).__name__}"
        return "" if domain.length == self.length else f"prefixes({domain.length})"

    def listed(self) -> NDArray[Any] | None:
        """All codes of up to five decimal digits; of longer ones there are too many."""
        if self.length > 5:
            return None
        return np.array([f"{code:0{self.length}d}" for code in range(10**self.length)], dtype=object)


class Table(Ladder):
    """Leaves and their ancestors, listed one by one."""

    enumerated = True

    def __init__(self, rows: Sequence[Sequence[Any]], source: str) -> None:
        table = [texts(row) for row in rows]
        if not table:
            raise InvalidRequest(f"{source} is empty", "at least one leaf")
        width = len(table[0])
        uneven = next((row for row in table if len(row) != width), None)
        if uneven is not None:
            raise InvalidRequest(
                f"in {source} {uneven[0]!r} has {len(uneven)} levels and {table[0][0]!r} has {width}",
                "as many levels for every leaf",
            )
        if width == 1 or any(row[-1] != TOP for row in table):
            table = [[*row, TOP] for row in table]
        self.columns = list(zip(*table, strict=True))
        self.place = {leaf: at for at, leaf in enumerate(self.columns[0])}
        if len(self.place) < len(table):
            twice = next(leaf for at, leaf in enumerate(self.columns[0]) if self.place[leaf] != at)
            raise InvalidRequest(f"in {source} the leaf {twice!r} stands twice", "each leaf once")
        self.leaves: list[dict[str, list[int]]] = []
        for column in self.columns:
            under: dict[str, list[int]] = {}
            for at, label in enumerate(column):
                under.setdefault(label, []).append(at)
            self.leaves.append(under)
        for level in range(1, len(self.columns) - 1):
            for label, under_it in self.leaves[level].items():
                above = {self.columns[level + 1][at] for at in under_it}
                if len(above) > 1:
                    raise InvalidRequest(
                        f"in {source} the label {label!r} of level {level} has the parents {shown(sorted(above))}",
                        "one parent for each label, so that levels nest",
                    )

    @property
    def levels(self) -> int:
        """How many levels there are."""
        return len(self.columns)

    def lacks(self, values: NDArray[Any]) -> NDArray[np.bool_]:
        """Which have no place."""
        return np.array([text not in self.place for text in texts(values.tolist())], dtype=bool)

    def middle(self, values: NDArray[Any], level: int) -> list[str]:
        """Their labels."""
        column = self.columns[level]
        return [column[self.place[text]] for text in texts(values.tolist())]

    def loss(self, values: NDArray[Any], level: int) -> NDArray[np.float64]:
        """The share of the domain under each label."""
        under, others = self.leaves[level], max(1, len(self.place) - 1)
        return np.array([(len(under[label]) - 1) / others for label in self.middle(values, level)], dtype=float)

    def cover(self, label: str, level: int) -> Cover:
        """What the label stands for."""
        return Members(frozenset(self.columns[0][at] for at in self.leaves[level][label]))

    def misfit(self, domain: Domain) -> str:
        """Why it does not hold a domain; empty if it does."""
        if isinstance(domain, Categorical):
            absent = [value for value in domain.values if value not in self.place]
            return f"a hierarchy that also holds {shown(absent)}" if absent else ""
        return ""

    def listed(self) -> NDArray[Any]:
        """The leaves as they were listed."""
        return np.array(self.columns[0], dtype=object)


def whole_numbers(low: float, high: float) -> NDArray[Any] | None:
    """All whole numbers from one whole bound to the other; None if a bound is not whole, or there are too many."""
    if not (low.is_integer() and high.is_integer()) or high - low > LISTED:
        return None
    return np.arange(int(low), int(high) + 1, dtype=np.int64)


def _short(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
