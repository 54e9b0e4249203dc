"""What Mondrian cuts: a column as codes in an order, and what the part between two cuts is called."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unseen.core.generalised import Cover, itself

__all__ = ["Axis", "Between", "Ints", "Named"]

Ints = NDArray[np.int64]


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
        labels: shape (parts,), of each different part, all different; texts, or numbers if each part is a single one.
        covers: what each of them stands for.
        of: shape (classes,), which of them each class has.
        loss: shape (classes,), the share of the domain beyond one value that a class is told as.
    """

    labels: NDArray[Any]
    covers: list[Cover]
    of: NDArray[np.intp]
    loss: NDArray[np.float64]


class Axis(ABC):
    """A quasi-identifier as codes in an order that cuts respect.

    Args:
        codes: shape (rows,), each row's code, from 0. Rows with one code count as equal and are told alike.
        places: shape (codes,), where each code lies in the domain, from 0 to 1, never falling.
    """

    def __init__(self, codes: Ints, places: NDArray[np.float64]) -> None:
        self.codes, self.places = codes, places

    @abstractmethod
    def _values(self, codes: Ints) -> NDArray[Any] | None:
        """The one value that each code stands for, a number or a text; None if one stands for several."""

    @abstractmethod
    def _spans(self, at: Between) -> tuple[NDArray[Any], NDArray[Any]]:
        """For each class the two ends of what it is told as, equal where that is a single code."""

    @abstractmethod
    def _called(self, low: Any, high: Any) -> tuple[str, Cover]:
        """Label and cover of what lies between two ends."""

    @abstractmethod
    def _loss(self, low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.float64]:
        """The share of the domain between two ends, beyond one value."""

    def named(self, at: Between) -> Named:
        """Labels for all classes: the region that the cuts leave, or the one value that a class shares."""
        if (at.least == at.most).all():
            alone, of = np.unique(at.least, return_inverse=True)
            values = self._values(alone)
            if values is not None:
                return Named(values, [itself(value) for value in values.tolist()], of, np.zeros(len(of)))
        low, high = self._spans(at)
        (lows, low_at), (highs, high_at) = (np.unique(ends, return_inverse=True) for ends in (low, high))
        kinds, first, of = np.unique(low_at * len(highs) + high_at, return_index=True, return_inverse=True)
        taken: dict[str, tuple[int, Cover]] = {}
        place = np.empty(len(kinds), dtype=np.intp)
        for index, kind in enumerate(kinds.tolist()):
            label, cover = self._called(lows[kind // len(highs)].item(), highs[kind % len(highs)].item())
            text, count = label, 1
            while text in taken and taken[text][1] != cover:  # a name may stand for a leaf and for a group
                count += 1
                text = f"{label} ({count})"
            place[index] = taken.setdefault(text, (len(taken), cover))[0]
        labels, covers = np.array(list(taken), dtype=object), [cover for _, cover in taken.values()]
        return Named(labels, covers, place[of], self._loss(low[first], high[first])[of])
