"""l-diversity: how many values, and how evenly, a class has to have of a sensitive column."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from unseen.core.guarantee import number, whole
from unseen.core.privacy_models import Diversity, PrivacyModel
from unseen.deid.models.demand import ROUNDING, TINY, Counts, Model, cut

__all__ = ["DistinctDiversity", "EntropyDiversity", "RecursiveDiversity"]


@dataclass(frozen=True)
class DistinctDiversity(Model):
    """Distinct l-diversity: a class has at least l sensitive values.

    **Guarantee**: whoever finds a class cannot rule out all but l - 1 values. It does not bound how likely one of them
    is: nine units in ten may share it.

    Merging: a union has every value of its parts, also where units are shared. A part has no value that its class
    lacks, so a class that fails is suppressed whole, however it is split.

    Source: Machanavajjhala et al. 2007, section 4.
    """

    l: int  # noqa: E741 (the field's name)
    shared: ClassVar[bool] = True
    limits: ClassVar[str] = "how frequent one of the values is, how alike they are"

    def __post_init__(self) -> None:
        object.__setattr__(self, "l", whole("l", self.l, 2))

    def holds(self, counts: Counts, table: Counts) -> NDArray[np.bool_]:
        """Which classes have l values."""
        found: NDArray[np.bool_] = np.count_nonzero(counts, axis=1) >= self.l
        return found

    def most(self, counts: Counts, table: Counts) -> NDArray[np.float64]:
        """All or nothing."""
        return np.where(self.holds(counts, table), counts.sum(axis=1), 0.0)

    def promise(self, column: str) -> str:
        """At least l values."""
        return f"each class has at least {self.l} values of {column}"

    def held(self, column: str) -> PrivacyModel:
        """l different values."""
        return Diversity(self.promise(column), self.limits, column, self.l)


@dataclass(frozen=True)
class EntropyDiversity(Model):
    """Entropy l-diversity: the entropy of a class's sensitive values is at least log l.

    Args:
        l: above 1; the number of equally frequent values that a class is as uncertain as.

    **Guarantee**: the values of a class are as uncertain as l equally frequent ones, so that one of them has at most
    the share that leaves this entropy. It does not bound how alike values are, or what an adversary who knows more
    about some values learns.

    Merging: entropy is concave, so that of a union is at least the mean of its parts'. Largest part: a part of n
    counts has the most entropy when cut at a common height, and this entropy falls as n grows, since any part can be
    scaled down.

    Source: Machanavajjhala et al. 2007, definition 4.1.
    """

    l: float  # noqa: E741 (the field's name)
    limits: ClassVar[str] = "how alike the values are, what is learned of rare values"

    def __post_init__(self) -> None:
        object.__setattr__(self, "l", number("l", self.l, 1, open_low=True))

    def holds(self, counts: Counts, table: Counts) -> NDArray[np.bool_]:
        """Which classes have that entropy."""
        size = counts.sum(axis=1)
        entropy = np.log(np.maximum(size, TINY)) - (counts * np.log(np.maximum(counts, TINY))).sum(axis=1) / np.maximum(
            size, TINY
        )
        found: NDArray[np.bool_] = entropy >= math.log(self.l) - ROUNDING
        return found

    def most(self, counts: Counts, table: Counts) -> NDArray[np.float64]:
        """All, or what is left when cut at the greatest height that holds."""
        return cut(lambda part: self.holds(part, table), counts)

    def promise(self, column: str) -> str:
        """As uncertain as l values."""
        return f"{column} is in each class as uncertain as {self.l:g} equally frequent values"

    def held(self, column: str) -> PrivacyModel:
        """The entropy; n values have at most log n of it, so there are l of them too."""
        return Diversity(self.promise(column), self.limits, column, math.ceil(self.l), self.l)


@dataclass(frozen=True)
class RecursiveDiversity(Model):
    """Recursive (c, l)-diversity: the most frequent value is less than c times all from the l-th most frequent on.

    Args:
        c: above 0.
        l: at least 2.

    **Guarantee**: even after l - 2 values were ruled out, the likeliest value is less than c times as frequent as the
    rest. It does not bound how alike values are.

    Merging: a union's greatest count is at most the sum of its parts' greatest, and its l - 1 greatest together at
    most the sum of theirs, so what is left for the rest is at least the sum of theirs. Largest part: cutting at the
    height of a part's greatest count keeps all that the part has, and what the rest is left with is concave in the
    height.

    Source: Machanavajjhala et al. 2007, definition 4.2.
    """

    c: float
    l: int  # noqa: E741 (the field's name)
    limits: ClassVar[str] = "how alike the values are, what is learned of rare values"

    def __post_init__(self) -> None:
        object.__setattr__(self, "c", number("c", self.c, 0, open_low=True))
        object.__setattr__(self, "l", whole("l", self.l, 2))

    def holds(self, counts: Counts, table: Counts) -> NDArray[np.bool_]:
        """Which classes have that tail."""
        falling = -np.sort(-counts, axis=1)
        rest = falling[:, self.l - 1 :].sum(axis=1)
        found: NDArray[np.bool_] = falling[:, 0] < self.c * rest * (1 - ROUNDING)  # a tie does not hold
        return found

    def most(self, counts: Counts, table: Counts) -> NDArray[np.float64]:
        """All, or what is left when cut at the greatest height that holds."""
        return cut(lambda part: self.holds(part, table), counts)

    def promise(self, column: str) -> str:
        """A long tail."""
        place = {2: "second", 3: "third"}.get(self.l, f"{self.l}th")
        return (
            f"the most frequent value of {column} in a class is less than {self.c:g} times all from the "
            f"{place} most frequent on"
        )

    def held(self, column: str) -> PrivacyModel:
        """There is an l-th value."""
        return Diversity(self.promise(column), self.limits, column, self.l)
