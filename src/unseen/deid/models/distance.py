"""Distances between distributions of sensitive values: the earth mover's, by how far apart two values lie."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from unseen.core.errors import DataFault, InvalidRequest
from unseen.deid.hierarchies.hierarchy import Hierarchy

__all__ = ["Distance", "Equal", "Hierarchical", "Ordered"]

Shares = NDArray[np.float64]


class Distance(ABC):
    """How far apart two distributions are: the least work of moving one to the other, from 0 to 1."""

    named: ClassVar[str]
    """What it is called in a guarantee."""

    def of(self, values: NDArray[Any]) -> Distance:
        """The distance for these values, distinct and in the order of the columns of what is compared.

        Raises:
            DataFault: a value has no place; only the owner sees this.
        """
        return self

    @abstractmethod
    def between(self, one: Shares, other: Shares) -> NDArray[np.float64]:
        """The distances of distributions, shapes (n, values) and (n or 1, values), shape (n,)."""

    @abstractmethod
    def least(self, count: int) -> float:
        """The least distance of two different values among ``count``, above 0."""


@dataclass(frozen=True)
class Equal(Distance):
    """Any two values lie 1 apart: the total variation distance.

    Source: Li, Li and Venkatasubramanian 2007, equal distance.
    """

    named: ClassVar[str] = "equal distance"

    def between(self, one: Shares, other: Shares) -> NDArray[np.float64]:
        """Half the sum of the differences."""
        found: NDArray[np.float64] = np.abs(one - other).sum(axis=1) / 2
        return found

    def least(self, count: int) -> float:
        """1."""
        return 1.0


@dataclass(frozen=True)
class Ordered(Distance):
    """Values lie as far apart as their ranks, first and last 1 apart.

    Args:
        order: the values from first to last; by default numbers by size.

    Source: Li, Li and Venkatasubramanian 2007, ordered distance.
    """

    order: tuple[Any, ...] | None = None
    places: tuple[int, ...] | None = field(default=None, repr=False)
    named: ClassVar[str] = "ordered distance"

    def of(self, values: NDArray[Any]) -> Ordered:
        """With the ranks of these values."""
        if self.order is None:
            if values.dtype.kind not in "iufb":
                raise InvalidRequest(
                    "an ordered distance between texts was asked for", "their order", 'Ordered(("low", "middle"))'
                )
            return Ordered(None, tuple(np.argsort(values, kind="stable").tolist()))
        found = {value: at for at, value in enumerate(self.order)}
        lacking = next((value for value in values.tolist() if value not in found), None)
        if lacking is not None or len(found) < len(self.order):
            raise DataFault(
                "an order that lacks a value or has one twice was given"
                + (f": {lacking!r}" if lacking is not None else ""),
                "each value once",
            )
        rank = np.array([found[value] for value in values.tolist()])
        return Ordered(self.order, tuple(np.argsort(rank).tolist()))

    def between(self, one: Shares, other: Shares) -> NDArray[np.float64]:
        """The work of moving along the ranks of the values that there are."""
        places = slice(None) if self.places is None else list(self.places)
        over = np.cumsum((one - other)[:, places], axis=1)[:, :-1]
        found: NDArray[np.float64] = np.abs(over).sum(axis=1) / max(1, over.shape[1])
        return found

    def least(self, count: int) -> float:
        """One rank."""
        return 1.0 / max(1, count - 1)


@dataclass(frozen=True)
class Hierarchical(Distance):
    """Values lie as far apart as the level at which they share a label, over the levels there are.

    What is moved between two labels of a level passes both their edges, so the work is half the differences of all
    labels, summed over the levels below the top.

    Args:
        hierarchy: of the sensitive column; it may have any number of levels.

    Source: Li, Li and Venkatasubramanian 2007, hierarchical distance.
    """

    hierarchy: Hierarchy
    nodes: tuple[tuple[int, ...], ...] = field(default=(), repr=False)
    named: ClassVar[str] = "hierarchical distance"

    def __post_init__(self) -> None:
        if not isinstance(self.hierarchy, Hierarchy):
            raise InvalidRequest(f"hierarchy={self.hierarchy!r} was given", "an un.deid.Hierarchy")

    def of(self, values: NDArray[Any]) -> Hierarchical:
        """With the labels of these values at each level below the top."""
        nodes = []
        for level in range(self.hierarchy.levels - 1):
            labels = np.array([str(label) for label in self.hierarchy.label(values, level).tolist()])
            nodes.append(tuple(np.unique(labels, return_inverse=True)[1].tolist()))
        return Hierarchical(self.hierarchy, tuple(nodes))

    def between(self, one: Shares, other: Shares) -> NDArray[np.float64]:
        """The work of moving along the hierarchy."""
        if not self.nodes:
            raise InvalidRequest("a hierarchical distance without values was asked for", "of(values) first")
        difference, work = one - other, np.zeros(len(one))
        for nodes in self.nodes:
            under = np.zeros((difference.shape[1], max(nodes, default=0) + 1))
            under[np.arange(len(nodes)), list(nodes)] = 1
            work += np.abs(difference @ under).sum(axis=1)
        return work / (2 * len(self.nodes))

    def least(self, count: int) -> float:
        """One level."""
        return 1.0 / max(1, self.hierarchy.levels - 1)
