"""What a privacy model beside k is: a demand on every class, and how large a part of a class can meet it."""
# SPDX-License-Identifier: Apache-2.0
# Three facts carry the search. (1) Merging: where two classes hold, their union holds. (2) So the kept parts of a
# class, however it is split, hold together: they are a part of it that holds, and ``most`` bounds how large such a
# part can be. (3) Both want counts that add up; where a unit has rows in several classes they do not, and only the
# models with ``shared`` keep them.

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unseen.core.compiled import compiled
from unseen.core.privacy_models import PrivacyModel

__all__ = ["ROUNDING", "TINY", "Counts", "Model", "PopulationModel", "cut", "fewer", "shares", "totals"]

Counts = NDArray[Any]

ROUNDING = 1e-9
"""How far, relatively, a computed value may lie beyond a limit that it is meant to reach."""

STEPS = 20
"""Steps of an iteration each of whose values is a bound."""

TINY = float(np.finfo(np.float64).tiny)
"""What stands for no count where one divides or takes a logarithm."""


class Model(ABC):
    """A demand on the sensitive values of every class.

    Counts have shape (classes, values): how many units of a class have a row with that value. A unit with several
    values counts once for each of them.
    """

    shared: ClassVar[bool] = False
    """Whether a union holds where its parts do even if units have rows in both."""

    limits: ClassVar[str]
    """What it does not bound."""

    def of(self, values: NDArray[Any]) -> Model:
        """The model for these sensitive values.

        Args:
            values: shape (values,), distinct, in the order of the columns of ``counts``.
        """
        return self

    @abstractmethod
    def holds(self, counts: Counts, table: Counts) -> NDArray[np.bool_]:
        """Which classes it holds for.

        Args:
            counts: shape (classes, values), no class without counts.
            table: shape (values,), the counts of the whole table as one class.

        Returns:
            shape (classes,).
        """

    def most(self, counts: Counts, table: Counts) -> NDArray[np.float64]:
        """For each class an upper bound on the counts of any part of it for which this holds.

        Returns:
            shape (classes,); all of a class that holds.
        """
        return totals(counts)

    @abstractmethod
    def promise(self, column: str) -> str:
        """What it says of a sensitive column, in a few words."""

    def held(self, column: str) -> PrivacyModel:
        """The same as a value of a guarantee."""
        return PrivacyModel(self.promise(column), self.limits)


class PopulationModel(ABC):
    """A demand on how many of a population lie in the cell of every class."""

    shared: ClassVar[bool] = False
    limits: ClassVar[str]

    @property
    def complete(self) -> bool:
        """Whether it also demands something of the population's cells without released rows: none may lack any."""
        return False

    @abstractmethod
    def holds(self, units: Counts, population: Counts) -> NDArray[np.bool_]:
        """Which classes it holds for.

        Args:
            units: shape (classes,), the units of the table in each class.
            population: shape (classes,), the people of the population with the same generalised values.
        """

    @abstractmethod
    def most(self, units: Counts, population: Counts) -> NDArray[np.float64]:
        """For each class an upper bound on the units of any part of it for which this holds."""

    @abstractmethod
    def promise(self) -> str:
        """What it says, in a few words."""

    def held(self) -> PrivacyModel:
        """The same as a value of a guarantee."""
        return PrivacyModel(self.promise(), self.limits)


def totals(counts: Counts) -> NDArray[np.float64]:
    """All counts of each class."""
    found: NDArray[np.float64] = counts.sum(axis=1, dtype=np.float64)
    return found


def shares(counts: Counts) -> NDArray[np.float64]:
    """Counts as shares of their class."""
    found: NDArray[np.float64] = counts / np.maximum(totals(counts)[:, None], TINY)
    return found


def cut(holds: Callable[[Counts], NDArray[np.bool_]], counts: Counts) -> NDArray[np.float64]:
    """All of a class that holds; of another what lies below a height at which its cut does not hold."""
    size = totals(counts)
    failing = np.flatnonzero(~holds(counts))
    if len(failing):
        some = counts[failing].astype(np.float64)
        low, high = np.zeros(len(failing)), some.max(axis=1)
        for _ in range(STEPS):
            middle = (low + high) / 2
            fits = holds(np.minimum(some, middle[:, None]))
            low, high = np.where(fits, middle, low), np.where(fits, high, middle)
        size[failing] = np.floor(np.minimum(some, high[:, None]).sum(axis=1) + ROUNDING)
    return size


def fewer(counts: Counts, shares: NDArray[np.float64], factor: float, holds: NDArray[np.bool_]) -> NDArray[np.float64]:
    """All of a class that holds; of another n after steps of n ← factor · Σ min(c, n · shares)."""
    size = totals(counts)
    failing = np.flatnonzero(~holds)
    if len(failing):
        left = size[failing]
        _step(np.asarray(counts[failing], dtype=np.float64), shares, factor, left)
        size[failing] = np.floor(left * (1 + ROUNDING) + ROUNDING)
    return size


@compiled
def _step(counts: Any, shares: Any, factor: Any, left: Any) -> None:
    """Each class's steps, until they take no more than a hundredth of a count."""
    for row in range(len(counts)):
        for _ in range(STEPS):
            before, total = left[row], 0.0
            for value in range(len(shares)):
                total += min(counts[row, value], before * shares[value])
            left[row] = min(before, factor * total)
            if before - left[row] < 0.01:
                break
