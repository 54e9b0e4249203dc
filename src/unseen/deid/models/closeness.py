"""t-closeness and beta-likeness: how near a class has to be to the whole table in a sensitive column."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import InvalidRequest
from unseen.core.guarantee import number
from unseen.deid.models.demand import ROUNDING, TINY, Counts, Model, fewer, shares, totals
from unseen.deid.models.distance import Distance, Equal

__all__ = ["BetaLikeness", "TCloseness"]


@dataclass(frozen=True)
class TCloseness(Model):
    """t-closeness: a class's sensitive values are distributed nearly as the whole table's.

    Args:
        t: in [0, 1], the greatest earth mover's distance.
        distance: between values; equal for any two by default.

    **Guarantee**: finding a class tells no more about the sensitive value than moving t of the table's distribution.
    The table's own distribution, suppressed rows included, counts as known; what it tells is not bounded, nor by
    which factor a rare value gets likelier.

    Merging: the distance is a norm of the difference to a fixed distribution, so convex, and a union's distribution
    is a mean of its parts'. Largest part: of n counts, those up to n q match the table's q, so that
    Σ min(c, n q) ≥ (1 - t) n where any two values lie 1 apart; where they lie at least d apart, with t/d for t. Each
    step of n ← Σ min(c, n q) / (1 - t) from the whole class down stays above the largest n that fulfils it.

    Source: Li, Li and Venkatasubramanian 2007.
    """

    t: float
    distance: Distance = field(default_factory=Equal)
    limits: ClassVar[str] = "what the whole table tells, by which factor a rare value gets likelier"

    def __post_init__(self) -> None:
        object.__setattr__(self, "t", number("t", self.t, 0, 1))
        if not isinstance(self.distance, Distance):
            raise InvalidRequest(
                f"distance={self.distance!r} was asked for",
                "un.deid.Equal(), un.deid.Ordered() or un.deid.Hierarchical(hierarchy)",
            )

    def of(self, values: NDArray[Any]) -> TCloseness:
        """With the distances of these values."""
        return TCloseness(self.t, self.distance.of(values))

    def holds(self, counts: Counts, table: Counts) -> NDArray[np.bool_]:
        """Which classes are that close."""
        found: NDArray[np.bool_] = self.distance.between(shares(counts), shares(table[None])) <= self.t + ROUNDING
        return found

    def most(self, counts: Counts, table: Counts) -> NDArray[np.float64]:
        """All, or what the steps leave."""
        size = totals(counts)
        moved = (self.t + ROUNDING) / self.distance.least(counts.shape[1])
        if moved >= 1:
            return size
        return fewer(counts, shares(table[None])[0], 1 / (1 - moved), self.holds(counts, table))

    def promise(self, column: str) -> str:
        """Close to the table."""
        return f"{column} is in each class within {self.t:g} ({self.distance.named}) of its distribution in the table"


@dataclass(frozen=True)
class BetaLikeness(Model):
    """β-likeness: no sensitive value is in a class more than 1 + β times as frequent as in the whole table.

    Args:
        beta: above 0.
        enhanced: whether a frequent value's factor is also limited to 1 + ln(1/p) of its share p in the table.

    **Guarantee**: finding a class makes no value likelier than by that factor. It does not bound how much less likely
    a value gets, or what the table's own distribution tells.

    Merging: each value's limit is linear in the class's distribution. Largest part: of n counts a value takes at most
    n b, with b its greatest share, so n ≤ Σ min(c, n b); each step of n ← Σ min(c, n b) stays above it.

    Source: Cao and Karras 2012, definitions 2 and 3.
    """

    beta: float
    enhanced: bool = False
    limits: ClassVar[str] = "how much less likely a value gets, what the whole table tells"

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", number("beta", self.beta, 0, open_low=True))
        if not isinstance(self.enhanced, bool):
            raise InvalidRequest(f"enhanced={self.enhanced!r} was asked for", "True or False")

    def holds(self, counts: Counts, table: Counts) -> NDArray[np.bool_]:
        """Which classes stay below each value's limit."""
        return np.asarray((shares(counts) <= self._greatest(table) * (1 + ROUNDING)).all(axis=1))

    def most(self, counts: Counts, table: Counts) -> NDArray[np.float64]:
        """All, or what the steps leave."""
        return fewer(counts, self._greatest(table) * (1 + ROUNDING), 1.0, self.holds(counts, table))

    def _greatest(self, table: Counts) -> NDArray[np.float64]:
        whole = shares(table[None])[0]
        gain = np.full(len(whole), self.beta)
        if self.enhanced:
            gain = np.minimum(gain, -np.log(np.maximum(whole, TINY)))
        greatest: NDArray[np.float64] = whole * (1 + gain)
        return greatest

    def promise(self, column: str) -> str:
        """No value much likelier."""
        least = ", or 1 + ln(1/p) for a share of p in the table if that is less" if self.enhanced else ""
        return (
            f"no value of {column} is in a class more than {1 + self.beta:g} times as frequent as in the table{least}"
        )
