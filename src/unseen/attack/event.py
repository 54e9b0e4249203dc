"""Events that tell two samples of outputs apart: features of outputs, and the threshold that bounds ε best."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Event", "Features", "choose"]

Array = NDArray[np.float64]

_BINS = 64
_THRESHOLDS = 200
_DENSE = 500
_Z = 4.0  # normal quantile with which candidates are compared: they are hundreds, and luck must not choose


class Features:
    """Numbers computed from an output, each of which may tell the two tables apart.

    They are every single coordinate, whether it is missing, its distance from the middle, its log likelihood ratio over
    bins, the sum of these over all coordinates, Fisher's linear discriminant, and the distances from the two means.

    Args:
        first: outputs on the one table, shape (n, d).
        second: outputs on the other, shape (m, d). NaN is a symbol of its own.
    """

    def __init__(self, first: Array, second: Array) -> None:
        both = np.concatenate([first, second])
        finite = np.isfinite(both)
        with np.errstate(invalid="ignore"):
            filled = np.where(finite, both, np.nan)
        some = finite.any(axis=0)
        self._middle = np.zeros(both.shape[1])
        self._scale = np.ones(both.shape[1])
        if some.any():
            self._middle[some] = np.nanmedian(filled[:, some], axis=0)
            spread = np.nanmean(np.abs(filled[:, some] - self._middle[some]), axis=0)
            self._scale[some] = np.where((spread > 0) & np.isfinite(spread), spread, 1.0)
        self._edges, self._ratios = [], []
        for column in range(both.shape[1]):
            edges, ratios = _ratios(_ordered(first[:, column]), _ordered(second[:, column]))
            self._edges.append(edges)
            self._ratios.append(ratios)
        one, other = self._standard(first), self._standard(second)
        self._means = one.mean(axis=0), other.mean(axis=0)
        self._direction = _discriminant(one, other)

    def __call__(self, outputs: Array) -> Array:
        """The features of outputs, shape (n, features); no NaN."""
        with np.errstate(invalid="ignore", over="ignore"):
            away = np.abs(outputs - self._middle)
        ratios = np.stack(
            [
                scores[np.searchsorted(edges, _ordered(outputs[:, column]), side="left")]
                for column, (edges, scores) in enumerate(zip(self._edges, self._ratios, strict=True))
            ],
            axis=1,
        )
        standard = self._standard(outputs)
        return np.concatenate(
            [
                _ordered(outputs),
                np.isnan(outputs).astype(np.float64),
                _ordered(away),
                ratios,
                ratios.sum(axis=1, keepdims=True),
                (standard @ self._direction)[:, None],
                *(((standard - mean) ** 2).sum(axis=1, keepdims=True) for mean in self._means),
            ],
            axis=1,
        )

    def _standard(self, outputs: Array) -> Array:
        """Centred, scaled and cut to ±20; what is not finite is 0 or ±20."""
        with np.errstate(invalid="ignore", over="ignore"):
            scaled = (outputs - self._middle) / self._scale
        return np.clip(np.nan_to_num(scaled, nan=0.0), -20, 20)


@dataclass(frozen=True)
class Event:
    """A set of outputs: those one of whose features lies on one side of a threshold."""

    feature: int
    threshold: float
    above: bool
    """Strictly above the threshold; else at most it."""
    swapped: bool
    """Whether it is the likelier on the second table."""

    def count(self, features: Array) -> int:
        """How many outputs lie in it."""
        inside = int((features[:, self.feature] <= self.threshold).sum())
        return len(features) - inside if self.above else inside


def choose(first: Array, second: Array, delta: float) -> Event:
    """The event that shows the greatest ε, by a lower bound, so that rare events do not win by luck.

    Args:
        first: features of outputs on the one table, shape (n, features).
        second: features on the other.
        delta: δ of the claim.

    Source: for the bound on a share, Wilson 1927.
    """
    best, winner = -np.inf, Event(0, np.inf, above=False, swapped=False)
    for feature in range(first.shape[1]):
        one, other = np.sort(first[:, feature]), np.sort(second[:, feature])
        values = np.unique(np.concatenate([one, other]))
        if len(values) > _DENSE:
            values = np.unique(
                np.quantile(np.concatenate([one, other]), np.linspace(0, 1, _THRESHOLDS), method="inverted_cdf")
            )
        below = np.stack([np.searchsorted(side, values, side="right") / len(side) for side in (one, other)])
        for above in (False, True):
            shares = 1 - below if above else below
            for swapped in (False, True):
                likely, unlikely = (shares[1], shares[0]) if swapped else (shares[0], shares[1])
                low = _wilson(likely, len(other) if swapped else len(one), -_Z) - delta
                high = _wilson(unlikely, len(one) if swapped else len(other), _Z)
                bound = np.log(np.maximum(low, 1e-300)) - np.log(high)
                index = int(np.argmax(bound))
                if bound[index] > best:
                    best = float(bound[index])
                    winner = Event(feature, float(values[index]), above, swapped)
    return winner


def _wilson(share: Array, count: int, z: float) -> Array:
    middle = share + z * z / (2 * count)
    spread = z * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    result: Array = np.clip((middle + spread) / (1 + z * z / count), 1e-12, 1)
    return result


def _ordered(values: Array) -> Array:
    """NaN becomes the least value; whether a value was NaN is a feature of its own."""
    return np.where(np.isnan(values), -np.inf, values)


def _ratios(first: Array, second: Array) -> tuple[Array, Array]:
    """Upper edges of bins, and the log likelihood ratio in each; frequent values get bins of their own."""
    both = np.sort(np.concatenate([first, second]))
    values, counts = np.unique(both, return_counts=True)
    if len(values) > _BINS:
        edges = both[np.linspace(0, len(both) - 1, _BINS).astype(np.int64)]
        atoms = np.flatnonzero(counts > len(both) / (4 * _BINS))
        values = np.unique(np.concatenate([edges, values[atoms], values[np.maximum(atoms - 1, 0)]]))
    bins = [
        np.bincount(np.searchsorted(values, side, side="left"), minlength=len(values) + 1) for side in (first, second)
    ]
    return values, np.log((bins[0] + 0.5) / (len(first) + 0.5)) - np.log((bins[1] + 0.5) / (len(second) + 0.5))


def _discriminant(one: Array, other: Array) -> Array:
    """Fisher's linear discriminant; for very many coordinates without their correlations."""
    apart = one.mean(axis=0) - other.mean(axis=0)
    if len(apart) > 500:
        result: Array = apart / (one.var(axis=0) + other.var(axis=0) + 1e-9)
        return result
    within = np.atleast_2d(np.cov(one, rowvar=False)) + np.atleast_2d(np.cov(other, rowvar=False))
    ridge = 1e-6 * float(np.trace(within)) / len(apart) + 1e-12
    solved: Array = np.linalg.solve(within + ridge * np.eye(len(apart)), apart)
    return solved
