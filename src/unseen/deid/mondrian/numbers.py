"""Numbers and codes of digits as Mondrian cuts them: at the numbers with the fewest digits."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.generalised import Anything, Cover, Interval, Prefix, itself
from unseen.core.schema import Digits, Range
from unseen.deid.hierarchies.ladder import TOP, texts
from unseen.deid.mondrian.axis import Axis, Between, Ints

__all__ = ["DigitCodes", "Numbers", "roundest", "simplest"]

DOUBLES = 2**53
"""Below it each whole number is a double, and no other is rounded to one."""


class Numbers(Axis):
    """Numbers in their order, whole ones exactly. A part is the interval between two cuts; cuts lie at round numbers.

    Without a declared domain the outermost parts are open, so that no extreme value is ever told.

    Args:
        values: shape (distinct,), the distinct values.
        at: shape (rows,), each row's place in ``values``.
        domain: as declared, if it is.
        tails: labels of numbers at either end that are told as one; a closed interval is the upper one's.
    """

    def __init__(
        self, values: NDArray[Any], at: Ints, domain: Range | None, tails: Mapping[str, Interval] | None = None
    ) -> None:
        self.outside: tuple[float, float] = (-math.inf, math.inf)
        numbers: NDArray[Any]
        if values.dtype.kind == "f":
            numbers = values.astype(np.float64) + 0.0  # no negative zero
        else:
            whole = np.uint64 if values.dtype == np.uint64 else np.int64
            numbers = values.astype(whole)
            self.outside = int(np.iinfo(whole).min), int(np.iinfo(whole).max)
        self.domain = domain
        finite = numbers[np.isfinite(numbers)]
        self.low: float = finite.min().item() if len(finite) else 0.0
        self.high: float = finite.max().item() if len(finite) else 0.0
        if domain is not None:
            self.low, self.high = domain.low, domain.high
        self.span = float(self.high - self.low)
        self.tails: dict[float, tuple[str, Interval]] = {}
        for label, cover in (tails or {}).items():
            inside = cover.mask(numbers)
            if inside.any():
                one = self._end(cover)
                numbers[inside] = one
                self.tails[one] = label, cover
        self.atoms, codes = np.unique(numbers, return_inverse=True)
        super().__init__(codes[at].astype(np.int64), self._scaled(self.atoms))

    def _end(self, tail: Interval) -> float:
        """The number of a tail that lies next to the others: no cut parts the tail, and none needs to know it."""
        if isinstance(self.outside[0], int):
            end = math.ceil(tail.low) if tail.closed else math.ceil(tail.high) - 1
            return min(max(end, self.outside[0]), self.outside[1])
        return tail.low if tail.closed else math.nextafter(tail.high, -math.inf)

    def _scaled(self, numbers: NDArray[Any]) -> NDArray[np.float64]:
        if not 0 < self.span < math.inf:
            return np.zeros(len(numbers))
        inside = np.clip(numbers, self.low, self.high)
        if numbers.dtype.kind in "iu" and self.domain is None:  # exactly, where doubles would merge them
            beyond = inside.astype(np.uint64) - np.uint64(int(self.low) % 2**64)
        else:
            beyond = inside.astype(np.float64) - self.low
        scaled: NDArray[np.float64] = beyond.astype(np.float64) / self.span
        return scaled

    def _values(self, codes: Ints) -> NDArray[Any] | None:
        found = self.atoms[codes]
        return None if any(end in found for end in self.tails) else found

    def _spans(self, at: Between) -> tuple[NDArray[Any], NDArray[Any]]:
        least = self.atoms[at.least]
        cut_at = simplest if least.dtype.kind == "f" else roundest
        ends = []
        for cut, outside in zip((at.below, at.above), self.outside, strict=True):
            edges = np.full(len(cut), outside, dtype=least.dtype)
            inner = cut[:, 0] >= 0
            edges[inner] = cut_at(self.atoms[cut[inner, 0]], self.atoms[cut[inner, 1]])
            ends.append(np.where(at.least == at.most, least, edges))
        return ends[0], ends[1]

    def _called(self, low: float, high: float) -> tuple[str, Cover]:
        if low == high:
            return self.tails.get(low) or (texts([low])[0], itself(low))
        open_below, open_above = low == self.outside[0], high == self.outside[1]
        if open_below and open_above:
            return TOP, Anything()
        bounds = (-math.inf, math.inf) if self.domain is None else (self.low, self.high)
        low, high = (bounds[0] if open_below else low), (bounds[1] if open_above else high)
        # Covers tell numbers apart as doubles: beyond those the upper end of whole numbers is included.
        cover = Interval(float(low), float(high), open_above or (isinstance(high, int) and abs(high) >= DOUBLES))
        one, other = texts([low, high])
        if self.domain is None and open_below:
            return f"<{other}", cover
        if self.domain is None and open_above:
            return f">={one}", cover
        return f"[{one}, {other}{']' if open_above else ')'}", cover

    def _loss(self, low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.float64]:
        found = self._scaled(high) - self._scaled(low)
        for end, (_, cover) in self.tails.items():
            told = self._scaled(np.array([cover.low, cover.high]))
            found[(low == end) & (high == end)] = told[1] - told[0]
        return found


class DigitCodes(Axis):
    """Codes of digits in the order of their numbers. A part is a prefix where it can be, else an interval."""

    def __init__(self, values: NDArray[Any], at: Ints, domain: Digits) -> None:
        self.length, self.whole = domain.length, 10**domain.length - 1
        self.atoms, codes = np.unique(values.astype(np.int64), return_inverse=True)
        super().__init__(codes[at].astype(np.int64), self.atoms / self.whole)

    def _values(self, codes: Ints) -> NDArray[Any]:
        return np.array([self._written(code) for code in self.atoms[codes].tolist()], dtype=object)

    def _written(self, code: int) -> str:
        return f"{code:0{self.length}d}"

    def _spans(self, at: Between) -> tuple[NDArray[Any], NDArray[Any]]:
        ends = []
        for cut, outside, back in ((at.below, 0, 0), (at.above, self.whole, 1)):
            edges = np.full(len(cut), outside, dtype=np.int64)
            inner = cut[:, 0] >= 0
            edges[inner] = roundest(self.atoms[cut[inner, 0]], self.atoms[cut[inner, 1]]) - back
            ends.append(np.where(at.least == at.most, self.atoms[at.least], edges))
        return ends[0], ends[1]

    def _called(self, low: int, high: int) -> tuple[str, Cover]:
        if (low, high) == (0, self.whole):
            return TOP, Anything()
        one, other = self._written(low), self._written(high)
        if low == high:
            return one, itself(one)
        shared = next(at for at in range(self.length) if one[at] != other[at])
        if not one[shared:].strip("0") and not other[shared:].strip("9"):
            return one[:shared] + TOP * (self.length - shared), Prefix(one[:shared])
        return f"[{one}, {other}]", Interval(float(low), float(high), closed=True)

    def _loss(self, low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray((high - low) / self.whole, dtype=np.float64)


def simplest(below: NDArray[np.float64], above: NDArray[np.float64]) -> NDArray[np.float64]:
    """The number with the fewest digits that is above the one and at most the other, the greatest; shapes (n,).

    >>> simplest(np.array([31.2, 38.0, -1.5, 0.123]), np.array([45.7, 39.0, 2.0, 0.1234])).tolist()
    [40.0, 39.0, 0.0, 0.1234]
    >>> simplest(np.array([1.237e-20]), np.array([1.289e-20])).tolist()
    [1.28e-20]
    """
    found = above.copy()
    open_ = np.isfinite(above)
    largest = max(float(np.abs(ends[np.isfinite(ends)]).max(initial=1.0)) for ends in (below, above))
    apart = (above - below)[open_ & np.isfinite(below)]
    least = math.floor(math.log10(float(apart.min()))) - 1 if len(apart) else -18
    for power in range(min(300, math.floor(math.log10(largest)) + 1), max(-300, min(least, 0)) - 1, -1):
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


def roundest(below: NDArray[Any], above: NDArray[Any]) -> NDArray[Any]:
    """The same of whole numbers, exactly; shapes (n,), of one type of 64 bits.

    >>> roundest(np.array([31, 38, -2, 2**60]), np.array([45, 39, 2, 2**60 + 1])).tolist()
    [40, 39, 0, 1152921504606846977]
    """
    found, open_ = above.copy(), np.ones(len(above), dtype=bool)
    if not len(above):
        return found
    digits = len(str(max(int(above.max()), -int(below.min()))))
    for power in range(min(digits, 19 if above.dtype == np.uint64 else 18), 0, -1):
        scale = above.dtype.type(10**power)
        tried = above // scale * scale
        fits = open_ & (tried > below) & (tried <= above)  # below the least whole number it comes out at the other end
        found[fits] = tried[fits]
        open_ &= ~fits
        if not open_.any():
            break
    return found
