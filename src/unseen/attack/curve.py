"""ROC curves of a threshold on losses, and the ceilings that differential privacy puts on them."""
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from unseen.core.guarantee import DP
from unseen.core.noise.entropy import Entropy

__all__ = ["Roc", "accuracy_ceiling", "area_ceiling", "balanced_accuracy", "rate_ceiling"]

Losses = NDArray[np.float64]


def area_ceiling(claim: DP) -> float:
    """The greatest area under the ROC curve that (ε, δ) allows: 1 - (1-δ)² / (1+e^ε).

    Every test of "member" against "not a member" with false positive rate x misses at least
    f(x) = max(0, 1-δ-e^ε·x, e^-ε·(1-δ-x)) of the members (Kairouz, Oh and Viswanath 2015, theorem 2.1), so the
    area is at most 1 - ∫f. The two lines meet on the diagonal at c = (1-δ)/(1+e^ε), and f is its own mirror
    image in it. Under f lie the square [0, c]² and two triangles of base c and height 1-δ-c = e^ε·c:
    ∫f = c² + e^ε·c² = (1-δ)²/(1+e^ε). With δ = 0 the ceiling is e^ε/(1+e^ε).

    >>> area_ceiling(DP(1e-9)), round(area_ceiling(DP(1)), 3)
    (0.50000000025, 0.731)
    """
    shrunk = math.exp(-claim.epsilon)
    return 1 - (1 - claim.delta) ** 2 * shrunk / (1 + shrunk)


def accuracy_ceiling(claim: DP) -> float:
    """The greatest balanced accuracy that (ε, δ) allows: (e^ε+δ)/(1+e^ε), where the two lines of f meet."""
    shrunk = math.exp(-claim.epsilon)
    return (1 + claim.delta * shrunk) / (1 + shrunk)


def rate_ceiling(claim: DP, false_positives: float) -> float:
    """The greatest true positive rate that (ε, δ) allows at a rate of false positives.

    It is the lesser of e^ε·x + δ and 1 - e^-ε·(1-δ-x), and at most 1.
    """
    steep = math.exp(claim.epsilon) * false_positives + claim.delta if claim.epsilon < 700 else math.inf
    flat = 1 - math.exp(-claim.epsilon) * (1 - claim.delta - false_positives)
    return min(1.0, steep, flat)


class Roc:
    """The curve of "member if the loss is at most t", for all t.

    Args:
        members: losses, shape (m,), no NaN.
        nonmembers: losses, shape (n,), no NaN.
    """

    def __init__(self, members: Losses, nonmembers: Losses) -> None:
        thresholds = np.unique(np.concatenate([members, nonmembers]))
        self._false = np.concatenate([[0.0], _share(nonmembers, thresholds)])
        self._true = np.concatenate([[0.0], _share(members, thresholds)])

    def true_rate(self, false_rate: float) -> float:
        """The true positive rate at a false positive rate; between two thresholds a coin chooses."""
        last = int(np.searchsorted(self._false, false_rate, side="right")) - 1
        if last + 1 == len(self._false):
            return float(self._true[last])
        run = self._false[last + 1] - self._false[last]
        rise = self._true[last + 1] - self._true[last]
        return float(self._true[last] + rise * (false_rate - self._false[last]) / run)

    def points(self, limit: int = 400) -> tuple[tuple[float, float], ...]:
        """(false, true) positive rates for a plot, thinned evenly along the curve."""
        length = self._false + self._true
        kept = np.unique(np.searchsorted(length, np.linspace(0, 2, limit)).clip(0, len(length) - 1))
        return tuple(zip(self._false[kept].tolist(), self._true[kept].tolist(), strict=True))


def balanced_accuracy(members: Losses, nonmembers: Losses, stream: Entropy) -> float:
    """Accuracy on equally many members and non-members, with a threshold that other people's losses chose.

    Each half of the people is judged by the threshold that was best on the other half.
    """
    parts = []
    for losses in (members, nonmembers):
        order = stream.permutation(len(losses))
        parts.append((losses[order[: len(order) // 2]], losses[order[len(order) // 2 :]]))
    found = []
    for chosen, judged in ((0, 1), (1, 0)):
        thresholds = np.unique(np.concatenate([parts[0][chosen], parts[1][chosen]]))
        gain = _share(parts[0][chosen], thresholds) - _share(parts[1][chosen], thresholds)
        best = thresholds[[int(np.argmax(gain))]]
        found.append(0.5 + (_share(parts[0][judged], best)[0] - _share(parts[1][judged], best)[0]) / 2)
    return float(np.mean(found))


def _share(losses: Losses, thresholds: Losses) -> Losses:
    result: Losses = np.searchsorted(np.sort(losses), thresholds, side="right") / len(losses)
    return result
