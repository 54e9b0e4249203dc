"""Which unknown sums follow from known ones: by subtracting what is known, and by linear algebra for the rest."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Equation", "Solved", "solve"]

DENSE = 1_500
"""Unknowns, and equations, up to which linear algebra is tried on what subtraction leaves."""

ROUNDING = 1e-8


@dataclass(frozen=True)
class Equation:
    """That the unknowns at these places, each once, have this sum."""

    places: tuple[int, ...]
    total: float


@dataclass(frozen=True)
class Solved:
    """What follows.

    Args:
        values: for the place of each unknown that is determined its value.
        rest: the equations that are left, without what is determined.
        complete: whether nothing else can follow.
    """

    values: dict[int, float]
    rest: tuple[Equation, ...]
    complete: bool


def solve(equations: Sequence[Equation]) -> Solved:
    """All unknowns that the equations determine.

    An equation with one unknown gives its value, which is then subtracted in all others, until nothing more happens.
    What is left is solved at once where it is small enough: an unknown is determined if and only if its unit vector
    lies in the row space, and then the least squares solution holds its value, also of equations that contradict one
    another because their sums are noisy.

    Source: Chin and Özsoyoğlu 1982 (auditing of sums); Denning 1980, section on linear systems.
    """
    left = [set(equation.places) for equation in equations]
    totals = [equation.total for equation in equations]
    of: dict[int, list[int]] = {}
    for index, places in enumerate(left):
        for place in places:
            of.setdefault(place, []).append(index)
    values: dict[int, float] = {}
    queue = [index for index, places in enumerate(left) if len(places) == 1]
    while queue:
        index = queue.pop()
        if len(left[index]) != 1:
            continue
        place = next(iter(left[index]))
        values[place] = totals[index]
        for other in of[place]:
            left[other].discard(place)
            totals[other] -= values[place]
            if len(left[other]) == 1:
                queue.append(other)
    kept = {index: places for index, places in enumerate(left) if places}
    unknown = sorted(set().union(*kept.values())) if kept else []
    complete = len(unknown) <= DENSE and len(kept) <= DENSE
    if unknown and complete:
        more = _dense([kept[index] for index in kept], [totals[index] for index in kept], unknown)
        values |= more
        for index, places in kept.items():
            for place in places & more.keys():
                totals[index] -= more[place]
            places.difference_update(more)
    rest = tuple(Equation(tuple(sorted(places)), totals[index]) for index, places in kept.items() if places)
    return Solved(values, rest, complete)


def _dense(left: Sequence[set[int]], totals: Sequence[float], unknown: Sequence[int]) -> dict[int, float]:
    at = {place: column for column, place in enumerate(unknown)}
    matrix = np.zeros((len(left), len(unknown)))
    for row, places in enumerate(left):
        matrix[row, [at[place] for place in places]] = 1
    left_vectors, sizes, right = np.linalg.svd(matrix, full_matrices=False)
    real = sizes > sizes[0] * ROUNDING
    right, sizes, left_vectors = right[real], sizes[real], left_vectors[:, real]
    inside: NDArray[np.float64] = (right**2).sum(axis=0)
    found = right.T @ ((left_vectors.T @ np.asarray(totals)) / sizes)
    return {place: float(found[column]) for place, column in at.items() if inside[column] > 1 - ROUNDING}
