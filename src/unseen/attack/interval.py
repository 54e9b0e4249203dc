"""Confidence intervals for what attacks measure: shares, means of bounded values, areas under curves."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["CONFIDENCE", "area", "area_interval", "bounded_mean", "clopper_pearson", "newcombe"]

CONFIDENCE = 0.95
"""Of every attack's interval that is not told otherwise."""


def clopper_pearson(successes: int, trials: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Exact two-sided interval for a probability, never of less than the stated confidence.

    It also holds for the mean of independent coins that are not alike (Hoeffding 1956) wherever an end lies
    a coin or more away from the mean.

    Args:
        successes: how many of the trials succeeded, 0 … trials.
        trials: at least 1.
        confidence: of both ends together; each alone is missed with at most half of the rest.

    Source: Clopper and Pearson 1934.

    >>> low, high = clopper_pearson(10, 10)
    >>> round(low, 4), high
    (0.6915, 1.0)
    """
    from scipy.stats import beta

    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, successes, trials - successes + 1)) if successes > 0 else 0.0
    high = float(beta.ppf(1 - tail, successes + 1, trials - successes)) if successes < trials else 1.0
    return low, high


def bounded_mean(mean: float, count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Interval for the expectation of values in [0, 1], whatever their distribution.

    It holds all q with count · kl(mean ‖ q) ≤ log(2 / (1 - confidence)), with kl the relative entropy of coins.

    Args:
        mean: of ``count`` independent draws.
        count: at least 1.
        confidence: of both ends together.

    Source: Hoeffding 1963, Theorem 1, equation (2.1).

    >>> low, high = bounded_mean(1.0, 10)
    >>> round(low, 4), high
    (0.6915, 1.0)
    """
    allowed = math.log(2 / (1 - confidence)) / count

    def excess(q: float) -> float:
        kl = 0.0
        if mean > 0:
            kl += mean * math.log(mean / q)
        if mean < 1:
            kl += (1 - mean) * math.log((1 - mean) / (1 - q))
        return kl - allowed

    mean = min(max(mean, 0.0), 1.0)
    low = 0.0 if mean == 0 else _root(excess, 0.0, mean)
    high = 1.0 if mean == 1 else _root(excess, 1.0, mean)
    return low, high


def area(
    positive: NDArray[np.float64], negative: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """The area under the ROC curve, ties counted half, and each score's placement among the other group's.

    Args:
        positive: scores, shape (m,), larger meaning more positive; no NaN.
        negative: scores, shape (n,); no NaN.

    Returns:
        the area, the share of negatives below each positive, the share of positives above each negative.

    Source: DeLong, DeLong and Clarke-Pearson 1988; by midranks: Sun and Xu 2014.
    """
    from scipy.stats import rankdata

    m, n = len(positive), len(negative)
    ranks = rankdata(np.concatenate([positive, negative]))
    below = (ranks[:m] - rankdata(positive)) / n
    above = 1 - (ranks[m:] - rankdata(negative)) / m
    return float(below.mean()), below, above


def area_interval(
    positive: NDArray[np.float64], negative: NDArray[np.float64], confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """The area under the ROC curve with an interval: the wider of DeLong's and Newcombe's at either end.

    DeLong's variance follows the data but vanishes when the groups are separate; Newcombe's does not.

    Args:
        positive: scores, shape (m,), m at least 2; no NaN.
        negative: scores, shape (n,), n at least 2; no NaN.
        confidence: of both ends together, asymptotically.

    Returns:
        the area, its lower end, its upper end.

    Source: DeLong, DeLong and Clarke-Pearson 1988; Newcombe 2006, part 2, method 5, which solves for the area in
    the variance of Hanley and McNeil 1982.
    """
    from scipy.stats import norm

    value, below, above = area(positive, negative)
    z = float(norm.ppf((1 + confidence) / 2))
    spread = z * math.sqrt(below.var(ddof=1) / len(positive) + above.var(ddof=1) / len(negative))
    low, high = newcombe(value, len(positive), len(negative), confidence)
    return value, max(0.0, min(low, value - spread)), min(1.0, max(high, value + spread))


def newcombe(value: float, positives: int, negatives: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Newcombe's interval for an area under the ROC curve, from its value and the sizes alone.

    Source: Newcombe 2006, part 2, method 5.
    """
    from scipy.stats import norm

    z = float(norm.ppf((1 + confidence) / 2))
    size = (positives + negatives) / 2 - 1

    def excess(theta: float) -> float:
        variance = theta * (1 - theta) * (1 + size * (1 - theta) / (2 - theta) + size * theta / (1 + theta))
        return abs(theta - value) - z * math.sqrt(max(variance, 0.0) / (positives * negatives))

    nearly = 1e-9  # at 0 and 1 the variance vanishes, so these would count as roots
    low = _root(excess, 0.0, min(value, 1 - nearly)) if value > nearly else 0.0
    high = _root(excess, 1.0, max(value, nearly)) if value < 1 - nearly else 1.0
    return low, high


def _root(excess: Callable[[float], float], outside: float, inside: float) -> float:
    """The end nearest to ``outside`` of the stretch around ``inside`` where ``excess`` is not positive.

    Bisection; ``outside`` itself is never evaluated. What is given back lies on the outer side, so the
    interval is never too short.
    """
    for _ in range(200):
        middle = (outside + inside) / 2
        if middle in (outside, inside):
            break
        if excess(middle) > 0:
            outside = middle
        else:
            inside = middle
    return outside
